"""An admin's edit of `config/platform`: what is wrong with it, and what the document says of itself."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from config.platform import PlatformConfig

# Ours in the same document: the outcome of the last check, and the explanation.
STATUS, README = "status", "readme"
_SHOWN_LENGTH = 60
_INTRODUCTION = (
    "What can be changed here while everything runs. An edit is checked in a moment and in force within a minute; "
    "status says so, or names what is wrong, and then nothing has changed. A field that is removed has its default, "
    "and deleting the document brings all of them back."
)


def checked(fields: Mapping[str, object]) -> tuple[PlatformConfig, list[str]]:
    """The configuration that these fields mean, and what is wrong with them; with problems it is not to be used."""
    properties = _properties()
    values = {name: value for name, value in fields.items() if name in properties}
    problems = [
        f"{name}: there is no such setting" for name in sorted(fields) if name not in {*properties, STATUS, README}
    ]
    try:
        config = PlatformConfig.model_validate(values, strict=True)
    except ValidationError as error:
        wrong = dict.fromkeys(str(found["loc"][0]) for found in error.errors())
        problems += [f"{name}: must be {_range_text(properties[name])}, not {_shown(fields[name])}" for name in wrong]
        config = PlatformConfig()
    return config, problems


def readme() -> str:
    """Every setting in a line: its values, its default, and what it is."""
    lines = [
        f"{name}: {each['description']} ({_range_text(each)}; default {json.dumps(each['default'])})"
        for name, each in _properties().items()
    ]
    return "\n".join([_INTRODUCTION, *lines])


def _properties() -> Mapping[str, Any]:
    """The settings as JSON Schema describes them, by the names in the document."""
    properties: dict[str, Any] = PlatformConfig.model_json_schema(by_alias=True)["properties"]
    return properties


def _range_text(schema: Mapping[str, Any]) -> str:
    """The values that a setting can have, in words."""
    if "anyOf" in schema:
        return " or ".join(_range_text(each) for each in schema["anyOf"])
    match schema["type"]:
        case "integer":
            return f"a whole number from {schema['minimum']:,} to {schema['maximum']:,}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case _:
            return f"a name of {schema['minLength']} to {schema['maxLength']} letters, digits and . _ : / -"


def _shown(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)[:_SHOWN_LENGTH]

"""The bases of request bodies and answers, and how a switch that admins set is read."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel


def is_set(value: object) -> bool:
    """Whether a switch counts as set: unless it is false itself, since it keeps something from being used."""
    return value is not False


# A field of a stored document that admins set by hand: no slip of theirs may fail the requests that read it, or undo
# what the switch is for, until it is mended (gcp.switches).
Switch = Annotated[bool, BeforeValidator(is_set)]


class Body(BaseModel):
    """A JSON body: known fields are strict, unknown ones are ignored, because newer clients send them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=False,
        extra="ignore",
        strict=True,
        allow_inf_nan=False,
        frozen=True,
        defer_build=True,
    )


class FileField(NamedTuple):
    """A file field of a form, for the API document: what each file may be, and how many there may be."""

    description: str
    fewest: int = 0
    most: int = 1


class Form(BaseModel):
    """The text fields of a multipart form, which are strings on the wire and parsed as such.

    `files` names the file fields beside them, which the handler reads from the call and checks.
    """

    files: ClassVar[Mapping[str, FileField]] = {}

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=False,
        extra="ignore",
        allow_inf_nan=False,
        frozen=True,
        defer_build=True,
    )


class Answer(BaseModel):
    """A JSON answer, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, defer_build=True)

"""Pydantic's findings in the shape that clients know, and in words that know no Python."""

from typing import TYPE_CHECKING

from pydantic import ValidationError

from gcp.errors import Detail

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def validation_details(error: ValidationError) -> list[Detail]:
    """What is wrong with each field of a body, without what was sent."""
    found = error.errors(include_url=False, include_input=False)
    around = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    return [
        _detail(each)
        for each in found
        # Pydantic leaves bad items out before it counts: a list with one would be called too short as well.
        if each["type"] != "too_short" or each["loc"] not in around
    ]


def _detail(found: "ErrorDetails") -> Detail:
    kind, message, limits = found["type"], found["msg"].removeprefix("Value error, "), found.get("ctx", {})
    if kind in {"too_short", "too_long"}:
        # What a validator of ours has cleaned before is of no type to Pydantic; all such values are texts.
        is_text = limits["field_type"] == "Value"
        bound = f"at least {limits['min_length']}" if kind == "too_short" else f"at most {limits['max_length']}"
        noun = "character" if is_text else "item"
        plural = "" if bound.endswith(" 1") else "s"
        message = f"{'String' if is_text else 'List'} should have {bound} {noun}{plural}"
        kind = f"string_{kind}" if is_text else kind
    return {"loc": ["body", *found["loc"]], "msg": message, "type": "list_type" if kind == "tuple_type" else kind}

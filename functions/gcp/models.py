"""The bases of request bodies and answers."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Body(BaseModel):
    """A JSON body: known fields are strict, unknown ones are ignored, because newer clients send them."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="ignore", strict=True, allow_inf_nan=False, frozen=True
    )


class Form(BaseModel):
    """The text fields of a multipart form, which are strings on the wire and parsed as such.

    `files` names the file fields beside them and how many files each takes; the endpoint reads them from the call.
    """

    files: ClassVar[Mapping[str, Literal["one", "many"]]] = {}

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="ignore", allow_inf_nan=False, frozen=True
    )


class NoBody(Body):
    """Nothing is read from the request's body."""


class Answer(BaseModel):
    """A JSON answer, camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

"""What an operation says of its requests and answers where that is no model: it loads no pydantic (gcp.models does)."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class NoBody:
    """Nothing is read from the request's body."""


class QueryParameter(NamedTuple):
    """A parameter of the query, for the API document; the handler reads it from the call and checks it."""

    name: str
    schema: Mapping[str, object]
    description: str


class BareAnswer(NamedTuple):
    """An answer that is not JSON, for the API document; `content_type` is empty when it has no body."""

    status: int
    description: str
    content_type: str = ""


class WithHeaders(NamedTuple):
    """What a handler returns when its answer needs headers: the answer itself, and they."""

    content: Any
    headers: Mapping[str, str]

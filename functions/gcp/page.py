"""Lists come in pages: how long one may be, and where the next one begins.

A client asks with `limit` and `pageToken`; when there is more, the answer's header `X-Next-Page-Token` has the token
for it. A token is opaque to clients: the sort key and the id of the last document that was seen. So a page costs the
same wherever it begins, and documents that come or go meanwhile shift nothing. It is no secret and gives no right: who
may see what is decided by the list's own query, so that a token of another list, or one that a client made up, only
says where in this list to begin.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from gcp.errors import ValidationFailed
from gcp.wire import QueryParameter, WithHeaders

if TYPE_CHECKING:
    from google.cloud.firestore import DocumentSnapshot, Query

Item = TypeVar("Item")
Made = TypeVar("Made")

MOST = 100
NEXT_PAGE_HEADER = "X-Next-Page-Token"
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,100}")
_MAX_TOKEN_LENGTH = 500
_END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
# Firestore refuses some ids (".", "__x__") with an error of its own.
_DOCUMENT_ID = re.compile(r"(?!\.|__)[A-Za-z0-9_.\-]{1,200}")
_PLAIN = re.compile(r"(?!__)[A-Za-z0-9_-]{1,150}")


class Page(NamedTuple, Generic[Item]):
    """Some items in order; `next_token` leads to those after them, None when there are none."""

    items: list[Item]
    next_token: str | None

    def map(self, make: Callable[[Sequence[Item]], list[Made]]) -> "Page[Made]":
        """The same page of what `make` makes of the items."""
        return Page(make(self.items), self.next_token)


class PageRequest(NamedTuple):
    """At most `limit` items after the document of this sort key and id; from the first on without one."""

    limit: int
    after: tuple[datetime, str] | None = None


def page_parameters(default: int = MOST) -> tuple[QueryParameter, ...]:
    """The parameters that `page_request` reads."""
    token = QueryParameter(
        "pageToken", {"type": "string", "maxLength": _MAX_TOKEN_LENGTH}, f"From the header {NEXT_PAGE_HEADER}."
    )
    return (limit_parameter(default), token)


def limit_parameter(default: int = MOST) -> QueryParameter:
    """The parameter that `page_limit` reads."""
    # No minimum and maximum in the schema: they would say that other numbers are refused.
    schema = {"type": "integer", "default": default}
    return QueryParameter("limit", schema, f"How many at most, 1 to {MOST}; another number is brought into this range.")


def page_limit(query: Mapping[str, str], *, default: int = MOST) -> int:
    """The `limit` of the query, brought into 1 to 100; the default without one. Raises ValidationFailed."""
    text = query.get("limit", "")
    if not text:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise _refused("limit", "A whole number from 1 to 100.", "int_parsing")
    return max(1, min(int(text), MOST))


def page_request(query: Mapping[str, str], *, default: int = MOST) -> PageRequest:
    """The page that the query asks for. Raises ValidationFailed for what is no number or no token of ours."""
    limit, token = page_limit(query, default=default), query.get("pageToken", "")
    return PageRequest(limit, _position(token) if token else None)


def read_page(query: "Query", field: str, request: PageRequest) -> "tuple[list[DocumentSnapshot[Any]], str | None]":
    """The page's documents, newest first by `field` and then by id, and the next page's token.

    One document more than asked for is read: whether there is a next page. A document whose `field` an admin made
    something else than a moment is in no page.
    """
    # Deferred: gRPC; whoever has a query has it already.
    from google.cloud.firestore import FieldFilter, Query

    dated = query.where(filter=FieldFilter(field, "<=", _END_OF_TIME))
    ordered = dated.order_by(field, direction=Query.DESCENDING).order_by("__name__", direction=Query.DESCENDING)
    if request.after is not None:
        moment, document_id = request.after
        ordered = ordered.start_after({field: moment, "__name__": document_id})
    found = list(ordered.limit(request.limit + 1).stream())
    if len(found) <= request.limit:
        return found, None
    page = found[: request.limit]
    return page, page_token(page[-1].get(field), page[-1].id)


def page_token(moment: datetime, document_id: str) -> str:
    """The token of the page that begins after this document."""
    # Firestore keeps microseconds, and so does isoformat.
    content = json.dumps([moment.astimezone(UTC).isoformat(), document_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


def plain_id(text: str) -> str:
    """The text as part of the id of a document that is listed: as it is, or its hash where an admin typed freely."""
    return text if _PLAIN.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:32]


def paged(content: Any, next_token: str | None) -> WithHeaders:
    """The answer with the next page's token beside it."""
    return WithHeaders(content, {NEXT_PAGE_HEADER: next_token} if next_token else {})


def _position(token: str) -> tuple[datetime, str]:
    refused = _refused("pageToken", "This is no token of a page; take it from the answer before.", "value_error")
    if len(token) > _MAX_TOKEN_LENGTH or not token.isascii():
        raise refused
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        moment, document_id = content
        position = datetime.fromisoformat(moment), str(document_id)
        if position[0].tzinfo is None or not _DOCUMENT_ID.fullmatch(position[1]):
            raise refused
        # The year 1 in a zone east of Greenwich is before the first moment that there is.
        return position[0].astimezone(UTC), position[1]
    except (binascii.Error, ValueError, TypeError, OverflowError) as error:
        raise refused from error


def _refused(parameter: str, message: str, kind: str) -> ValidationFailed:
    return ValidationFailed([{"loc": ["query", parameter], "msg": message, "type": kind}])

"""How long a list a client may ask for."""

import re
from collections.abc import Mapping

from gcp.errors import ValidationFailed
from gcp.models import QueryParameter

MOST = 100
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,100}")


def limit_parameter(default: int = MOST) -> QueryParameter:
    """The parameter that `page_limit` reads."""
    schema = {"type": "integer", "minimum": 1, "maximum": MOST, "default": default}
    return QueryParameter("limit", schema, "How many at most; a number outside the range is brought into it.")


def page_limit(query: Mapping[str, str], *, default: int = MOST) -> int:
    """The `limit` of the query, brought into 1 to 100; the default without one. Raises ValidationFailed."""
    text = query.get("limit", "")
    if not text:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValidationFailed(
            [{"loc": ["query", "limit"], "msg": "A whole number from 1 to 100.", "type": "int_parsing"}]
        )
    return max(1, min(int(text), MOST))

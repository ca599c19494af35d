"""Paths of private media that load by themselves: `?expires=<seconds since 1970>&signature=<hex>`.

A media element sends no token. Who was given such a path may load the media until it expires; nobody can make one.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from contracts.media_paths import api_path
from gcp.wire import QueryParameter

_DAY_SECONDS = 86_400

SIGNATURE = (
    QueryParameter("expires", {"type": "integer"}, "As in the path that was given; seconds since 1970."),
    QueryParameter("signature", {"type": "string"}, "As in the path that was given. The owner's token serves as well."),
)


def signed_path(object_name: str, secrets: Sequence[str], now: datetime) -> str:
    """The API path of an object, signed with the current key, good for 24 to 48 hours.

    It expires at a midnight (UTC), so that clients which poll see the same path all day and keep what they loaded.
    Raises ValueError for an object that no path stands for.
    """
    path = api_path(object_name)
    expires = -(-(int(now.timestamp()) + _DAY_SECONDS) // _DAY_SECONDS) * _DAY_SECONDS
    return f"{path}?expires={expires}&signature={_signature(path, expires, secrets[0])}"


def is_signed(path: str, query: Mapping[str, str], secrets: Sequence[str], now: datetime) -> bool:
    """Whether the query carries the signature of one of the keys for this path, and it has not expired."""
    expires = query.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= len("99999999999")):
        return False
    signature = query.get("signature", "").encode()
    matches = [hmac.compare_digest(_signature(path, int(expires), secret).encode(), signature) for secret in secrets]
    return any(matches) and now.timestamp() < int(expires)


def _signature(path: str, expires: int, secret: str) -> str:
    # A key of its own: a session token's signature can never pass for a path's.
    key = hmac.digest(secret.encode(), b"media paths", hashlib.sha256)
    return hmac.new(key, f"{path}?expires={expires}".encode(), hashlib.sha256).hexdigest()

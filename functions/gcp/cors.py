"""Which web pages may read our answers."""

import re
from collections.abc import Sequence

from gcp.settings import Settings

_LOCAL_ORIGIN = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


def cors_headers(settings: Settings, origin: str | None) -> dict[str, str]:
    """The headers of every answer; an origin that is not configured gets none that lets a page read it.

    CORS_ORIGINS lists exact origins, separated by commas. In development any localhost origin is allowed.
    """
    headers = {"Vary": "Origin, Authorization"}
    if origin and _is_allowed(settings, origin):
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "X-Request-Id, X-Next-Page-Token, Retry-After, WWW-Authenticate"
    return headers


def preflight_headers(methods: Sequence[str]) -> dict[str, str]:
    """What a preflight is told besides, for a path with these methods."""
    return {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key",
        "Access-Control-Max-Age": "3600",
    }


def _is_allowed(settings: Settings, origin: str) -> bool:
    if settings.is_local and _LOCAL_ORIGIN.fullmatch(origin):
        return True
    return origin in {allowed.strip() for allowed in settings.get("CORS_ORIGINS").split(",")}

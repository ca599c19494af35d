"""Our session tokens: JWTs signed with HS256, each valid for an hour, and never longer than the sign-in behind it."""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gcp.errors import SignInAgain, Unauthenticated

LIFETIME = timedelta(seconds=3600)
# However often a session is refreshed, after this its user has to prove who they are again.
SIGN_IN_LIFETIME = timedelta(days=30)
# Instances' clocks differ a little; without it a token issued by one is refused by another as not yet valid.
LEEWAY = timedelta(seconds=30)
_ISSUER = "duologue"
_AUDIENCE = "duologue-api"


class Session(NamedTuple):
    """Who signed in, and when they last proved it with a password."""

    user_id: str
    signed_in_at: datetime


def session_end(now: datetime, signed_in_at: datetime) -> datetime:
    """When a session that is issued now ends. Raises SignInAgain when the sign-in is too long ago for another one."""
    last = signed_in_at + SIGN_IN_LIFETIME
    if now >= last:
        raise SignInAgain
    return min(now + LIFETIME, last)


def issue_session(user_id: str, secrets: Sequence[str], *, now: datetime, signed_in_at: datetime | None = None) -> str:
    """A token signed with the current key. `signed_in_at` is carried over by a refresh. Raises SignInAgain."""
    # Deferred: PyJWT brings cryptography along, which a public read does not need.
    import jwt

    # The claim has whole seconds, and the token's end follows from the claim.
    auth_time = int((signed_in_at or now).timestamp())
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": user_id,
        "iat": now,
        "exp": session_end(now, datetime.fromtimestamp(auth_time, UTC)),
        "jti": uuid.uuid4().hex,
        "auth_time": auth_time,
    }
    return jwt.encode(claims, secrets[0], algorithm="HS256", headers={"kid": key_id(secrets[0])})


def is_session(token: str, secrets: Sequence[str]) -> bool:
    """Whether the token says that one of our keys signed it. Nothing is verified. Raises Unauthenticated for no JWT."""
    import jwt

    try:
        return jwt.get_unverified_header(token).get("kid") in {key_id(secret) for secret in secrets}
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise Unauthenticated from error


def verify_session(token: str, secrets: Sequence[str]) -> Session:
    """The session of a token that one of the keys signed. Raises Unauthenticated for every other token."""
    import jwt

    try:
        secret = {key_id(secret): secret for secret in secrets}[str(jwt.get_unverified_header(token).get("kid"))]
        claims = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            audience=_AUDIENCE,
            issuer=_ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iat", "sub", "jti", "aud", "iss", "auth_time"]},
        )
        return Session(claims["sub"], datetime.fromtimestamp(int(claims["auth_time"]), UTC))
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise Unauthenticated from error


def key_id(secret: str) -> str:
    """The name of a key in a token's header; it tells nothing about the key."""
    return hashlib.sha256(b"key id of " + secret.encode()).hexdigest()[:16]

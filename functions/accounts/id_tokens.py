"""Firebase ID tokens: what apps with the Firebase SDKs send instead of a session token of ours."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from accounts.identity import SIGNED_IN_AT
from accounts.sessions import LEEWAY, SIGN_IN_LIFETIME
from accounts.users import USER_ID
from gcp.clients import firebase_app
from gcp.errors import Unauthenticated, Unavailable

_ISSUER = "https://securetoken.google.com/"
_Moment = Annotated[int, Field(ge=0, le=253_402_300_799)]  # seconds since 1970, to the end of the year 9999


class IdToken(NamedTuple):
    """A verified ID token."""

    user_id: str
    email: str
    is_verified: bool
    signed_in_at: datetime
    expires_at: datetime


class _Provider(BaseModel):
    model_config = ConfigDict(strict=True)

    sign_in_provider: str


class _Claims(BaseModel):
    model_config = ConfigDict(strict=True)

    sub: Annotated[str, Field(pattern=rf"\A{USER_ID}\z")]
    iat: _Moment
    exp: _Moment
    auth_time: _Moment
    firebase: _Provider
    email: str = ""
    email_verified: bool = False
    # Of our own custom tokens only.
    password_given_at: Annotated[_Moment | None, Field(alias=SIGNED_IN_AT)] = None


def is_id_token(token: str, project_id: str) -> bool:
    """Whether the token says that Firebase Auth issued it for the project. Nothing is verified."""
    # Deferred: as in accounts.sessions.
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, TypeError):
        return False
    return bool(claims.get("iss") == _ISSUER + project_id)


def verify_id_token(token: str) -> IdToken:
    """The token, signed by Google for our project and neither early nor late; the Auth emulator does not sign.

    Nothing is asked of Firebase Auth but its certificates. Raises Unauthenticated, also for guests, and Unavailable
    when the certificates cannot be read.
    """
    app = firebase_app()
    # Deferred: a session token, which most requests carry, does not need the Admin SDK.
    from firebase_admin import auth, exceptions

    try:
        content = auth.verify_id_token(token, app=app, clock_skew_seconds=int(LEEWAY.total_seconds()))
        claims = _Claims.model_validate(content)
    except auth.CertificateFetchError as error:
        raise Unavailable("The sign-in service does not answer; try again.") from error
    except (ValidationError, ValueError, exceptions.FirebaseError) as error:
        raise Unauthenticated from error
    if claims.firebase.sign_in_provider == "anonymous":
        raise Unauthenticated("Guests have no account here: sign in with an address, a phone or a provider.")
    given_at = claims.auth_time if claims.password_given_at is None else min(claims.auth_time, claims.password_given_at)
    # The SDK leaves the times of the emulator's tokens unchecked; and what came of our sign-in ends as our sessions do.
    now, leeway = time.time(), LEEWAY.total_seconds()
    ended = claims.password_given_at is not None and now >= given_at + SIGN_IN_LIFETIME.total_seconds()
    if ended or max(claims.iat, claims.auth_time) > now + leeway or claims.exp <= now - leeway:
        raise Unauthenticated
    return IdToken(
        user_id=claims.sub,
        email=claims.email,
        is_verified=claims.email_verified,
        signed_in_at=_moment(given_at),
        expires_at=_moment(claims.exp),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)

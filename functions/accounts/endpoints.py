"""Signing up, signing in, and the caller's own profile."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, EmailStr, Field, StringConstraints

from accounts.users import UserAnswer, ensure_user
from gcp.endpoint import Call, endpoint
from gcp.errors import AddressTaken, WrongCredentials
from gcp.models import Answer, Body, NoBody
from gcp.settings import settings
from gcp.text import name_text

Password = Annotated[str, Field(min_length=6, max_length=128)]


class SignupBody(Body):
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=2, max_length=50), AfterValidator(name_text)
    ]
    email: EmailStr
    password: Password


class LoginBody(Body):
    email: EmailStr
    # No shortest length: a password that nobody can have is a wrong one, and is answered as such.
    password: Annotated[str, Field(min_length=1, max_length=128)]


class SignedIn(Answer):
    success: bool = True
    message: str
    token: str
    user: UserAnswer
    expires_in: int


@endpoint(body=SignupBody, answer=SignedIn, refuses=(AddressTaken,))
def signup(call: Call[SignupBody]) -> SignedIn:
    """POST /api/signup, anyone: an account with its initial tokens."""
    from accounts.identity import create_identity

    body = call.body
    identity = create_identity(name=body.name, email=body.email, password=body.password)
    return _signed_in("User created successfully", identity.user_id, body.name, body.email, is_verified=False)


@endpoint(body=LoginBody, answer=SignedIn, refuses=(WrongCredentials,))
def login(call: Call[LoginBody]) -> SignedIn:
    """POST /api/login, anyone: a token for the user of this password."""
    from accounts.identity import sign_in

    identity = sign_in(email=call.body.email, password=call.body.password)
    name = identity.name or call.body.email.partition("@")[0]
    return _signed_in("Login successful", identity.user_id, name, call.body.email, is_verified=identity.is_verified)


@endpoint(answer=UserAnswer)
def get_me(call: Call[NoBody]) -> UserAnswer:
    """GET /api/me, the user: the caller's profile and balance."""
    return UserAnswer.of(call.caller)


@endpoint(answer=SignedIn)
def refresh_token(call: Call[NoBody]) -> SignedIn:
    """POST /api/refresh-token, the user: a fresh token for one that still is valid."""
    from accounts.sessions import LIFETIME, issue_session

    token = issue_session(call.caller.id, settings().jwt_secrets, now=datetime.now(UTC), signed_in_at=call.signed_in_at)
    return SignedIn(
        message="Token refreshed successfully",
        token=token,
        user=UserAnswer.of(call.caller),
        expires_in=int(LIFETIME.total_seconds()),
    )


def _signed_in(message: str, user_id: str, name: str, email: str, *, is_verified: bool) -> SignedIn:
    from accounts.sessions import LIFETIME, issue_session
    from gcp.clients import firestore

    now = datetime.now(UTC)
    user = ensure_user(
        firestore(),
        user_id=user_id,
        name=name,
        email=email,
        is_verified=is_verified,
        tokens_to_give=settings().tokens_to_give,
        now=now,
    )
    token = issue_session(user_id, settings().jwt_secrets, now=now)
    return SignedIn(message=message, token=token, user=UserAnswer.of(user), expires_in=int(LIFETIME.total_seconds()))

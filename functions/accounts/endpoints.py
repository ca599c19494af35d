"""Signing up, signing in, and the caller's own profile."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, EmailStr, Field, StringConstraints

from accounts.users import UserAnswer, find_user, stands
from gcp.endpoint import Call, endpoint
from gcp.errors import AddressTaken, RateLimited, SignInAgain, SignupClosed, Unauthenticated, WrongCredentials
from gcp.front_door import client_network
from gcp.models import Answer, Body
from gcp.settings import settings
from gcp.text import name_text
from gcp.wire import NoBody

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from accounts.identity import Identity


def _address_alone(text: object) -> object:
    """What the type of addresses would take too, and what would be stored without the name in it."""
    if isinstance(text, str) and "<" in text:
        raise ValueError("an address alone is expected, without a name")
    return text


Address = Annotated[EmailStr, BeforeValidator(_address_alone)]
Password = Annotated[str, Field(min_length=6, max_length=128)]

# `firebaseToken` may be exchanged within an hour, for an ID token that is good for another one.
_FIREBASE_ACCESS = timedelta(hours=2)


class SignupBody(Body):
    name: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=2, max_length=50), AfterValidator(name_text)
    ]
    email: Address
    password: Password


class LoginBody(Body):
    email: Address
    # No shortest length: a password that nobody can have is a wrong one, and is answered as such.
    password: Annotated[str, Field(min_length=1, max_length=128)]


class Refreshed(Answer):
    success: bool = True
    message: str
    token: str
    user: UserAnswer
    expires_in: int


class SignedIn(Refreshed):
    # A custom token, with which the client may sign in to Firebase and subscribe to the user's own documents.
    firebase_token: str


@endpoint(body=SignupBody, answer=SignedIn, refuses=(AddressTaken, SignupClosed, RateLimited))
def signup(call: Call[SignupBody]) -> SignedIn:
    """POST /api/signup, anyone: an account with its initial tokens."""
    from accounts.admission import admit_new_account
    from accounts.identity import create_identity
    from accounts.sign_in_limits import remember_network
    from gcp.clients import firestore

    now, body, network = datetime.now(UTC), call.body, client_network(call.headers)
    admit_new_account(firestore(), network, now)
    identity = create_identity(name=body.name, email=body.email, password=body.password)
    remember_network(firestore(), body.email, network, now)
    # Not before the moment from which Firebase Auth takes the user's tokens, by its clock and in whole seconds.
    signed_in_at = max(now, identity.tokens_valid_after or now)
    identity = identity._replace(email=body.email)
    return _signed_in(firestore(), "User created successfully", identity, signed_in_at, now)


@endpoint(body=LoginBody, answer=SignedIn, refuses=(WrongCredentials, SignupClosed, RateLimited))
def login(call: Call[LoginBody]) -> SignedIn:
    """POST /api/login, anyone: a token for the user of this password.

    An unknown address and a wrong password get the same answer, in similar time.
    """
    from accounts.admission import admit_new_account
    from accounts.enrolment import is_enabled_again
    from accounts.identity import read_identities, sign_in, wrong_credentials
    from accounts.sign_in_limits import remember_network, spend_sign_in
    from gcp.clients import firestore

    now, body, network = datetime.now(UTC), call.body, client_network(call.headers)
    spend_sign_in(firestore(), body.email, network, now)
    identity, signed_in_at = sign_in(email=body.email, password=body.password)
    remember_network(firestore(), body.email, network, now)
    user = find_user(firestore(), identity.user_id)
    if user is None:
        admit_new_account(firestore(), network, now)
    elif user.identity_disabled and not is_enabled_again(user, read_identities([user.id]).get(user.id)):
        raise wrong_credentials()
    return _signed_in(firestore(), "Login successful", identity, signed_in_at, now)


@endpoint(answer=UserAnswer)
def get_me(call: Call[NoBody]) -> UserAnswer:
    """GET /api/me, the user: the caller's profile and balance."""
    return UserAnswer.of(call.caller)


@endpoint(answer=Refreshed, refuses=(SignInAgain,))
def refresh_token(call: Call[NoBody]) -> Refreshed:
    """POST /api/refresh-token, the user: a fresh token for one that still is valid.

    It ends 30 days after the sign-in at the latest; then a new sign-in is due.
    """
    from accounts.admission import initial_tokens
    from accounts.enrolment import changes_of_identity, ensure_user
    from accounts.identity import read_identities
    from accounts.sessions import issue_session, session_end
    from gcp.clients import firestore

    now, caller, signed_in_at = datetime.now(UTC), call.caller, call.signed_in_at
    assert signed_in_at is not None
    ends_at = session_end(now, signed_in_at)
    # Asked of Firebase Auth itself: what it has revoked a moment ago is not extended by an hour.
    identity = read_identities([caller.id]).get(caller.id)
    if identity is None or changes_of_identity(caller, identity).get("identityDisabled"):
        raise Unauthenticated
    user = ensure_user(firestore(), identity, initial_tokens(firestore()), access_until=ends_at, now=now)
    if not stands(user, signed_in_at):
        raise Unauthenticated
    token = issue_session(user.id, settings().jwt_secrets, now=now, signed_in_at=signed_in_at)
    return Refreshed(
        message="Token refreshed successfully",
        token=token,
        user=UserAnswer.of(user),
        expires_in=int((ends_at - now).total_seconds()),
    )


def _signed_in(db: "Client", message: str, identity: "Identity", signed_in_at: datetime, now: datetime) -> SignedIn:
    from accounts.admission import initial_tokens
    from accounts.enrolment import ensure_user
    from accounts.identity import create_firebase_token, wrong_credentials
    from accounts.sessions import issue_session, session_end

    firebase_token = create_firebase_token(identity.user_id, signed_in_at)
    user = ensure_user(db, identity, initial_tokens(db), access_until=now + _FIREBASE_ACCESS, now=now)
    if not stands(user, signed_in_at):
        raise wrong_credentials()
    return SignedIn(
        message=message,
        token=issue_session(user.id, settings().jwt_secrets, now=now, signed_in_at=signed_in_at),
        user=UserAnswer.of(user),
        expires_in=int((session_end(now, signed_in_at) - now).total_seconds()),
        firebase_token=firebase_token,
    )

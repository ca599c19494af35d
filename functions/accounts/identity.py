"""Firebase Auth, which keeps the passwords: users by the Admin SDK, signing in over Identity Toolkit's REST.

https://cloud.google.com/identity-platform/docs/use-rest-api#section-sign-in-email-password
"""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from gcp.clients import firebase_app
from gcp.errors import AddressTaken, RateLimited, Unavailable, ValidationFailed, WrongCredentials
from gcp.settings import settings

if TYPE_CHECKING:
    from firebase_admin.auth import UserRecord

# The claim of our custom tokens, and so of every ID token that comes of one, that says when the password was given.
SIGNED_IN_AT = "signedInAt"
# Said of what we count (accounts.admission), and of what Google counts for addresses that somebody has.
TOO_MANY_SIGN_INS = "Too many sign-ins for this address; try again later."
_RETRY_SECONDS = 900  # Google does not tell how long.
_TIMEOUT_SECONDS = 10
_WRONG = frozenset(
    {"EMAIL_NOT_FOUND", "INVALID_PASSWORD", "INVALID_LOGIN_CREDENTIALS", "USER_DISABLED", "INVALID_EMAIL"}
)


class Identity(NamedTuple):
    """A user of Firebase Auth. `email` is empty for who signs in by phone; what a source does not tell is None."""

    user_id: str
    name: str = ""
    email: str = ""
    is_verified: bool = False
    has_password: bool = False
    disabled: bool = False
    # Tokens of a sign-in before this are revoked: by a new password, a new address or an admin.
    tokens_valid_after: datetime | None = None
    created_at: datetime | None = None


def create_identity(*, name: str, email: str, password: str) -> Identity:
    """A new user of Firebase Auth. Raises AddressTaken, ValidationFailed and Unavailable."""
    app = firebase_app()
    # Deferred: only what talks to Firebase Auth needs the Admin SDK.
    from firebase_admin import auth, exceptions

    try:
        record = auth.create_user(display_name=name, email=email, password=password, app=app)
    except auth.EmailAlreadyExistsError as error:
        raise AddressTaken("An account with this e-mail address exists.", param="email") from error
    except (ValueError, exceptions.InvalidArgumentError) as error:
        raise ValidationFailed.of("email", "Firebase Auth refuses this address or password.") from error
    except exceptions.FirebaseError as error:
        raise Unavailable("The sign-up service does not answer; try again.") from error
    return _identity(record)


def sign_in(*, email: str, password: str) -> tuple[Identity, datetime]:
    """The user whose password this is, and the moment by Google's clock.

    Raises WrongCredentials with one message for every cause, RateLimited, and Unavailable. Whether nobody has the
    address or the password is another one, the answer comes after the same one call to Identity Toolkit, so that
    neither its words nor its time tell who has an account here.
    """
    # Deferred: only sign-in calls Identity Toolkit.
    import requests

    emulator_host = settings().get("FIREBASE_AUTH_EMULATOR_HOST")
    origin = f"http://{emulator_host}/" if emulator_host else "https://"
    try:
        response = requests.post(
            f"{origin}identitytoolkit.googleapis.com/v1/accounts:signInWithPassword",
            params={"key": settings().require("WEB_API_KEY")},
            json={"email": email, "password": password, "returnSecureToken": True},
            timeout=_TIMEOUT_SECONDS,
        )
        answer = response.json()
    except (requests.RequestException, ValueError) as error:
        raise Unavailable("The sign-in service does not answer; try again.") from error
    if response.status_code == requests.codes.ok and "idToken" in answer:
        claims = _claims(answer["idToken"])
        identity = Identity(
            user_id=answer["localId"],
            name=str(claims.get("name", "")),
            email=answer.get("email", email),
            is_verified=bool(claims.get("email_verified")),
            has_password=True,
        )
        return identity, datetime.fromtimestamp(claims["auth_time"], UTC)
    # The message is a code, sometimes followed by " : " and an explanation.
    code = str(answer.get("error", {}).get("message", "")).partition(" ")[0]
    if code in _WRONG:
        raise wrong_credentials()
    if code == "TOO_MANY_ATTEMPTS_TRY_LATER":
        raise RateLimited(TOO_MANY_SIGN_INS, retry_after_seconds=_RETRY_SECONDS)
    raise Unavailable("The sign-in service refuses us for now; try again later.")


def wrong_credentials() -> WrongCredentials:
    """The one answer to an unknown address, a wrong password, and an account that nobody may use."""
    return WrongCredentials("Wrong e-mail address or password.")


def read_identities(user_ids: Sequence[str]) -> dict[str, Identity]:
    """What Firebase Auth knows now of at most 100 users, without those it does not know. Raises Unavailable."""
    app = firebase_app()
    # Deferred: as above.
    from firebase_admin import auth, exceptions

    try:
        found = auth.get_users([auth.UidIdentifier(user_id) for user_id in user_ids], app=app).users
    except exceptions.FirebaseError as error:
        raise Unavailable("The sign-in service does not answer; try again.") from error
    return {record.uid: _identity(record) for record in found}


def create_firebase_token(user_id: str, signed_in_at: datetime) -> str:
    """A custom token, with which a client signs in to Firebase itself, within the hour. Raises Unavailable.

    It says when the password was given, or a token from before a change of the password could be exchanged after it.
    In the cloud the function's service account signs it through IAM, for which it needs the role
    roles/iam.serviceAccountTokenCreator on itself.
    """
    app = firebase_app()
    # Deferred: as above.
    from firebase_admin import auth, exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        token = auth.create_custom_token(user_id, {SIGNED_IN_AT: int(signed_in_at.timestamp())}, app=app)
    except (ValueError, exceptions.FirebaseError, GoogleAuthError) as error:
        # A ValueError is how the SDK says that it found no service account to sign with.
        raise Unavailable("The sign-in service cannot sign; try again.") from error
    return token.decode() if isinstance(token, bytes) else str(token)


def _identity(record: "UserRecord") -> Identity:
    created = record.user_metadata.creation_timestamp
    return Identity(
        user_id=record.uid,
        name=record.display_name or "",
        email=record.email or "",
        is_verified=record.email_verified,
        has_password=any(provider.provider_id == "password" for provider in record.provider_data),
        disabled=record.disabled,
        tokens_valid_after=datetime.fromtimestamp(record.tokens_valid_after_timestamp / 1000, UTC),
        created_at=datetime.fromtimestamp(created / 1000, UTC) if created else None,
    )


def _claims(id_token: str) -> dict[str, Any]:
    """The claims of a token that just came from Identity Toolkit itself over TLS, so unverified."""
    payload = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert isinstance(claims, dict)
    return claims

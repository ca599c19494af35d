"""Firebase Auth, which keeps the passwords: making a user with the Admin SDK, signing in over Identity Toolkit's REST.

https://cloud.google.com/identity-platform/docs/use-rest-api#section-sign-in-email-password
"""

import base64
import json
from typing import NamedTuple

from gcp.clients import firebase_app
from gcp.errors import AddressTaken, Unavailable, ValidationFailed, WrongCredentials
from gcp.settings import settings

_TIMEOUT_SECONDS = 10
_WRONG = frozenset(
    {"EMAIL_NOT_FOUND", "INVALID_PASSWORD", "INVALID_LOGIN_CREDENTIALS", "USER_DISABLED", "INVALID_EMAIL"}
)


class Identity(NamedTuple):
    """A user of Firebase Auth."""

    user_id: str
    name: str
    is_verified: bool


def create_identity(*, name: str, email: str, password: str) -> Identity:
    """A new user of Firebase Auth. Raises AddressTaken and ValidationFailed."""
    app = firebase_app()
    # Deferred: only sign-up needs the Admin SDK.
    from firebase_admin import auth, exceptions

    try:
        record = auth.create_user(display_name=name, email=email, password=password, app=app)
    except auth.EmailAlreadyExistsError as error:
        raise AddressTaken("An account with this e-mail address exists.", param="email") from error
    except (ValueError, exceptions.InvalidArgumentError) as error:
        raise ValidationFailed.of("email", "Firebase Auth refuses this address or password.") from error
    except exceptions.FirebaseError as error:
        raise Unavailable("The sign-up service does not answer; try again.") from error
    return Identity(record.uid, name, is_verified=False)


def sign_in(*, email: str, password: str) -> Identity:
    """The user whose password this is. Raises WrongCredentials with one message for every cause, and Unavailable."""
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
    if response.status_code == requests.codes.ok:
        claims = _claims(answer["idToken"])
        return Identity(
            answer["localId"], answer.get("displayName", ""), is_verified=bool(claims.get("email_verified"))
        )
    # The message is a code, sometimes followed by " : " and an explanation.
    if str(answer.get("error", {}).get("message", "")).partition(" ")[0] in _WRONG:
        raise WrongCredentials("Wrong e-mail address or password.")
    raise Unavailable("The sign-in service refuses us for now; try again later.")


def _claims(id_token: str) -> dict[str, object]:
    """The claims of a token that just came from Identity Toolkit itself over TLS, so unverified."""
    payload = id_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert isinstance(claims, dict)
    return claims

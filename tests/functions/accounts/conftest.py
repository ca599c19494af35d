"""The functions on one project of both Google's Firestore emulator and Google's Auth emulator."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import firebase_admin
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.firestore import Client

from accounts.sessions import key_id
from config import platform
from gcp import clients
from gcp.settings import settings
from tests.emulators import AUTH_PROJECT

PASSWORD = "securepassword123"


class GoogleUser(NamedTuple):
    """A user of the Auth emulator, with the ID token of the sign-in."""

    user_id: str
    id_token: str


class FirebaseAuth(NamedTuple):
    """The Auth emulator as apps with the Firebase SDKs, and admins in the console, use it."""

    host: str

    def call(self, method: str, **body: Any) -> dict[str, Any]:
        """An app's call."""
        return self._post(f"/v1/accounts:{method}?key=any", {}, body)

    def sign_up(self, email: str, password: str = PASSWORD, **fields: Any) -> GoogleUser:
        return _user(self.call("signUp", email=email, password=password, returnSecureToken=True, **fields))

    def sign_up_anonymously(self) -> GoogleUser:
        return _user(self.call("signUp", returnSecureToken=True))

    def sign_in(self, email: str, password: str = PASSWORD) -> GoogleUser:
        return _user(self.call("signInWithPassword", email=email, password=password, returnSecureToken=True))

    def sign_in_with_custom_token(self, token: str) -> GoogleUser:
        answer = self.call("signInWithCustomToken", token=token, returnSecureToken=True)
        return GoogleUser(_subject(answer["idToken"]), answer["idToken"])

    def sign_in_with_provider(self, provider: str, claims: dict[str, Any]) -> GoogleUser:
        """Signed in with Google, Apple and the like, whose ID token has these claims."""
        content = urlencode({"id_token": json.dumps(claims), "providerId": provider})
        answer = self.call("signInWithIdp", postBody=content, requestUri="http://localhost", returnSecureToken=True)
        return _user(answer)

    def sign_in_with_phone(self, number: str) -> GoogleUser:
        session = self.call("sendVerificationCode", phoneNumber=number)["sessionInfo"]
        address = f"http://{self.host}/emulator/v1/projects/{AUTH_PROJECT}/verificationCodes"
        codes = requests.get(address, timeout=60).json()["verificationCodes"]
        code = next(each["code"] for each in codes if each["phoneNumber"] == number)
        return _user(self.call("signInWithPhoneNumber", sessionInfo=session, code=code))

    def edit(self, user_id: str, **fields: Any) -> None:
        """What an admin does in the console: disableUser, password, emailVerified, validSince."""
        self._admin("accounts:update", {"localId": user_id, **fields})

    def delete(self, user_id: str) -> None:
        self._admin("accounts:delete", {"localId": user_id})

    def last_sign_in(self, user_id: str) -> int:
        """When the user last signed in, in whole seconds since 1970."""
        return int(self._admin("accounts:lookup", {"localId": [user_id]})["users"][0]["lastLoginAt"]) // 1000

    def _admin(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._post(f"/v1/projects/{AUTH_PROJECT}/{method}", {"Authorization": "Bearer owner"}, body)

    def _post(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        address = f"http://{self.host}/identitytoolkit.googleapis.com{path}"
        response = requests.post(address, headers=headers, json=body, timeout=60)
        assert response.ok, response.text
        answer: dict[str, Any] = response.json()
        return answer


def _user(answer: dict[str, Any]) -> GoogleUser:
    return GoogleUser(answer["localId"], answer["idToken"])


def _subject(id_token: str) -> str:
    return str(jwt.decode(id_token, options={"verify_signature": False})["sub"])


SetConfig = Callable[..., None]
AGO, AHEAD = -600, 600


def seconds(difference: int) -> int:
    """The moment that is so many seconds from now, as claims have it."""
    return int(datetime.now(UTC).timestamp()) + difference


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def id_token(user_id: str, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """What the Auth emulator gives to the user, with other claims; one that is `...` is left out."""
    now = int(datetime.now(UTC).timestamp())
    made: dict[str, Any] = {
        "iss": f"https://securetoken.google.com/{AUTH_PROJECT}",
        "aud": AUTH_PROJECT,
        "sub": user_id,
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "email": f"{user_id}@example.com",
        "firebase": {"sign_in_provider": "password"},
    }
    claims = {name: value for name, value in (made | changes).items() if value is not ...}
    return jwt.encode(claims, "", algorithm="none", headers=header)


def session(user_id: str, *, key: Any = None, algorithm: str = "HS256", kid: str | None = None, **changes: Any) -> str:
    """A session token of ours, with other claims or signed in another way."""
    now = datetime.now(UTC)
    made: dict[str, Any] = {
        "iss": "duologue",
        "aud": "duologue-api",
        "sub": user_id,
        "iat": now,
        "exp": now + timedelta(hours=1),
        "jti": "1",
        "auth_time": int(now.timestamp()),
    }
    claims = {name: value for name, value in (made | changes).items() if value is not ...}
    secret = settings().jwt_secrets[0]
    headers = {"kid": key_id(secret) if kid is None else kid}
    return jwt.encode(claims, secret if key is None else key, algorithm=algorithm, headers=headers)


def use_auth_at(product: pytest.MonkeyPatch, host: str) -> None:
    """Another emulator; the Admin SDK reads its address when it makes its client."""
    product.setenv("FIREBASE_AUTH_EMULATOR_HOST", host)
    for app in list(firebase_admin._apps.values()):
        firebase_admin.delete_app(app)
    clients.firebase_app.cache_clear()
    settings.cache_clear()


@pytest.fixture
def db(firestore_emulator: str, auth_emulator: str) -> Client:
    """The empty database of the project that the Auth emulator, emptied too, takes for any API key's."""
    database = f"http://{firestore_emulator}/emulator/v1/projects/{AUTH_PROJECT}/databases/(default)/documents"
    users = f"http://{auth_emulator}/emulator/v1/projects/{AUTH_PROJECT}/accounts"
    for address in (database, users):
        requests.delete(address, headers={"Authorization": "Bearer owner"}, timeout=60).raise_for_status()
    platform._cache.clear()
    return Client(project=AUTH_PROJECT)


@pytest.fixture
def auth(db: Client, auth_emulator: str, product: pytest.MonkeyPatch) -> FirebaseAuth:
    assert db
    product.setenv("WEB_API_KEY", "any")
    return FirebaseAuth(auth_emulator)


@pytest.fixture
def set_config(db: Client) -> SetConfig:
    """A function that puts the values into force."""

    def put(**values: Any) -> None:
        db.document("config", "effective").set(values)
        platform._cache.clear()

    return put


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)

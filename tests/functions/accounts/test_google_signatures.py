"""ID tokens as they are in the cloud: no emulator, signed, and checked with certificates over HTTP."""

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from firebase_admin import _token_gen
from jwt.algorithms import RSAAlgorithm

from gcp.settings import settings
from tests.emulators import AUTH_PROJECT
from tests.functions.accounts.conftest import AGO, AHEAD, bearer, id_token, seconds
from tests.functions.conftest import CallApi, MakeUser

if TYPE_CHECKING:
    from google.cloud.firestore import Client

pytestmark = pytest.mark.attacks


def status_of_me(call_api: CallApi, token: str) -> int:
    return int(call_api("GET", "/api/me", headers=bearer(token)).status)


class Certificates(ThreadingHTTPServer):
    """Serves the certificate of `key` as Google does, or this status instead."""

    daemon_threads = True
    status = 200

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        super().__init__(("127.0.0.1", 0), _CertificateHandler)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.content = json.dumps({"google1": pem.decode()}).encode()


class _CertificateHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Certificates)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Nothing."""


@pytest.fixture
def certificates(
    db: "Client", product: pytest.MonkeyPatch, rsa_key: rsa.RSAPrivateKey, tmp_path: Path
) -> Iterator[Certificates]:
    """Google's certificates, by which ID tokens are checked when there is no Auth emulator."""
    assert db
    server = Certificates(rsa_key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    product.setattr(_token_gen, "ID_TOKEN_CERT_URI", f"http://127.0.0.1:{server.server_port}/")
    pem = rsa_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"type": "service_account", "project_id": AUTH_PROJECT, "private_key": pem.decode()}
    account |= {"client_email": "api@example.com", "token_uri": "http://127.0.0.1:1/"}
    (tmp_path / "account.json").write_text(json.dumps(account))
    product.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    product.delenv("FIREBASE_AUTH_EMULATOR_HOST")
    settings.cache_clear()
    yield server
    server.shutdown()
    server.server_close()


def claims(user_id: str, **changes: Any) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(id_token(user_id, **changes), options={"verify_signature": False})
    return read


def signed(user_id: str, key: Any, *, algorithm: str = "RS256", kid: str | None = "google1", **changes: Any) -> str:
    return jwt.encode(claims(user_id, **changes), key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def test_a_token_that_google_signed_lets_its_user_in(
    certificates: Certificates, call_api: CallApi, make_user: MakeUser, rsa_key: rsa.RSAPrivateKey
) -> None:
    assert certificates
    make_user("ann")

    assert status_of_me(call_api, signed("ann", rsa_key)) == 200


def signed_by_a_stranger(user_id: str, **headers: Any) -> str:
    """With a key of the stranger's own, under Google's key's name; the header may say where that key is."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    given = {"kid": "google1", "jwk": json.loads(RSAAlgorithm.to_jwk(key.public_key()))} | headers
    return jwt.encode(claims(user_id), key, algorithm="RS256", headers=given)


def signed_with_the_public_key(user_id: str, key: rsa.RSAPrivateKey) -> str:
    """As for a verifier that would take the published key for a shared secret. PyJWT refuses to make such a token."""
    encoding, shape = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    content = jwt.encode(claims(user_id), "x" * 32, algorithm="HS256", headers={"kid": "google1"}).rpartition(".")[0]
    digest = hmac.new(key.public_key().public_bytes(encoding, shape), content.encode(), "sha256").digest()
    return f"{content}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda _: id_token("ann"), id="no signature"),
        pytest.param(lambda _: id_token("ann", header={"kid": "google1"}), id="no signature under Google's key's name"),
        pytest.param(lambda key: signed_with_the_public_key("ann", key), id="signed with the public key"),
        pytest.param(
            lambda _: signed("ann", rsa.generate_private_key(public_exponent=65537, key_size=2048)), id="another key"
        ),
        pytest.param(lambda _: signed_by_a_stranger("ann"), id="another key, in the header"),
        pytest.param(lambda _: signed_by_a_stranger("ann", jku="http://127.0.0.1:9/keys"), id="another key's address"),
        pytest.param(lambda _: signed_by_a_stranger("ann", kid="../google1"), id="another key's path"),
        pytest.param(lambda key: signed("ann", key, kid="google2"), id="unknown key"),
        pytest.param(lambda key: signed("ann", key, kid=None), id="no key's name"),
        pytest.param(lambda key: signed("ann", key, algorithm="RS512"), id="another algorithm"),
        pytest.param(lambda key: signed("ann", key, exp=seconds(AGO)), id="ended"),
        pytest.param(lambda key: signed("ann", key, iat=seconds(AHEAD)), id="from the future"),
        pytest.param(lambda key: signed("ann", key, aud="another"), id="audience"),
    ],
)
def test_a_token_that_google_did_not_sign_so_lets_nobody_in(
    certificates: Certificates,
    call_api: CallApi,
    make_user: MakeUser,
    rsa_key: rsa.RSAPrivateKey,
    forge: Callable[[rsa.RSAPrivateKey], str],
) -> None:
    assert certificates
    make_user("ann")

    assert status_of_me(call_api, forge(rsa_key)) == 401


@pytest.mark.parametrize("status", [403, 500, 503])
def test_certificates_that_cannot_be_read_are_not_the_users_fault(
    certificates: Certificates, call_api: CallApi, make_user: MakeUser, rsa_key: rsa.RSAPrivateKey, status: int
) -> None:
    make_user("ann")
    certificates.status = status

    assert status_of_me(call_api, signed("ann", rsa_key)) == 503


def test_certificates_that_are_not_there_are_not_the_users_fault(
    certificates: Certificates, call_api: CallApi, make_user: MakeUser, rsa_key: rsa.RSAPrivateKey
) -> None:
    make_user("ann")
    certificates.server_close()
    certificates.shutdown()

    assert status_of_me(call_api, signed("ann", rsa_key)) == 503

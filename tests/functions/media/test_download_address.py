"""Addresses at Cloud Storage, signed as in production, with no network."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import google.auth.transport.requests
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from contracts import environment
from contracts.media_paths import video_object
from gcp import clients
from gcp.errors import Unavailable
from gcp.settings import Settings, settings
from media import store

VIDEO = video_object("ann", "d" * 32, 3)
EMAIL = "api-media@real-project.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: rsa.RSAPrivateKey) -> Iterator[Settings]:
    """The settings of a real project, whose default credentials have a key."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "real-project",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    for name in environment._EMULATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "real-project")
    monkeypatch.setenv("MEDIA_BUCKET", "real-media")
    cached = (settings, clients.media_bucket, store._credentials)
    for each in cached:
        each.cache_clear()
    yield settings()
    for each in cached:
        each.cache_clear()


def string_to_sign(address: str) -> bytes:
    """What V4 signs (https://cloud.google.com/storage/docs/authentication/signatures)."""
    parts = urlsplit(address)
    query = parts.query.partition("&X-Goog-Signature=")[0]
    given = parse_qs(query)
    canonical_query = "&".join(sorted(query.split("&")))
    canonical = f"GET\n{parts.path}\n{canonical_query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = given["X-Goog-Credential"][0].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"GOOG4-RSA-SHA256\n{given['X-Goog-Date'][0]}\n{scope}\n{digest}".encode()


def test_an_address_is_signed_with_the_key_for_six_hours_with_our_type(
    production: Settings, key: rsa.RSAPrivateKey
) -> None:
    address = store.download_address(production, VIDEO, "video/mp4")

    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "storage.googleapis.com", f"/real-media/{VIDEO}")
    assert (query["X-Goog-Expires"], query["X-Goog-SignedHeaders"]) == ("21600", "host")
    assert query["response-content-type"] == "video/mp4"
    assert query["response-content-disposition"] == f'inline; filename="{"d" * 32}_3.mp4"'
    signature = bytes.fromhex(query["X-Goog-Signature"])
    key.public_key().verify(signature, string_to_sign(address), padding.PKCS1v15(), hashes.SHA256())


class KeylessCredentials:
    """A function's credentials: known to the metadata server, which gives tokens and no key."""

    token: str | None = None
    service_account_email = "default"
    refreshed: ClassVar[list[Any]] = []

    @property
    def valid(self) -> bool:
        return self.token is not None

    def refresh(self, request: object) -> None:
        self.refreshed.append(request)
        self.token, self.service_account_email = "token", EMAIL


class Answer:
    status = 200
    data = json.dumps({"signedBlob": "c2lnbmVk"}).encode()


def test_without_a_key_the_service_account_signs_over_iam(
    production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(_self: object, **request: Any) -> Answer:
        asked.append(request)
        return Answer()

    credentials = KeylessCredentials()
    monkeypatch.setattr(store, "_credentials", lambda: credentials)
    monkeypatch.setattr(google.auth.transport.requests.Request, "__call__", answer)

    addresses = [store.download_address(production, VIDEO, "video/mp4") for _ in range(2)]

    assert len(credentials.refreshed) == 1
    assert {each["url"].partition("/v1/")[2].partition("?")[0] for each in asked} == {
        f"projects/-/serviceAccounts/{EMAIL}:signBlob"
    }
    assert {each["headers"]["Authorization"] for each in asked} == {"Bearer token"}
    assert all(parse_qs(urlsplit(each).query)["X-Goog-Signature"] == [b"signed".hex()] for each in addresses)
    today = datetime.now(UTC).strftime("%Y%m%d")
    assert all(f"{EMAIL}/{today}".replace("@", "%40").replace("/", "%2F") in each for each in addresses)


def test_who_does_not_sign_makes_the_media_unavailable(production: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusal:
        status = 403
        data = b"Permission iam.serviceAccounts.signBlob denied."

    credentials = KeylessCredentials()
    monkeypatch.setattr(store, "_credentials", lambda: credentials)
    monkeypatch.setattr(google.auth.transport.requests.Request, "__call__", lambda _self, **_request: Refusal())

    with pytest.raises(Unavailable):
        store.download_address(production, VIDEO, "video/mp4")

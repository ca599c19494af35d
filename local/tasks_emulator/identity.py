"""Google's side of OIDC: a signing key of our own, the tokens signed with it, and the certificate to verify them."""

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://accounts.google.com"
TOKEN_LIFETIME_SECONDS = 3600
CERTIFICATE_LIFETIME = timedelta(days=3650)
SIGNING_FILE = "oidc_signing.pem"


@dataclass(frozen=True)
class TokenSigner:
    """Signs RS256 identity tokens as Google does for a task's service account."""

    key_id: str
    key_pem: str
    certificate_pem: str

    def certificates(self) -> dict[str, str]:
        """The body of Google's v1 certs address: key id to X.509 certificate in PEM."""
        return {self.key_id: self.certificate_pem}

    def sign_token(self, *, service_account_email: str, audience: str) -> str:
        """A token for the audience that is valid for an hour from now."""
        issued_at = int(time.time())
        # Google's subject is the account's numeric id; here it is derived, so that one account keeps one id.
        subject = str(int.from_bytes(hashlib.sha256(service_account_email.encode()).digest()[:8])).zfill(21)
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": service_account_email,
            "email_verified": True,
            "iat": issued_at,
            "exp": issued_at + TOKEN_LIFETIME_SECONDS,
        }
        return jwt.encode(claims, self.key_pem, algorithm="RS256", headers={"kid": self.key_id})


def load_signer(state_folder: Path) -> TokenSigner:
    """The signer whose key is kept in the state folder; the first call there makes the key (RSA, 2048 bits).

    Key and certificate are one file put in place in one step, so a kill leaves either both or none.
    """
    path = state_folder / SIGNING_FILE
    if not path.exists():
        _write_private(path, _make_signing_pem())
    pem = path.read_text()
    key_pem, mark, rest = pem.partition("-----BEGIN CERTIFICATE-----")
    certificate_pem = mark + rest
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    # Google's key ids are 40 hexadecimal digits.
    return TokenSigner(key_id=fingerprint[:40], key_pem=key_pem, certificate_pem=certificate_pem)


def _make_signing_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tasks-emulator.invalid")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key_pem + certificate.public_bytes(serialization.Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)

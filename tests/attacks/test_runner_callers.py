"""Whom the runner listens to: the queue, and nobody else, on each of the two paths that do something."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import load_pem_x509_certificate
from flask.testing import FlaskClient
from google.cloud.firestore import Client
from google.cloud.storage import Bucket

from accounts.sessions import issue_session
from gpu_runner.server import Services
from local.addresses import PROJECT_ID, ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from local.tasks_emulator.identity import TokenSigner, load_signer
from tests.functions.killed import everything
from tests.gpu_runner.jobs_fixtures import write_job
from tests.gpu_runner.test_server import RUNNER_URL, runner_of

pytestmark = pytest.mark.attacks

ISSUER = "https://accounts.google.com"
PATHS = ("/render", "/backgrounds")


class Queue:
    """Who signs, and where its certificates are."""

    def __init__(self, signer: TokenSigner, certs_url: str) -> None:
        self.signer, self.certs_url = signer, certs_url

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(datetime.now(UTC).timestamp())
        made = {
            "iss": ISSUER,
            "aud": RUNNER_URL,
            "email": TASKS_SERVICE_ACCOUNT,
            "email_verified": True,
            "sub": "1",
            "iat": now,
            "exp": now + 3600,
        }
        return {name: value for name, value in (made | changes).items() if value is not ...}

    def token(self, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """What the queue sends, with other claims; one that is `...` is left out."""
        given = {"kid": self.signer.key_id} | (headers or {})
        return jwt.encode(self.claims(**changes), self.signer.key_pem, algorithm="RS256", headers=given)

    def signed_otherwise(self, key: Any, algorithm: str) -> str:
        return jwt.encode(self.claims(), key, algorithm=algorithm, headers={"kid": self.signer.key_id})

    def signed_with_the_public_key(self) -> str:
        """As for a verifier that would take the published certificate for a shared secret."""
        certificate = load_pem_x509_certificate(self.signer.certificate_pem.encode())
        public = certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        head = {"alg": "HS256", "typ": "JWT", "kid": self.signer.key_id}
        content = ".".join(
            base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (head, self.claims())
        )
        digest = hmac.digest(public, content.encode(), hashlib.sha256)
        return f"{content}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    folder = tmp_path_factory.mktemp("tasks")
    queue_file = ROOT / "terraform" / "queue.json"
    wanted = EmulatorSettings(grpc_port=0, http_port=0, state_folder=folder, queue_file=queue_file)
    with TasksEmulator(wanted) as emulator:
        yield Queue(load_signer(folder), f"http://127.0.0.1:{emulator.http_port}/certs")


@pytest.fixture
def runner(services: Services, queue: Queue) -> FlaskClient:
    return runner_of(services, queue.certs_url)


def minutes(number: int) -> int:
    return int((datetime.now(UTC) + timedelta(minutes=number)).timestamp())


def foreign_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


FOREIGN: dict[str, Callable[[Queue], str]] = {
    "nothing": lambda _: "",
    "no token": lambda _: "Bearer ",
    "no JWT": lambda _: "Bearer a.b.c",
    "Basic": lambda _: "Basic YTpi",
    "not ASCII": lambda _: "Bearer \u00fc.\u00fc.\u00fc",
    "no signature": lambda queue: f"Bearer {queue.signed_otherwise('', 'none')}",
    "HS256 with the public key": lambda queue: f"Bearer {queue.signed_with_the_public_key()}",
    "another key": lambda queue: f"Bearer {queue.signed_otherwise(foreign_key(), 'RS256')}",
    "an unknown key": lambda queue: f"Bearer {queue.token(headers={'kid': 'another'})}",
    "another service": lambda queue: f"Bearer {queue.token(aud='https://elsewhere.example')}",
    "our address with a slash": lambda queue: f"Bearer {queue.token(aud=RUNNER_URL + '/')}",
    "several services, ours among them": lambda queue: f"Bearer {queue.token(aud=[RUNNER_URL, 'x'])}",
    "no service": lambda queue: f"Bearer {queue.token(aud=...)}",
    "another account": lambda queue: f"Bearer {queue.token(email='stranger@demo-duologue.iam.gserviceaccount.com')}",
    "an account in another case": lambda queue: f"Bearer {queue.token(email=TASKS_SERVICE_ACCOUNT.upper())}",
    "a list of accounts": lambda queue: f"Bearer {queue.token(email=[TASKS_SERVICE_ACCOUNT])}",
    "no account": lambda queue: f"Bearer {queue.token(email=...)}",
    "an unverified account": lambda queue: f"Bearer {queue.token(email_verified=False)}",
    "an account of which nobody says that": lambda queue: f"Bearer {queue.token(email_verified=...)}",
    "another issuer": lambda queue: f"Bearer {queue.token(iss='https://evil.example')}",
    "Firebase's issuer": lambda queue: f"Bearer {queue.token(iss=f'https://securetoken.google.com/{PROJECT_ID}')}",
    "no issuer": lambda queue: f"Bearer {queue.token(iss=...)}",
    "ended": lambda queue: f"Bearer {queue.token(iat=minutes(-120), exp=minutes(-60))}",
    "no end": lambda queue: f"Bearer {queue.token(exp=...)}",
    "from the future": lambda queue: f"Bearer {queue.token(iat=minutes(30), exp=minutes(90))}",
    "a user's session": lambda _: f"Bearer {issue_session('ann', ['s' * 40], now=datetime.now(UTC))}",
    "a user's ID token": lambda queue: (
        "Bearer "
        + queue.token(
            iss=f"https://securetoken.google.com/{PROJECT_ID}", aud=PROJECT_ID, email="ann@example.com", sub="ann"
        )
    ),
}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("make_authorization", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_caller_is_refused_and_nothing_is_touched(
    *,
    db: Client,
    bucket: Bucket,
    runner: FlaskClient,
    queue: Queue,
    path: str,
    make_authorization: Callable[[Queue], str],
) -> None:
    job = write_job(db)
    body = {
        "/render": {"version": 1, "jobId": job.job_id},
        "/backgrounds": {"version": 1, "sourceObject": "backgrounds/sea.mp4", "sourceGeneration": 1},
    }[path]
    before = everything(db, bucket)
    headers = {"Authorization": make_authorization(queue)} | {"X-CloudTasks-QueueName": "render"}

    response = runner.post(path, json=body, headers=headers)

    assert response.status_code == 403
    assert everything(db, bucket) == before


@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_caller_is_refused_before_the_body_is_read(runner: FlaskClient, path: str) -> None:
    assert runner.post(path, data=b"\xff" * 1_000_000).status_code == 403


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization"])
def test_a_good_token_in_the_query_is_none(runner: FlaskClient, queue: Queue, name: str) -> None:
    assert runner.post(f"/render?{name}={queue.token()}", json={}).status_code == 403


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE"])
def test_nothing_happens_by_another_method(runner: FlaskClient, queue: Queue, method: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {queue.token()}", "X-HTTP-Method-Override": "POST"}

    assert runner.open(path, method=method, headers=headers).status_code == 405


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_no_token_makes_the_runner_ask_where_it_says(
    runner: FlaskClient, queue: Queue, canary: Any, header: str
) -> None:
    forged = jwt.encode(
        queue.claims(iss=canary.url), foreign_key(), algorithm="RS256", headers={"kid": canary.url, header: canary.url}
    )

    assert runner.post("/render", json={}, headers={"Authorization": f"Bearer {forged}"}).status_code == 403


TASKS_OF_ATTACKERS = [
    {"version": 1, "jobId": "../users/ann"},
    {"version": 1, "jobId": "a/b"},
    {"version": 1, "jobId": ".."},
    {"version": 1, "jobId": "__x__"},
    {"version": 1, "jobId": "\0"},
    {"version": 1, "jobId": ""},
    {"version": 1, "jobId": "x" * 2_000},
    {"version": 1, "jobId": ["0" * 32]},
    {"version": 1, "jobId": "0" * 32, "userId": "eve", "priceTokens": 0},
]


@pytest.mark.parametrize("body", TASKS_OF_ATTACKERS, ids=lambda each: str(each["jobId"])[:20])
def test_even_the_queue_reaches_nothing_but_a_job(
    db: Client, bucket: Bucket, runner: FlaskClient, queue: Queue, body: dict[str, Any]
) -> None:
    """Whoever could write into the queue would still name a document of the jobs, or none."""
    db.document("users", "ann").set({"tokens": 20})
    before, objects = everything(db, bucket)

    runner.post("/render", json=body, headers={"Authorization": f"Bearer {queue.token()}"})

    after, objects_after = everything(db, bucket)
    assert objects_after == objects
    assert {path for path in before | after if before.get(path) != after.get(path)} <= {"runnerReports/gpu_runner"}

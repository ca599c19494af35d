"""The functions on a real Firestore emulator, called as Hosting calls them."""

import importlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
from flask import Request
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from accounts.users import User, ensure_user
from gcp import clients
from gcp.settings import settings
from local.addresses import HOST, PROJECT_ID, ROOT
from local.toolchain import FIRESTORE_MAIN_CLASS, find_java, sdk_firestore_jar
from routes import ROUTES, siblings

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_STARTED_WITHIN_SECONDS = 60


class Answered(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


CallApi = Callable[..., Answered]
MakeUser = Callable[..., User]


@pytest.fixture(scope="session")
def firestore_address() -> Iterator[str]:
    """host:port of a Firestore emulator of this test run's own."""
    jars = sorted((Path.home() / ".cache/firebase/emulators").glob("cloud-firestore-emulator-*.jar"))
    jar = sdk_firestore_jar() or (jars[-1] if jars else None)
    java = shutil.which("java") or find_java(ROOT / ".venv")
    if jar is None or java is None:
        pytest.skip("needs Java and the Firestore emulator's jar (gcloud component or Firebase CLI download)")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    argv = [str(java), "-Xmx512m", "-cp", str(jar), FIRESTORE_MAIN_CLASS, "--host", HOST, "--port", str(port)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_answers(port, process)
            yield f"{HOST}:{port}"
        finally:
            process.kill()
            process.wait()


def _wait_until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    gives_up_at = time.monotonic() + _STARTED_WITHIN_SECONDS
    while time.monotonic() < gives_up_at and process.poll() is None:
        try:
            requests.get(f"http://{HOST}:{port}/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    pytest.fail("the Firestore emulator does not answer")


@pytest.fixture(scope="session")
def product_environment(firestore_address: str) -> Iterator[pytest.MonkeyPatch]:
    """The product's settings and clients belong to the emulator for the whole run."""
    with pytest.MonkeyPatch.context() as patch:
        values = {
            "GOOGLE_CLOUD_PROJECT": PROJECT_ID,
            "JWT_SECRET": "local-development-" + "j" * 40,
            "FIRESTORE_EMULATOR_HOST": firestore_address,
            "TOKENS_TO_GIVE": "20",
        }
        for name, value in values.items():
            patch.setenv(name, value)
        for cached in (settings, clients.firestore):
            cached.cache_clear()
        yield patch
        clients.firestore().close()
        for cached in (settings, clients.firestore):
            cached.cache_clear()


@pytest.fixture
def db(product_environment: pytest.MonkeyPatch, firestore_address: str) -> "Client":
    """The product's own client of an empty database."""
    documents = f"http://{firestore_address}/emulator/v1/projects/{PROJECT_ID}/databases/(default)/documents"
    requests.delete(documents, timeout=30).raise_for_status()
    return clients.firestore()


@pytest.fixture
def make_user(db: "Client") -> MakeUser:
    """A function that makes the user of an id as signing up does, but for Firebase Auth."""

    def make(user_id: str, *, tokens: int = 20) -> User:
        return ensure_user(
            db,
            user_id=user_id,
            name=user_id.title(),
            email=f"{user_id}@example.com",
            is_verified=False,
            tokens_to_give=tokens,
            now=datetime.now(UTC),
        )

    return make


@pytest.fixture
def call_api(db: "Client") -> CallApi:
    """A function that sends a request to the function to which Hosting would rewrite its path."""

    def call(method: str, path: str, *, user_id: str | None = None, body: object = None) -> Answered:
        headers = {}
        if user_id is not None:
            token = issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))
            headers["Authorization"] = f"Bearer {token}"
        request = Request(EnvironBuilder(path=path, method=method, headers=headers, json=body).get_environ())
        route = next(each for each in ROUTES if each.match(request.path))
        first = siblings(route)[0]
        response = getattr(importlib.import_module(first.module), first.function)(request)
        return Answered(response.status_code, json.loads(response.get_data()), dict(response.headers))

    return call

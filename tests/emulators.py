"""Fixtures over Google's Firestore and Auth emulators and the storage emulator, each started once, when a test asks."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.firestore import Client as FirestoreClient
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient

from local.addresses import HOST, ROOT
from local.processes import kill_group, port_is_open
from local.toolchain import cached_firestore_jar, find_java, find_node, sdk_firestore_jar
from tests.indexes import require_indexes

_MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_READY_SECONDS = 60
AUTH_PROJECT = "demo-accounts"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def firestore_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of Google's Firestore emulator, without triggers."""
    java = find_java(ROOT / ".venv") or shutil.which("java")
    assert java, "the Firestore emulator needs Java: run make setup"
    port = free_port()
    argv = [str(java), "-cp", str(firestore_jar()), _MAIN_CLASS, "--host", HOST, "--port", str(port)]
    yield from _served(argv, port, tmp_path_factory.mktemp("firestore"), "FIRESTORE_EMULATOR_HOST", f"{HOST}:{port}")


@pytest.fixture(scope="session")
def storage_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the storage emulator."""
    port, folder = free_port(), tmp_path_factory.mktemp("storage")
    argv = [sys.executable, "-m", "local.storage_emulator", "--port", str(port), "--data-dir", str(folder)]
    yield from _served(argv, port, folder, "STORAGE_EMULATOR_HOST", f"http://{HOST}:{port}")


@pytest.fixture(scope="session")
def auth_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of Google's Firebase Auth emulator, which takes AUTH_PROJECT for the project of any API key."""
    node = find_node(ROOT / ".venv") or shutil.which("node")
    assert node, "the Auth emulator needs Node: run make setup"
    folder = tmp_path_factory.mktemp("auth")
    ports = {name: {"host": HOST, "port": free_port()} for name in ("auth", "hub", "logging")}
    config = folder / "firebase.json"
    config.write_text(json.dumps({"emulators": {**ports, "ui": {"enabled": False}}}))
    argv = [str(node), "--require", str(ROOT / "local" / "lazy_auth_schemas.cjs")]
    argv += [str(ROOT / "node_modules" / "firebase-tools" / "lib" / "bin" / "firebase.js"), "emulators:start"]
    argv += ["--only", "auth", "--project", AUTH_PROJECT, "--config", str(config)]
    port = ports["auth"]["port"]
    assert isinstance(port, int)
    yield from _served(argv, port, folder, "FIREBASE_AUTH_EMULATOR_HOST", f"{HOST}:{port}", cwd=folder)


@pytest.fixture
def db(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> FirestoreClient:
    """An empty database of its own: the emulator keeps each project apart."""
    assert firestore_emulator
    require_indexes(monkeypatch)
    return FirestoreClient(project=f"demo-{uuid.uuid4().hex[:20]}")


@pytest.fixture
def bucket(storage_emulator: str) -> Bucket:
    """An empty bucket of its own."""
    assert storage_emulator
    return StorageClient(project="demo-test").create_bucket(f"media-{uuid.uuid4().hex[:20]}")


def _served(argv: list[str], port: int, folder: Path, variable: str, value: str, *, cwd: Path = ROOT) -> Iterator[str]:
    log_path = folder / "emulator.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=cwd, start_new_session=True)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not port_is_open(HOST, port):
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, f"the emulator is not up: {log_path.read_text()}"
            time.sleep(0.1)
        previous = os.environ.get(variable)
        os.environ[variable] = value
        yield value
        if previous is None:
            del os.environ[variable]
        else:
            os.environ[variable] = previous
    finally:
        kill_group(process.pid, signal.SIGKILL)
        process.wait()


def firestore_jar() -> Path:
    """The emulator's jar: the Firebase CLI's, the Google Cloud SDK's, or one that the CLI fetches now."""
    cli, cache = ROOT / "node_modules" / "firebase-tools", Path.home() / ".cache" / "firebase" / "emulators"
    found = cached_firestore_jar(cli, cache) or sdk_firestore_jar()
    if found is None:
        subprocess.run([ROOT / "node_modules/.bin/firebase", "setup:emulators:firestore"], check=True, cwd=ROOT)
        found = cached_firestore_jar(cli, cache)
    assert found, "no Firestore emulator: it could not be downloaded, and no Google Cloud SDK has it"
    return found

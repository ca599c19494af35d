"""The services that functions talk to, for benchmarks: Google's emulators and ours, and no functions beside them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from local.addresses import BUCKET, HOST, PROJECT_ID, ROOT, Ports
from local.processes import kill_group, port_is_open
from local.toolchain import find_java, find_node
from tests.emulators import firestore_jar

_READY_SECONDS = 60


@contextlib.contextmanager
def served(argv: list[str], port: int, environment: Mapping[str, str], cwd: Path = ROOT) -> Iterator[psutil.Process]:
    """A server that listens on the port, and is gone with its children afterwards."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(argv, cwd=cwd, env=dict(environment), start_new_session=True, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not port_is_open(HOST, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{argv[0]} does not serve")
            time.sleep(0.05)
        yield psutil.Process(process.pid)
    finally:
        kill_group(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def services(ports: Ports, scratch: Path, *, with_accounts: bool = False) -> Iterator[None]:
    """Firestore, Cloud Storage and the writer serve, and with accounts Firebase Auth and Cloud Tasks as well.

    From then on SIGTERM ends the benchmark as Ctrl-C does, with all that it has started.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    python = [sys.executable, "-m"]
    java = [str(find_java(ROOT / ".venv") or "java"), "-cp", str(firestore_jar())]
    java += ["com.google.cloud.datastore.emulator.firestore.CloudFirestore", "--host", HOST]
    storage = [*python, "local.storage_emulator", "--port", str(ports.storage), "--data-dir", str(scratch / "storage")]
    tasks = [*python, "local.tasks_emulator", "--grpc-port", str(ports.tasks_grpc), "--state", str(scratch / "tasks")]
    with contextlib.ExitStack() as stack:
        stack.enter_context(served([*java, "--port", str(ports.firestore)], ports.firestore, os.environ))
        stack.enter_context(served([*storage, "--bucket", BUCKET], ports.storage, os.environ))
        writer = [*python, "local.writer_server", "--port", str(ports.writer)]
        stack.enter_context(served(writer, ports.writer, os.environ))
        if with_accounts:
            tasks += ["--http-port", str(ports.tasks_http), "--project", PROJECT_ID]
            stack.enter_context(served(tasks, ports.tasks_grpc, os.environ))
            stack.enter_context(served(_auth(ports, scratch), ports.auth, os.environ, scratch))
        yield


def _auth(ports: Ports, folder: Path) -> list[str]:
    """The command of Google's Firebase Auth emulator."""
    numbers = {name: {"host": HOST, "port": getattr(ports, name)} for name in ("auth", "hub", "logging")}
    config = folder / "firebase.json"
    config.write_text(json.dumps({"emulators": {**numbers, "ui": {"enabled": False}}}))
    argv = [str(find_node(ROOT / ".venv") or "node"), "--require", str(ROOT / "local" / "lazy_auth_schemas.cjs")]
    argv += [str(ROOT / "node_modules" / "firebase-tools" / "lib" / "bin" / "firebase.js"), "emulators:start"]
    return [*argv, "--only", "auth", "--project", PROJECT_ID, "--config", str(config)]

"""What `firebase deploy` finds in functions/ and uploads, by the Firebase CLI's own code, behind each front door.

It stops before the first call of Google. The CLI works on a copy, beside which lies what must not be uploaded.
"""

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.addresses import ROOT
from local.bytecode import compile_functions
from local.firebase_suite import firebase_tools
from local.toolchain import find_node

HOSTING, GATEWAY = "behind-hosting", "behind-gateway"
# Found on a developer's machine, of no use in production or not for everybody's eyes.
STRAY = (
    ".secret.local",
    ".env.local",
    "tests/test_main.py",
    "__pycache__/main.cpython-310.pyc",
    "__pycache__/main.cpython-311.opt-1.pyc",
    "gcp/__pycache__/clients.cpython-311-pytest-9.2.0.pyc",
    "gcp/__pycache__/gone.cpython-311.pyc",
)

Functions = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Deployment:
    """The functions by project, and the upload's files, unpacked with a date that no source had."""

    functions: dict[str, Functions]
    upload: Path


@pytest.fixture(scope="session")
def firebase_json() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((ROOT / "firebase.json").read_text())
    return read


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory, firebase_json: dict[str, Any]) -> Deployment:
    runtime = firebase_json["functions"][0]["runtime"]
    configured = (ROOT / "functions" / "venv" / "pyvenv.cfg").read_text()
    if f"version = {runtime[6]}.{runtime[7:]}." not in configured:
        pytest.skip(f"functions/venv has another Python than {runtime}, with which alone the CLI deploys")
    root = tmp_path_factory.mktemp("deployed")
    functions = root / "functions"
    shutil.copytree(ROOT / "functions", functions, ignore=shutil.ignore_patterns("venv", "__pycache__", "*.local"))
    (functions / "venv").symlink_to(ROOT / "functions" / "venv")
    shutil.copy(ROOT / "firebase.json", root)
    (functions / f".env.{GATEWAY}").write_text("FRONT_DOOR=api_gateway\n")
    for name in STRAY:
        _write_stray(functions / name)
    compile_functions(root)
    for name in STRAY:
        # Those that the compilation clears away are written again by whoever imports or tests meanwhile.
        if not name.endswith("gone.cpython-311.pyc"):
            _write_stray(functions / name)
    return _deploy(root, tmp_path_factory.mktemp("out"))


def _write_stray(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("")


def _deploy(root: Path, out: Path) -> Deployment:
    node = find_node(ROOT / ".venv")
    assert node is not None, "Node is missing: run make setup"
    script = Path(__file__).with_name("firebase_cli.cjs")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FIREBASE_", "GCLOUD_"))}
    subprocess.run(
        [node, script, firebase_tools(ROOT) / "lib", root, out, HOSTING, GATEWAY],
        cwd=root,
        env=environment,
        check=True,
        timeout=120,
    )
    with zipfile.ZipFile(out / "upload.zip") as archive:
        archive.extractall(out / "upload")
    for path in (out / "upload").rglob("*"):
        os.utime(path, (0, 0))
    return Deployment(json.loads((out / "functions.json").read_text()), out / "upload")


@pytest.fixture(scope="session", params=[HOSTING, GATEWAY])
def project(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name

"""A TypeScript client, generated and compiled as the API reference tells client developers to do it."""

import subprocess
from pathlib import Path

from local.addresses import ROOT
from local.routes import OPENAPI_JSON
from local.toolchain import find_node

FOLDER = ROOT / "tests/clients"
BUILD = FOLDER / "build"


def run_node(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a program for Node answered. Fails where there is no Node."""
    node = find_node(ROOT / ".venv")
    assert node, "this test needs Node: run make setup"
    argv = [str(node), str(script), *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)


def write_types() -> None:
    """The document's types are in the build folder."""
    generator = ROOT / "node_modules/openapi-typescript/bin/cli.js"
    target = str(BUILD / "duologue.d.ts")
    done = run_node(generator, str(OPENAPI_JSON), "--default-non-nullable=false", "-o", target)
    assert done.returncode == 0, done.stdout + done.stderr


def compiled(project: Path, *options: str) -> str:
    """What the compiler complains of."""
    done = run_node(ROOT / "node_modules/typescript/bin/tsc", "-p", str(project), *options)
    return done.stdout + done.stderr

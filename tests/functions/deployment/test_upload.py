"""What is uploaded: the sources, their bytecode, and nothing else."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.addresses import ROOT
from local.bytecode import BytecodeError, compile_functions
from tests.functions.deployment.conftest import Deployment

PYTHON = ROOT / "functions" / "venv" / "bin" / "python"
# Loads all functions, and tells which of our modules had to be compiled for it.
COMPILED = """
import importlib.machinery, os
compiled, source_to_code = [], importlib.machinery.SourceFileLoader.source_to_code
def note(loader, data, path, **options):
    compiled.append(str(path))
    return source_to_code(loader, data, path, **options)
importlib.machinery.SourceFileLoader.source_to_code = note
import main
print([path for path in compiled if path.startswith(os.getcwd())])
"""


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def sources() -> set[str]:
    functions = ROOT / "functions"
    paths = [path.relative_to(functions) for path in functions.rglob("*.py")]
    return {path.as_posix() for path in paths if path.parts[0] != "venv"}


def bytecode_of(source: str) -> str:
    path = Path(source)
    return (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").as_posix()


def run(script: str, folder: Path) -> str:
    """What the script prints in a process like a function's, which may write no bytecode."""
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(
        [PYTHON, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def test_the_upload_is_the_sources_with_their_bytecode_and_the_packages_list(deployment: Deployment) -> None:
    expected = sources() | {bytecode_of(source) for source in sources()} | {"requirements.txt"}

    assert files(deployment.upload) == expected


def test_a_cold_start_compiles_nothing_whatever_dates_the_upload_gave_the_sources(deployment: Deployment) -> None:
    assert run(COMPILED, deployment.upload) == "[]"


def test_bytecode_never_hides_an_edit(deployment: Deployment, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", f"{deployment.upload}/.", tmp_path], check=True)
    source = tmp_path / "gcp" / "deployment.py"
    source.write_text(source.read_text().replace('"us-east4"', '"europe-west1"'))
    os.utime(source, (0, 0))

    assert run("from gcp.deployment import REGION; print(REGION)", tmp_path) == "europe-west1"


def test_only_the_runtimes_bytecode_is_uploaded(firebase_json: dict[str, Any]) -> None:
    codebase = firebase_json["functions"][0]

    assert f"*.cpython-!({codebase['runtime'].removeprefix('python')}).pyc" in codebase["ignore"]


def test_every_deployment_compiles_first(firebase_json: dict[str, Any]) -> None:
    assert firebase_json["functions"][0]["predeploy"] == [
        "functions/venv/bin/python -m local.manifest",
        "python3 -m local.deployment_environment",
        "python3 -m local.bytecode",
    ]


def test_another_python_than_the_runtimes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "venv").symlink_to(ROOT / "functions" / "venv")
    (tmp_path / "firebase.json").write_text(json.dumps({"functions": [{"runtime": "python39"}]}))

    with pytest.raises(BytecodeError, match="python39"):
        compile_functions(tmp_path)


def test_a_source_that_is_no_python_stops_the_deployment(tmp_path: Path, deployment: Deployment) -> None:
    assert deployment  # skipped with it, where functions/venv has another Python
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "venv").symlink_to(ROOT / "functions" / "venv")
    (tmp_path / "functions" / "main.py").write_text("def")
    (tmp_path / "firebase.json").write_text((ROOT / "firebase.json").read_text())

    with pytest.raises(BytecodeError, match=r"main\.py"):
        compile_functions(tmp_path)

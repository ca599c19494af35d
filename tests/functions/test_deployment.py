"""What importing the deployed functions and the runner costs, and that it asks nothing of the environment."""

import os
import subprocess
import sys

import pytest

import main
from local.addresses import ROOT

FUNCTIONS = ROOT / "functions"
# What a module may load besides functions-framework's own packages; every client is loaded when it is used.
PYDANTIC = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"}
# Media redirects, unknown paths, and triggers that pass most of their events over.
WITHOUT_MODELS = {
    "accounts.deletion_trigger",
    "accounts.triggers",
    "activities.triggers",
    "characters.triggers",
    "config.triggers",
    "gcp.not_found",
    "media.endpoints",
    "media.triggers",
    "scripts.triggers",
    "tokens.triggers",
    "videos.triggers",
}
_LOADED = """
import functions_framework, importlib, sys
before = set(sys.modules)
import main
importlib.import_module(sys.argv[1])
names = {name.partition(".")[0] for name in set(sys.modules) - before}
places = {name: getattr(sys.modules[name], "__file__", None) or "" for name in names}
ours = {name for name, place in places.items() if place.startswith(sys.argv[2]) and "site-packages" not in place}
print(*sorted(names - set(sys.stdlib_module_names) - ours))
"""


def bare_environment() -> dict[str, str]:
    """An environment without a project: nothing may be asked of it at import."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@pytest.mark.parametrize("module", sorted(set(main.FUNCTIONS.values())))
def test_importing_a_function_touches_no_environment_and_loads_no_package_that_it_may_not_need(module: str) -> None:
    python = FUNCTIONS / "venv" / "bin" / "python"

    imported = subprocess.run(
        [python, "-c", _LOADED, module, f"{FUNCTIONS}{os.sep}"],
        cwd=FUNCTIONS,
        capture_output=True,
        text=True,
        check=True,
        env=bare_environment(),
    )

    # A namespace of the interpreter's own build.
    loaded = {name for name in imported.stdout.split() if not name.startswith("_sysconfigdata")}
    assert loaded - (set() if module in WITHOUT_MODELS else PYDANTIC) == set()


def test_importing_the_runner_reads_no_environment() -> None:
    paths = os.pathsep.join([str(ROOT), str(FUNCTIONS)])

    imported = subprocess.run(
        [sys.executable, "-c", "import gpu_runner.server"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=bare_environment() | {"PYTHONPATH": paths},
    )

    assert imported.returncode == 0, imported.stderr

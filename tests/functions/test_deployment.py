"""What importing the deployed functions and the runner costs, and that it asks nothing of the environment."""

import os
import subprocess
import sys

from local.addresses import ROOT

FUNCTIONS = ROOT / "functions"
# What no function may pay for at its cold start, but those that use it, at their first use.
HEAVY = ("openai", "google.cloud.firestore", "google.cloud.storage", "google.cloud.tasks_v2", "av", "PIL", "numpy")


def bare_environment() -> dict[str, str]:
    """An environment without a project: nothing may be asked of it at import."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def test_importing_every_function_touches_no_environment_and_loads_nothing_heavy() -> None:
    script = f"import main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    python = FUNCTIONS / "venv" / "bin" / "python"

    imported = subprocess.run(
        [python, "-c", script], cwd=FUNCTIONS, capture_output=True, text=True, check=True, env=bare_environment()
    )

    assert imported.stdout.strip() == "[]"


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

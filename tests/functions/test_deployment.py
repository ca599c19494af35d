"""What the Firebase CLI finds in functions/, and what importing it costs."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local.addresses import ROOT

FUNCTIONS = ROOT / "functions"
# What no function may pay for at its cold start, but those that use it, at their first use.
HEAVY = ("openai", "google.cloud.firestore", "google.cloud.storage", "google.cloud.tasks_v2", "av", "PIL", "numpy")


def bare_environment() -> dict[str, str]:
    """An environment without a project: nothing may be asked of it at import."""
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The manifest as the Firebase CLI has it made, by the deployed packages alone."""
    script = (
        "import json, sys; sys.path.insert(0, '.');"
        "from firebase_functions.private import serving;"
        "import yaml; print(json.dumps(yaml.safe_load(serving.functions_as_yaml(serving.get_functions()))))"
    )
    python = FUNCTIONS / "venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", script], cwd=FUNCTIONS, capture_output=True, text=True, check=True, env=bare_environment()
    )
    made: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return made


def test_the_cli_finds_every_function(manifest: dict[str, Any]) -> None:
    import main

    assert set(manifest["endpoints"]) == set(main.__all__)


def test_every_firestore_trigger_is_deployed_with_retries(manifest: dict[str, Any]) -> None:
    triggers = {
        name: endpoint["eventTrigger"]["retry"]
        for name, endpoint in manifest["endpoints"].items()
        if "eventTrigger" in endpoint
    }

    assert triggers
    assert set(triggers.values()) == {True}


def test_the_minute_function_runs_every_minute(manifest: dict[str, Any]) -> None:
    assert manifest["endpoints"]["repair_video_jobs"]["scheduleTrigger"]["schedule"] == "* * * * *"


def test_functions_that_wait_take_no_whole_cpu(manifest: dict[str, Any]) -> None:
    scheduled = [each for each in manifest["endpoints"].values() if "scheduleTrigger" in each]

    assert len(scheduled) == 3
    assert {(each["cpu"], each["concurrency"]) for each in scheduled} == {("gcf_gen1", 1)}


def test_every_function_names_its_region_memory_and_service_account(manifest: dict[str, Any]) -> None:
    lacking = [
        name
        for name, endpoint in manifest["endpoints"].items()
        if not (endpoint.get("region") and endpoint.get("availableMemoryMb") and endpoint.get("serviceAccountEmail"))
    ]

    assert lacking == []


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

"""docs/configuration.md against the code that reads the environment."""

import re
from itertools import chain

from contracts import environment
from local.addresses import ROOT
from routes import ROUTES

SOURCES = [
    path
    for path in chain((ROOT / "functions").rglob("*.py"), (ROOT / "gpu_runner").rglob("*.py"))
    if "venv" not in path.relative_to(ROOT).parts
]
# All of ours are of several words; the decoder's PYTHONPATH is Python's own affair.
READ = re.compile(r"\.(?:require|get)\(\s*[\"']([A-Z0-9]+_[A-Z0-9_]+)[\"']")


def documented() -> set[str]:
    text = (ROOT / "docs" / "configuration.md").read_text()
    return set(re.findall(r"^\| `([A-Z][A-Z0-9_]*)`", text, re.MULTILINE))


def test_every_variable_that_is_read_is_documented() -> None:
    read = {name for path in SOURCES for name in READ.findall(path.read_text())}

    assert {"MEDIA_BUCKET", "RUNNER_URL", "F5_TTS_URL"} <= read
    assert read - documented() == set()


def test_every_secret_and_every_variable_of_a_laptop_is_documented() -> None:
    secrets = {secret for route in ROUTES for secret in route.secrets}

    assert (secrets | set(environment._EMULATOR_VARIABLES)) - documented() == set()


def test_no_variable_is_documented_that_nothing_names() -> None:
    named = "".join(path.read_text() for path in [*SOURCES, ROOT / "functions" / ".env"])

    assert [name for name in sorted(documented()) if name not in named] == []

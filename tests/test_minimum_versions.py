"""No deployment pins a version with a known weakness. A scanner that reaches no database finds nothing, and says so to
nobody; this table does not depend on one."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.version import Version

from local.addresses import ROOT

pytestmark = pytest.mark.attacks


class Advisory(NamedTuple):
    package: str
    fixed_in: str
    weakness: str


ADVISORIES = (
    Advisory("pyjwt", "2.12.0", "CVE-2026-32597: a header that must be understood (crit) is ignored"),
    Advisory("pyjwt", "2.13.0", "CVE-2026-48526: a public key in JWK form passes for an HMAC secret"),
    Advisory("gradio", "4.11.0", "CVE-2023-51449: files of the server, and addresses behind it, through /file="),
    Advisory("gradio", "4.13.0", "CVE-2024-1561: files of the server can be read"),
    Advisory("gradio", "6.6.0", "CVE-2026-28416: the server fetches addresses behind it for gr.load"),
    Advisory("gradio", "6.7.0", "CVE-2026-28414: files of the server can be read (Windows, Python 3.13)"),
    Advisory("gradio", "6.16.0", "GHSA-j36p-7w88-g82j: FileExplorer leaves its folder"),
    # No advisory; a text of several chunks could end the server.
    Advisory("f5-tts", "1.1.19", "a text longer than one chunk crashes"),
)
REQUIREMENTS = (
    ROOT / "requirements.txt",
    ROOT / "functions" / "requirements.txt",
    ROOT / "gpu_runner" / "requirements.txt",
    ROOT / "gpu_runner" / "voice_requirements.txt",
    ROOT / "gpu_runner" / "voice_constraints.txt",
    ROOT / "tests" / "f5" / "requirements.txt",
)


def pins(path: Path) -> dict[str, str]:
    """The versions that a file asks for, by the package's name as PyPI writes it."""
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;#]+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


PINNED = [
    pytest.param(advisory, version, id=f"{path.relative_to(ROOT)}: {advisory.weakness.partition(':')[0]}")
    for path in REQUIREMENTS
    for advisory in ADVISORIES
    if (version := pins(path).get(advisory.package))
]


@pytest.mark.parametrize(("advisory", "version"), PINNED)
def test_the_pinned_version_has_the_mend(advisory: Advisory, version: str) -> None:
    assert Version(version) >= Version(advisory.fixed_in), advisory.weakness


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_requirement_is_pinned(path: Path) -> None:
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]

    loose = [line for line in lines if line and not line.startswith("-r ") and "==" not in line]
    assert loose == []


@pytest.mark.parametrize("package", sorted({advisory.package for advisory in ADVISORIES}))
def test_what_the_table_names_is_in_use(package: str) -> None:
    assert [path for path in REQUIREMENTS if package in pins(path)]

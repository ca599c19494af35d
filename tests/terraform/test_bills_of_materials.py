"""Each deployment's bill of materials names every package that its requirements pin, and what those need in turn."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.addresses import ROOT
from local.bills_of_materials import FOLDER, write_bills

pytestmark = pytest.mark.deploy

REQUIREMENTS = {
    "functions": ROOT / "functions" / "requirements.txt",
    "gpu_runner": ROOT / "gpu_runner" / "requirements.txt",
    "voice": ROOT / "gpu_runner" / "voice_requirements.txt",
}


@pytest.fixture(scope="module")
def bills() -> dict[str, dict[str, Any]]:
    """The documents, which stay in .local/sbom for whoever wants them."""
    return {name: json.loads(path.read_text()) for name, path in write_bills(FOLDER).items()}


def pins(path: Path) -> set[tuple[str, str]]:
    found = re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {(normal(name), version) for name, version in found}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def components(bill: dict[str, Any]) -> list[tuple[str, str]]:
    return [(normal(each["name"]), each["version"]) for each in bill["components"]]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_pin_is_in_the_bill(bills: dict[str, dict[str, Any]], name: str) -> None:
    missing = pins(REQUIREMENTS[name]) - set(components(bills[name]))

    assert missing == set()


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_the_pins_need_is_in_the_bill_once(bills: dict[str, dict[str, Any]], name: str) -> None:
    listed = [package for package, _version in components(bills[name])]

    assert len(listed) > 2 * len(pins(REQUIREMENTS[name]))
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_the_bill_is_cyclonedx(bills: dict[str, dict[str, Any]], name: str) -> None:
    assert (bills[name]["bomFormat"], bills[name]["specVersion"]) == ("CycloneDX", "1.6")

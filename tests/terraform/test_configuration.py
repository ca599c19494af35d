"""terraform/ as terraform sees it: formatted, valid, and its own tests pass, with two releases of the providers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gcp.deployment import REGION
from tests.terraform.offline import FOLDER, PROVIDER_VERSIONS, Terraform

TEST_FILES = sorted(path.name for path in (FOLDER / "tests").glob("*.tftest.hcl"))
EXAMPLES = sorted(path.name for path in (FOLDER / "examples").glob("*.tfvars"))


@pytest.fixture(scope="module")
def initialised(terraform: Terraform) -> Terraform:
    made = terraform.run("init", "-backend=false")
    assert made.status == 0, made.text
    return terraform


def test_every_file_is_formatted(terraform: Terraform) -> None:
    # A deployer's own tfvars lie beside the sources and are nobody's business.
    listed = subprocess.run(["git", "ls-files", "."], cwd=FOLDER, capture_output=True, text=True, check=True).stdout
    files = [name for name in listed.split() if name.endswith((".tf", ".tfvars", ".tftest.hcl", ".tfmock.hcl"))]

    answer = terraform.run("fmt", "-check", "-diff", *files)

    assert files
    assert answer.status == 0, answer.text


def test_the_configuration_is_valid(initialised: Terraform) -> None:
    answer = initialised.run("validate")

    assert answer.status == 0, answer.text


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", TEST_FILES)
def test_terraforms_own_tests_pass(initialised: Terraform, name: str, example: str) -> None:
    # Where the functions stand; a deployer may have moved both.
    region = f"-var=region={REGION}"

    answer = initialised.run("test", f"-var-file=examples/{example}", region, f"-filter=tests/{name}")

    assert answer.status == 0, answer.text
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", answer.text), answer.text


def test_terraform_leaves_nothing_in_the_tree(terraform: Terraform, tmp_path: Path) -> None:
    # A copy: a deployer's own `terraform init` leaves its lock file and its folder beside the sources.
    folder = shutil.copytree(FOLDER, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    before = set(folder.iterdir())

    made = terraform.run("init", "-backend=false", folder=folder)

    assert made.status == 0, made.text
    assert set(folder.iterdir()) == before


@pytest.mark.deploy
def test_how_many_there_are_of_a_resource_hangs_on_no_other_resource() -> None:
    """Else `terraform import`, which deploy.md begins with, ends with an error: it plans nothing that it could ask."""
    asked = [
        f"{path.name}: {line.strip()}"
        for path in FOLDER.glob("*.tf")
        for line in path.read_text().splitlines()
        if re.match(r"\s*(for_each|count)\s*=.*\bgoogle_", line)
    ]

    assert asked == []


@pytest.mark.deploy
def test_both_providers_are_at_least_of_the_oldest_release_that_is_checked() -> None:
    ranges = re.findall(r"source\s*=.*\n\s*version\s*=\s*\"(.*)\"", (FOLDER / "versions.tf").read_text())

    assert ranges == [f">= {PROVIDER_VERSIONS[0]}, < 9.0"] * 2


@pytest.mark.deploy
def test_terraforms_own_tests_and_the_examples_are_found() -> None:
    assert TEST_FILES
    assert EXAMPLES == ["full.tfvars", "minimal.tfvars"]

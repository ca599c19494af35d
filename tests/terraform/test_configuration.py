"""terraform/ as terraform sees it: formatted, valid, its own tests pass, with both ends of the providers' range."""

import re

import pytest

from tests.terraform.offline import FOLDER, PROVIDER_VERSIONS, Terraform

TEST_FILES = sorted(path.name for path in (FOLDER / "tests").glob("*.tftest.hcl"))
EXAMPLES = sorted(path.name for path in (FOLDER / "examples").glob("*.tfvars"))


@pytest.fixture(scope="module")
def initialised(terraform: Terraform) -> Terraform:
    made = terraform.run("init", "-backend=false")
    assert made.status == 0, made.text
    return terraform


def test_every_file_is_formatted(terraform: Terraform) -> None:
    answer = terraform.run("fmt", "-check", "-diff", "-recursive")

    assert answer.status == 0, answer.text


def test_the_configuration_is_valid(initialised: Terraform) -> None:
    answer = initialised.run("validate")

    assert answer.status == 0, answer.text


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", TEST_FILES)
def test_terraforms_own_tests_pass(initialised: Terraform, name: str, example: str) -> None:
    answer = initialised.run("test", f"-var-file=examples/{example}", f"-filter=tests/{name}")

    assert answer.status == 0, answer.text
    assert re.search(r"Success! [1-9]\d* passed, 0 failed\.", answer.text), answer.text


def test_terraform_leaves_nothing_in_the_tree(initialised: Terraform) -> None:
    initialised.run("validate")

    left = [path.name for path in FOLDER.iterdir() if path.name.startswith((".terraform", "terraform.tfstate"))]
    assert left == []


@pytest.mark.deploy
def test_both_providers_may_be_of_any_release_between_those_that_are_checked() -> None:
    ranges = re.findall(r"source\s*=.*\n\s*version\s*=\s*\"(.*)\"", (FOLDER / "versions.tf").read_text())

    assert ranges == [">= 7.40, < 9.0"] * 2
    assert PROVIDER_VERSIONS == ("7.46.1", "8.7.0")


@pytest.mark.deploy
def test_terraforms_own_tests_and_the_examples_are_found() -> None:
    assert TEST_FILES
    assert EXAMPLES == ["full.tfvars", "minimal.tfvars"]

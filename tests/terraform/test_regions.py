"""Where a deployment may stand, once the functions stand there too."""

import shutil
from pathlib import Path

import pytest

from gcp.deployment import REGION
from local.addresses import ROOT
from tests.terraform.offline import FOLDER, Answer, Terraform

PLAN = """
mock_provider "google" {
  source = "./tests/mocks"
}
mock_provider "google-beta" {
  source = "./tests/mocks"
}
run "plan" {
  command = plan
}
"""


def plan_in(terraform: Terraform, folder: Path, region: str, **variables: str) -> Answer:
    """The plan of a deployment whose functions' code names that region."""
    copied = folder / "terraform"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("*.tftest.hcl", ".terraform*"))
    for name in ("firestore.indexes.json", "docs/operations.md", "functions/gcp/deployment.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    deployment = folder / "functions" / "gcp" / "deployment.py"
    deployment.write_text(deployment.read_text().replace(f'"{REGION}"', f'"{region}"'))
    (copied / "tests" / "plan.tftest.hcl").write_text(PLAN)
    made = terraform.run("init", "-backend=false", folder=copied)
    assert made.status == 0, made.text
    given = {"project_id": "duologue-example", "region": region} | variables
    return terraform.run("test", *(f"-var={name}={value}" for name, value in given.items()), folder=copied)


def words(answer: Answer) -> str:
    """What terraform printed, without its line breaks."""
    return " ".join(answer.text.split())


def test_a_region_without_gpus_is_refused_with_those_that_have_some(terraform: Terraform, tmp_path: Path) -> None:
    answer = plan_in(terraform, tmp_path, "us-west1")

    assert answer.status != 0
    assert "no L4 GPU in us-west1. It does in asia-southeast1, europe-west1, europe-west4, us-east4." in words(answer)


def test_a_gateway_is_refused_where_there_are_none(terraform: Terraform, tmp_path: Path) -> None:
    answer = plan_in(terraform, tmp_path, "europe-west4", front_door="api_gateway")

    assert answer.status != 0
    assert "no gateways in europe-west4. Of the regions with GPUs it has some in europe-west1, us-east4." in words(
        answer
    )


@pytest.mark.parametrize("region", ["asia-southeast1", "europe-west1", "europe-west4"])
def test_a_deployment_may_move_with_its_functions(terraform: Terraform, tmp_path: Path, region: str) -> None:
    answer = plan_in(terraform, tmp_path, region)

    assert answer.status == 0, answer.text

"""The offline harness finds what the real providers would refuse, so a green run is worth something."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.terraform.offline import Answer, Terraform

PROVIDERS = """
terraform {
  required_providers {
    google      = { source = "hashicorp/google" }
    google-beta = { source = "hashicorp/google-beta" }
  }
}
"""
QUEUE = """
resource "google_cloud_tasks_queue" "jobs" {
  name     = "jobs"
  location = "us-east4"
  rate_limits {
    max_concurrent_dispatches = 1
  }
}
"""
DATABASE = """
resource "google_firestore_database" "main" {
  name        = "(default)"
  location_id = "us-east4"
  type        = "FIRESTORE_NATIVE"
}
"""
FIREBASE = """
resource "google_firebase_project" "main" {
  provider = google-beta
}
"""


def validate(terraform: Terraform, folder: Path, text: str) -> Answer:
    (folder / "main.tf").write_text(PROVIDERS + text)
    made = terraform.run("init", "-backend=false", folder=folder)
    assert made.status == 0, made.text
    return terraform.run("validate", folder=folder)


@pytest.mark.parametrize("text", [QUEUE, DATABASE, FIREBASE], ids=["queue", "database", "firebase"])
def test_a_right_configuration_is_valid(terraform: Terraform, tmp_path: Path, text: str) -> None:
    answer = validate(terraform, tmp_path, text)

    assert answer.status == 0, answer.text


@dataclass(frozen=True)
class Mistake:
    """What is written in the place of what is right, and what terraform says of it."""

    text: str
    right: str
    wrong: str
    finding: str


MISTAKES = {
    "unknown argument": Mistake(QUEUE, "max_concurrent_dispatches", "max_at_once", "Unsupported argument"),
    "unknown block": Mistake(QUEUE, "rate_limits", "rates", "Unsupported block type"),
    "required argument left out": Mistake(QUEUE, 'location = "us-east4"', "", "Missing required argument"),
    "wrong type": Mistake(QUEUE, "= 1", '= "many"', "Incorrect attribute value type"),
    "unknown type": Mistake(QUEUE, "google_cloud_tasks_queue", "google_cloud_queue", "Invalid resource type"),
    "second block": Mistake(QUEUE, "rate_limits {", "rate_limits {}\n  rate_limits {", "Too many rate_limits blocks"),
    "unlisted value": Mistake(DATABASE, "FIRESTORE_NATIVE", "MONGO", "possible are FIRESTORE_NATIVE"),
    "beta type without its provider": Mistake(FIREBASE, "provider = google-beta", "", "Invalid resource type"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_found(terraform: Terraform, tmp_path: Path, mistake: Mistake) -> None:
    answer = validate(terraform, tmp_path, mistake.text.replace(mistake.right, mistake.wrong))

    assert answer.status != 0
    assert mistake.finding in answer.text


def test_a_reference_to_an_attribute_that_is_not_there_is_found(terraform: Terraform, tmp_path: Path) -> None:
    answer = validate(terraform, tmp_path, QUEUE + 'output "q" { value = google_cloud_tasks_queue.jobs.address }')

    assert answer.status != 0
    assert "Unsupported attribute" in answer.text


def test_an_assertion_that_does_not_hold_fails_terraforms_test(terraform: Terraform, tmp_path: Path) -> None:
    (tmp_path / "main.tftest.hcl").write_text(
        """
mock_provider "google" {}
mock_provider "google-beta" {}
run "plan" {
  command = plan
  assert {
    condition     = google_cloud_tasks_queue.jobs.rate_limits[0].max_concurrent_dispatches == 2
    error_message = "The queue sends two at once."
  }
}
"""
    )
    validate(terraform, tmp_path, QUEUE)

    answer = terraform.run("test", folder=tmp_path)

    assert answer.status != 0
    assert "The queue sends two at once." in answer.text

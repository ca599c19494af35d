"""checkov finds nothing in terraform/ and the Dockerfile; what it is told to overlook has its reason beside it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.addresses import ROOT
from tests.terraform.offline import PYTHON

pytestmark = pytest.mark.deploy

# The fuller example: what it turns on is looked at too.
TERRAFORM = ["--directory", "terraform", "--framework", "terraform", "--var-file", "terraform/examples/full.tfvars"]
DOCKERFILE = ["--file", "gpu_runner/Dockerfile", "--framework", "dockerfile"]


def scan(arguments: list[str], folder: Path = ROOT) -> dict[str, Any]:
    argv = [str(PYTHON.with_name("checkov")), *arguments, "--skip-download", "--output", "json", "--compact"]
    answer = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert answer.stdout.startswith("{"), answer.stdout + answer.stderr
    report: dict[str, Any] = json.loads(answer.stdout)
    return report


@pytest.fixture(scope="module", params=[TERRAFORM, DOCKERFILE], ids=["terraform", "Dockerfile"])
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    return scan(request.param)


def test_nothing_is_found(report: dict[str, Any]) -> None:
    found = [
        f"{each['check_id']} {each['resource']} ({each['check_name']})" for each in report["results"]["failed_checks"]
    ]

    assert found == []
    assert report["summary"]["passed"] > 0
    assert report["summary"]["parsing_errors"] == 0


def test_every_exception_has_its_reason(report: dict[str, Any]) -> None:
    skipped = report["results"]["skipped_checks"]

    without = [each["check_id"] for each in skipped if len(each["check_result"]["suppress_comment"].split()) < 4]
    assert without == []


def test_a_public_bucket_is_found(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(
        'resource "google_storage_bucket_iam_member" "all" {\n'
        '  bucket = "media"\n  role   = "roles/storage.objectViewer"\n  member = "allUsers"\n}\n'
    )

    found = scan(["--directory", ".", "--framework", "terraform"], tmp_path)

    assert "CKV_GCP_28" in [each["check_id"] for each in found["results"]["failed_checks"]]

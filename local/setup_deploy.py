"""Brings what `make deploy-check` needs: the second virtual environment, and a terraform that runs the tests.

Reached as `python3 -m local.setup --deploy`; standard library alone, as local/setup.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

from local.setup import ROOT, SetupError, ensure_venv

REQUIREMENTS = ROOT / "tests" / "terraform" / "requirements.txt"
# The runner's packages by themselves, for its bill of materials; .venv has the functions' and the tests' as well.
RUNNER_VENV = ROOT / ".local" / "runner-venv"
# What terraform/versions.tf asks for.
MIN_TERRAFORM = (1, 11)
INSTALL_TERRAFORM = (
    "Install it from https://developer.hashicorp.com/terraform/install (a single program, put it on PATH), "
    "on macOS: brew install hashicorp/tap/terraform"
)


def terraform_version() -> tuple[int, int] | None:
    """The major and minor version of the terraform on PATH, or nothing where there is none."""
    if not shutil.which("terraform"):
        return None
    argv = ["terraform", "version", "-json"]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        major, minor = json.loads(answer.stdout)["terraform_version"].split(".")[:2]
        return int(major), int(minor)
    except (ValueError, KeyError):
        return None


def ensure_terraform() -> None:
    """Terraform is on PATH in a version that runs our tests. Raises SetupError."""
    found = terraform_version()
    if found is None or found < MIN_TERRAFORM:
        have = f"{found[0]}.{found[1]}" if found else "none"
        wanted = ".".join(map(str, MIN_TERRAFORM))
        raise SetupError(f"terraform {wanted} or later is missing (found: {have}). {INSTALL_TERRAFORM}")


def main() -> int:
    try:
        ensure_terraform()
        ensure_venv(ROOT / ".venv-deploy", REQUIREMENTS, [])
        ensure_venv(RUNNER_VENV, ROOT / "gpu_runner" / "requirements.txt", [])
    except SetupError as error:
        print(f"make deploy-check: {error}", file=sys.stderr)
        return 1
    return 0

"""Runs terraform with no network and no account, against the stand-in for the Google providers.

    python3 -m tests.terraform.offline [--provider VERSION] validate
    python3 -m tests.terraform.offline test -filter=tests/runner.tftest.hcl

Everything after the version goes to terraform, in the folder terraform/ (or --folder). What terraform writes for itself
lies outside the tree.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.addresses import ROOT

FOLDER = ROOT / "terraform"
PYTHON = ROOT / ".venv-deploy" / "bin" / "python"
# The two releases that are checked; terraform/versions.tf allows none that is older.
PROVIDER_VERSIONS = ("7.46.1", "8.7.0")


@dataclass(frozen=True)
class Answer:
    """What terraform printed, and how it ended."""

    status: int
    text: str


@dataclass(frozen=True)
class Terraform:
    """A terraform whose providers are the stand-in's."""

    environment: dict[str, str]

    def run(self, *arguments: str, folder: Path = FOLDER) -> Answer:
        answer = subprocess.run(
            ["terraform", f"-chdir={folder}", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        return Answer(status=answer.returncode, text=answer.stdout)


@contextmanager
def offline_terraform(version: str) -> Iterator[Terraform]:
    """Terraform against the schema of the providers' release `version`, while the block runs."""
    # A short path: a socket's may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="tf-") as folder:
        program = [str(PYTHON), str(Path(__file__).with_name("provider.py")), version, folder]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as provider:
            try:
                reattach = provider.stdout.readline() if provider.stdout else ""
                if not reattach:
                    raise RuntimeError(
                        "The stand-in for the providers did not start; make deploy-check brings its parts."
                    )
                yield Terraform(terraform_environment(reattach.strip(), Path(folder)))
            finally:
                provider.terminate()


def terraform_environment(reattach: str, folder: Path) -> dict[str, str]:
    """This process's environment without its own TF_ settings, and with those that keep terraform from the network."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "GOOGLE_"))}
    return inherited | {
        "TF_REATTACH_PROVIDERS": reattach,
        "TF_DATA_DIR": str(folder / "data"),
        "TF_CLI_CONFIG_FILE": os.devnull,
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "TF_CLI_ARGS": "-no-color",
        "CHECKPOINT_DISABLE": "1",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Terraform against the providers' schema, offline.")
    parser.add_argument("--provider", default=PROVIDER_VERSIONS[0], choices=PROVIDER_VERSIONS)
    parser.add_argument("--folder", default=FOLDER, type=Path)
    options, arguments = parser.parse_known_args()
    with offline_terraform(options.provider) as terraform:
        made = terraform.run("init", "-backend=false", folder=options.folder.resolve())
        answer = made if made.status else terraform.run(*arguments, folder=options.folder.resolve())
    sys.stdout.write(answer.text)
    return answer.status


if __name__ == "__main__":
    sys.exit(main())

"""Refuses to deploy functions whose environment is not there, before anything is changed.

    GCLOUD_PROJECT=my-project python3 -m local.deployment_environment

Run by the Firebase CLI, which sets GCLOUD_PROJECT, before it uploads the functions. Without functions/.env.PROJECT the
CLI would deploy all the same: to functions that fail at their first request, and that everybody may call where the API
Gateway is the door. Standard library only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What Terraform's output `functions_environment` has, and the functions cannot do without.
REQUIRED = ("FRONT_DOOR", "MEDIA_BUCKET", "RENDER_QUEUE", "RUNNER_URL", "TASKS_SERVICE_ACCOUNT")
DOORS = ("hosting", "api_gateway")


class EnvironmentFileError(Exception):
    """The file is missing or says too little; the message says what to do."""


def check_environment_file(path: Path) -> None:
    """The file names everything that the functions need. Raises EnvironmentFileError."""
    remedy = f"Write it anew: terraform -chdir=terraform output -raw functions_environment > functions/{path.name}"
    if not path.is_file():
        raise EnvironmentFileError(f"functions/{path.name} is missing. {remedy}")
    lines = (line.partition("=") for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    values = {name.strip(): value.strip().strip("\"'") for name, _, value in lines}
    missing = [name for name in REQUIRED if not values.get(name)]
    if missing:
        raise EnvironmentFileError(f"functions/{path.name} lacks {', '.join(missing)}. {remedy}")
    if values["FRONT_DOOR"] not in DOORS:
        raise EnvironmentFileError(f"functions/{path.name}: FRONT_DOOR is neither {' nor '.join(DOORS)}. {remedy}")


def main() -> int:
    try:
        check_environment_file(ROOT / "functions" / f".env.{os.environ['GCLOUD_PROJECT']}")
    except EnvironmentFileError as error:
        print(f"local.deployment_environment: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

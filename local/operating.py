"""What the operator's commands work on: the database of the running local cloud, or of the project that is named."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.firestore import Client

from local.addresses import HOST, PROJECT_ID, ROOT, Ports
from local.processes import port_is_open

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

from contracts.environment import ConfigurationError, checked_project_id

_EMULATOR = "FIRESTORE_EMULATOR_HOST"
_PROJECT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")


class OperatingError(Exception):
    """The command cannot work; the message says why and what to do."""


def open_firestore(project: str | None) -> Client:
    """A client of that project's database, with the application default credentials; it is printed which.

    No project, or an empty word, is the running local cloud. Raises OperatingError when none runs, when there are no
    credentials, when the name is no project's, and when an emulator's address is set beside a real project.
    """
    if project:
        require_project_id(project)
    local = not project or project.startswith("demo-")
    if local:
        _require_emulator()
    try:
        project_id = checked_project_id(os.environ | {"GOOGLE_CLOUD_PROJECT": project or PROJECT_ID})
        client = Client(project=project_id)
    except ConfigurationError as error:
        raise OperatingError(f"Unset it: {error}.") from error
    except DefaultCredentialsError as error:
        raise OperatingError(
            f"There are no credentials for {project}: run gcloud auth application-default login."
        ) from error
    print(f"Firestore of {project_id} at {os.environ[_EMULATOR]}" if local else f"Firestore of {project_id}")
    return client


def require_project_id(text: str) -> None:
    """Raises OperatingError unless a project could be called so: the text becomes part of paths and commands."""
    if not _PROJECT_ID.fullmatch(text):
        raise OperatingError(f"{text!r} is no project's id.")


@contextmanager
def firestore_outages() -> Iterator[None]:
    """What Firestore's client raises becomes an OperatingError with the first line of its words."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        words = str(error).partition("\n")[0]
        raise OperatingError(f"Firestore did not do its part ({type(error).__name__}): {words}") from error


def _require_emulator() -> None:
    """The client finds the emulator: the one that the environment names, else the local cloud's."""
    host, _, port = os.environ.get(_EMULATOR, f"{HOST}:{Ports().firestore}").rpartition(":")
    if not (port.isdigit() and port_is_open(host, int(port))):
        raise OperatingError(
            f"No Firestore emulator at {host}:{port}: start the local cloud with make run, or name a PROJECT."
        )
    os.environ[_EMULATOR] = f"{host}:{port}"

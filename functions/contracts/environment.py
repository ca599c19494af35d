"""What both deployments ask of their environment: a project, and nothing that only a laptop may have."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

# Addresses and keys that belong to a laptop. In a real project one of them would open the door: the Auth emulator's
# variable alone makes firebase_admin accept unsigned ID tokens.
_EMULATOR_VARIABLES = (
    "FIRESTORE_EMULATOR_HOST",
    "FIREBASE_AUTH_EMULATOR_HOST",
    "STORAGE_EMULATOR_HOST",
    "CLOUD_TASKS_EMULATOR_HOST",
    "OIDC_CERTS_URL",
    "OPENAI_BASE_URL",
)


class ConfigurationError(Exception):
    """A variable of the environment is missing or must not be set; the message names it."""


@dataclass(frozen=True)
class Environment:
    """One process's variables. One that a deployment may lack is refused when it is asked for."""

    project_id: str
    variables: Mapping[str, str]

    @property
    def is_local(self) -> bool:
        return self.project_id.startswith("demo-")

    def require(self, name: str) -> str:
        """The variable's value. Raises ConfigurationError when it is missing or empty."""
        value = self.variables.get(name, "")
        if not value:
            raise ConfigurationError(f"the environment variable {name} is not set")
        return value

    def get(self, name: str, default: str = "") -> str:
        return self.variables.get(name) or default


def checked_project_id(variables: Mapping[str, str]) -> str:
    """The project's id. Raises ConfigurationError when there is none, or an emulator's address beside a real one."""
    project_id = variables.get("GOOGLE_CLOUD_PROJECT") or variables.get("GCLOUD_PROJECT", "")
    if not project_id and "FIREBASE_CONFIG" in variables:
        project_id = json.loads(variables["FIREBASE_CONFIG"]).get("projectId", "")
    if not project_id:
        raise ConfigurationError("neither GOOGLE_CLOUD_PROJECT nor GCLOUD_PROJECT is set")
    if not project_id.startswith("demo-"):
        for name in _EMULATOR_VARIABLES:
            if variables.get(name):
                raise ConfigurationError(f"{name} is set, but the project {project_id!r} is not a demo- project")
    return str(project_id)

"""What the environment says, read once, at the first use, and refused by name when it is wrong."""

import functools
import os
from collections.abc import Mapping

from contracts.environment import ConfigurationError, Environment, checked_project_id

LOCAL_SECRET_PREFIX = "local-development-"  # noqa: S105 (marks a secret, is none)
_MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is at least as long as its hash


class Settings(Environment):
    """A functions process's configuration."""

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The key that signs, then, during a rotation, the one before it. Each at least 32 bytes."""
        names = ["JWT_SECRET"] + (["JWT_SECRET_PREVIOUS"] if self.get("JWT_SECRET_PREVIOUS") else [])
        secrets = tuple(self.require(name) for name in names)
        for name, secret in zip(names, secrets, strict=True):
            if len(secret.encode()) < _MIN_SECRET_BYTES:
                raise ConfigurationError(f"{name} is shorter than {_MIN_SECRET_BYTES} bytes")
            if secret.startswith(LOCAL_SECRET_PREFIX) and not self.is_local:
                raise ConfigurationError(f"{name} is a local development key; project {self.project_id!r} refuses it")
        return secrets

    @property
    def tokens_to_give(self) -> int:
        """The tokens that a new user starts with, 0 to 1,000,000."""
        text = self.get("TOKENS_TO_GIVE", "20")
        if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
            raise ConfigurationError("TOKENS_TO_GIVE is not a whole number from 0 to 1,000,000")
        return int(text)


def read_settings(variables: Mapping[str, str]) -> Settings:
    """The settings of a process with these variables. Raises ConfigurationError."""
    return Settings(project_id=checked_project_id(variables), variables=dict(variables))


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ)

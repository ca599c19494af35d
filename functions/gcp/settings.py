"""What the environment says, read once, at the first use, and refused by name when it is wrong."""

import functools
import os
from collections.abc import Mapping

from contracts.environment import ConfigurationError, Environment, checked_project_id

LOCAL_SECRET_PREFIX = "local-development-"  # noqa: S105 (marks a secret, is none)
_MOST_HOPS = 10
_MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: an HS256 key is at least as long as its hash


class Settings(Environment):
    """A functions process's configuration."""

    @property
    def jwt_secrets(self) -> tuple[str, ...]:
        """The keys of session tokens: JWT_SECRET's one or two words, each at least 32 bytes.

        The first one signs; during a rotation the second, the key before it, is still accepted. One secret holds
        both, so that a rotation is a new version of it, which the functions get when they are deployed again.
        """
        secrets = tuple(self.require("JWT_SECRET").split())
        if len(secrets) not in {1, 2}:
            raise ConfigurationError("JWT_SECRET holds neither one key nor two")
        for secret in secrets:
            self._check_key("JWT_SECRET", secret)
        return secrets

    @property
    def address_hash_key(self) -> str:
        """The key under which addresses are remembered that had their initial tokens, at least 32 bytes.

        Never another one: with it, every address would have its tokens again.
        """
        key = self.require("ADDRESS_HASH_KEY").strip()
        self._check_key("ADDRESS_HASH_KEY", key)
        return key

    def _check_key(self, name: str, key: str) -> None:
        if len(key.encode()) < _MIN_SECRET_BYTES:
            raise ConfigurationError(f"{name} holds a key shorter than {_MIN_SECRET_BYTES} bytes")
        if key.startswith(LOCAL_SECRET_PREFIX) and not self.is_local:
            raise ConfigurationError(f"{name} is a local development key; {self.project_id!r} refuses it")

    @property
    def is_behind_gateway(self) -> bool:
        """Whether API Gateway passes every request on, and nobody else can call; else it is Firebase Hosting."""
        front_door = self.get("FRONT_DOOR", "hosting")
        if front_door not in {"hosting", "api_gateway"}:
            raise ConfigurationError("FRONT_DOOR is neither hosting nor api_gateway")
        return front_door == "api_gateway"

    @property
    def tokens_to_give(self) -> int:
        """The tokens that a new user starts with, 0 to 1,000,000."""
        text = self.get("TOKENS_TO_GIVE", "20")
        if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
            raise ConfigurationError("TOKENS_TO_GIVE is not a whole number from 0 to 1,000,000")
        return int(text)

    @property
    def trusted_hops(self) -> int:
        """At which place from the right, 1 to 10, the platform puts the client's address into X-Forwarded-For.

        0 where nobody has measured it (docs/deploy.md): what a client may have written itself tells nothing.
        """
        text = self.get("TRUSTED_HOPS", "0")
        if not text.isascii() or not text.isdigit() or int(text) > _MOST_HOPS:
            raise ConfigurationError(f"TRUSTED_HOPS is not a whole number from 0 to {_MOST_HOPS}")
        return int(text)


def read_settings(variables: Mapping[str, str]) -> Settings:
    """The settings of a process with these variables. Raises ConfigurationError."""
    return Settings(project_id=checked_project_id(variables), variables=dict(variables))


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return read_settings(os.environ)

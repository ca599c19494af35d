"""What admins change without a deployment: they edit `config/platform`, functions read `config/effective`.

A trigger checks what was edited and writes `config/effective`, so that no function ever reads a bad value.
"""

import time
from typing import TYPE_CHECKING

from pydantic import Field

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_CACHE_SECONDS = 30.0


class PlatformConfig(Message):
    """The values in force. Every one has a default, so that an absent document or field means something."""

    # None: TOKENS_TO_GIVE of the deployment.
    initial_tokens: int | None = Field(default=None, ge=0, le=1_000_000)
    price_tokens: int = Field(default=1, ge=1, le=1_000)
    # None: OPENAI_MODEL of the deployment.
    writer_model: str | None = Field(default=None, min_length=1, max_length=100)
    sign_up_open: bool = True
    new_accounts_per_hour: int = Field(default=1_000, ge=1, le=1_000_000)
    # Per e-mail address, in a quarter of an hour.
    sign_in_attempts: int = Field(default=30, ge=1, le=1_000)
    # The next three are per user.
    scripts_per_hour: int = Field(default=60, ge=1, le=10_000)
    feedback_per_hour: int = Field(default=20, ge=1, le=1_000)
    unfinished_jobs: int = Field(default=10, ge=1, le=1_000)


def effective_config(db: "Client") -> PlatformConfig:
    """The values in force, at most half a minute old; the defaults when nobody has configured anything."""
    cached = _cache.get(db.project)
    if cached is None or time.monotonic() - cached[0] > _CACHE_SECONDS:
        fields = db.document("config", "effective").get().to_dict()
        cached = _cache[db.project] = (time.monotonic(), PlatformConfig.model_validate(fields or {}))
    return cached[1]


_cache: dict[str, tuple[float, PlatformConfig]] = {}

"""What admins change without a deployment: they edit `config/platform`, functions read `config/effective`.

A trigger checks what was edited and writes `config/effective` (config.store), so that no function ever reads a bad
value.
"""

import time
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from contracts import log
from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_CACHE_SECONDS = 30.0


class PlatformConfig(Message):
    """The values in force. Every one has a default, so that an absent document or field means something.

    A description is what admins read of the field, in the document itself.
    """

    initial_tokens: int | None = Field(
        default=None,
        ge=0,
        le=1_000_000,
        description="what a new user starts with; null: TOKENS_TO_GIVE of the deployment",
    )
    price_tokens: int = Field(default=1, ge=1, le=1_000, description="what a video costs that is started from now on")
    writer_model: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9._:/-]*$",
        description="the language model that writes scripts; null: OPENAI_MODEL of the deployment",
    )
    sign_up_open: bool = Field(default=True, description="whether new accounts are taken")
    new_accounts_per_hour: int = Field(default=1_000, ge=1, le=1_000_000, description="new accounts in an hour, of all")
    new_accounts_per_network_per_hour: int = Field(
        default=100, ge=1, le=1_000_000, description="new accounts in an hour, per network, where networks are known"
    )
    sign_in_attempts: int = Field(
        default=30, ge=1, le=1_000, description="sign-ins per e-mail address in a quarter of an hour"
    )
    sign_in_attempts_per_network: int = Field(
        default=300,
        ge=1,
        le=1_000_000,
        description="sign-ins per network in a quarter of an hour, where networks are known",
    )
    scripts_per_hour: int = Field(default=60, ge=1, le=10_000, description="scripts a user has written in an hour")
    uploads_per_hour: int = Field(
        default=120, ge=1, le=10_000, description="forms with files, for new or changed characters, per user in an hour"
    )
    feedback_per_hour: int = Field(default=20, ge=1, le=1_000, description="messages of feedback per user in an hour")
    unfinished_jobs: int = Field(default=10, ge=1, le=1_000, description="videos in the making at once, per user")


def effective_config(db: "Client") -> PlatformConfig:
    """The values in force, at most half a minute old; the defaults when nobody has configured anything."""
    cached = _cache.get(db.project)
    if cached is None or time.monotonic() - cached[0] > _CACHE_SECONDS:
        fields = db.document("config", "effective").get().to_dict()
        last_good = cached[1] if cached else PlatformConfig()
        cached = _cache[db.project] = (time.monotonic(), _readable(fields or {}, last_good))
    return cached[1]


def _readable(fields: dict[str, object], last_good: PlatformConfig) -> PlatformConfig:
    """The stored values, or the last good ones where somebody has damaged the document: requests must go on."""
    try:
        return PlatformConfig.model_validate(fields, strict=True)
    except ValidationError as error:
        damaged = [".".join(map(str, found["loc"])) for found in error.errors()]
        log.error("effective_config_malformed", fields=damaged)
        return last_good


_cache: dict[str, tuple[float, PlatformConfig]] = {}

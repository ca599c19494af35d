"""What follows from an admin's edit of the platform's configuration."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import trigger_written


@trigger_written("config/{document}")
def on_config_written(params: Mapping[str, str], _before: Fields | None, _after: Fields | None) -> None:
    """An edit of `config/platform` is in force, or refused with its problems in the document itself."""
    if params["document"] != "platform":
        return
    # Deferred: what a module of functions imports, each of them would pay for.
    from config.store import check_platform
    from gcp.clients import firestore

    log.info("platform_config_checked", outcome=check_platform(firestore(), datetime.now(UTC)))

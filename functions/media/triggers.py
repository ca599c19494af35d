"""What follows from objects that nothing names any more, and the nightly search for others."""

from collections.abc import Mapping
from datetime import UTC, datetime

from gcp.document_event import Fields
from gcp.trigger import NIGHT_WORK, every_night, trigger_created


@trigger_created("mediaDeletions/{deletionId}")
def on_media_deletion_created(params: Mapping[str, str], _fields: Fields) -> None:
    """The listed objects are gone, but for those that are still needed: they wait for what needs them."""
    # Deferred: what a module of functions imports, each of them would pay for.
    from gcp.clients import firestore, media_bucket
    from media.removal import remove_media

    remove_media(firestore(), media_bucket(), params["deletionId"], datetime.now(UTC))


@every_night(hour=4, minute=30)
def sweep_media() -> None:
    """Every night: objects older than a day that no document names are gone."""
    # Deferred, as above.
    from gcp.clients import firestore, media_bucket
    from media.sweep_run import run_sweep

    run_sweep(firestore(), media_bucket(), lambda: datetime.now(UTC), datetime.now(UTC) + NIGHT_WORK)

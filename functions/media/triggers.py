"""What follows from objects that nothing names any more."""

from collections.abc import Mapping
from datetime import UTC, datetime

from gcp.trigger import Fields, trigger_created


@trigger_created("mediaDeletions/{deletionId}")
def on_media_deletion_created(params: Mapping[str, str], _fields: Fields) -> None:
    """The listed objects are gone, but for those that are still needed: they wait for what needs them."""
    # Deferred: discovery imports every trigger.
    from gcp.clients import firestore, media_bucket
    from media.removal import remove_media

    remove_media(firestore(), media_bucket(), params["deletionId"], datetime.now(UTC))

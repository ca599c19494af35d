"""What follows from an account's deletion, and what the clock does when an event was lost."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import every_ten_minutes, trigger_created


@trigger_created("accountDeletions/{userId}")
def on_account_deletion_created(params: Mapping[str, str], _fields: Fields) -> None:
    """What the account owned is gone, once, however often the event is delivered; 25 hours later it is looked again."""
    # Deferred: what a module of functions imports, each of them would pay for.
    from accounts.deletion import continue_account_deletion, remove_firebase_user
    from gcp.clients import firestore, media_bucket

    continue_account_deletion(
        firestore(), media_bucket(), params["userId"], remove_identity=remove_firebase_user, now=datetime.now(UTC)
    )


@every_ten_minutes
def finish_deletions() -> None:
    """Every ten minutes: deletions of accounts and media that wait, or whose events were lost, are taken up again."""
    from accounts.deletion import continue_due_account_deletions, remove_firebase_user
    from gcp.clients import firestore, media_bucket
    from media.removal import remove_due_media

    db, bucket, now = firestore(), media_bucket(), datetime.now(UTC)
    accounts = continue_due_account_deletions(db, bucket, remove_identity=remove_firebase_user, now=now)
    log.info("deletions_finished", accounts=accounts, media=remove_due_media(db, bucket, now))

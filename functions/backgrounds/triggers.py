"""What follows when an admin puts a file into the library's folder, or takes one away."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts.background import MAX_SIZE_BYTES, file_name, is_allowed_name, library_objects
from gcp.document_event import Fields
from gcp.trigger import (
    StoredObject,
    trigger_object_deleted,
    trigger_object_finalized,
    trigger_written,
)


@trigger_object_finalized
def on_background_finalized(source: StoredObject) -> None:
    """A file of the library is looked at by the runner, or refused at once where its name or size forbids it."""
    name = file_name(source.name)
    if name is None:
        return
    # Deferred: nearly all objects are none of the library's.
    from backgrounds.queue import create_background_task
    from backgrounds.store import refuse_background
    from gcp.clients import firestore

    if not is_allowed_name(name):
        reason = (
            "The name must begin with a letter or digit of the English alphabet, hold only those, blanks and . _ - ( ),"
            " and be at most 100 characters long."
        )
    elif source.size_bytes > MAX_SIZE_BYTES:
        reason = f"The file has {source.size_bytes / 1024**2:.0f} MiB; at most {MAX_SIZE_BYTES // 1024**2} MiB."
    else:
        create_background_task(source)
        return
    refuse_background(firestore(), source, reason, datetime.now(UTC))


@trigger_object_deleted
def on_background_deleted(source: StoredObject) -> None:
    """A file that is gone is taken from the list; one that was replaced stays until the new one was looked at."""
    if file_name(source.name) is None:
        return
    # Deferred, as above.
    from backgrounds.store import remove_background, was_replaced
    from gcp.clients import firestore, media_bucket

    if not was_replaced(media_bucket(), source):
        remove_background(firestore(), source, datetime.now(UTC))


@trigger_written("backgrounds/{backgroundId}")
def on_background_written(params: Mapping[str, str], before: Fields | None, after: Fields | None) -> None:
    """What the document no longer names is listed for deletion and not deleted: a job may still need the copy."""
    left = sorted(library_objects(before) - library_objects(after))
    if not left:
        return
    # Deferred: most writes leave nothing behind.
    import hashlib

    from gcp.clients import firestore
    from gcp.transactions import transact
    from media.deletions import write_media_deletion

    db, digest = firestore(), hashlib.sha256("\n".join(left).encode()).hexdigest()[:16]
    transact(
        db,
        lambda transaction: write_media_deletion(
            transaction,
            db,
            f"background_{params['backgroundId']}_{digest}",
            left,
            owner_id="backgrounds",
            now=datetime.now(UTC),
        ),
    )

"""Listing objects for deletion (contracts.media_deletion), by the functions."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.media_deletion import new_media_deletion

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction


def deletion_reference(db: "Client", deletion_id: str) -> "DocumentReference":
    return db.document("mediaDeletions", deletion_id)


def write_media_deletion(
    transaction: "Transaction",
    db: "Client",
    deletion_id: str,
    object_names: Sequence[str],
    *,
    owner_id: str,
    script_id: str | None = None,
    now: datetime,
) -> None:
    """The objects are listed for deletion once the transaction commits; nothing is, when there are none.

    With a deleted script's id the videos of all its jobs are listed as well.
    """
    if object_names or script_id:
        deletion = new_media_deletion(object_names, owner_id=owner_id, script_id=script_id, now=now)
        transaction.set(deletion_reference(db, deletion_id), deletion.to_document())

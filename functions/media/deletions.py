"""Listing objects for deletion (contracts.media_deletion), by the functions."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from contracts import log
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


def list_unnamed_objects(db: "Client", object_names: Sequence[str], *, owner_id: str, now: datetime) -> None:
    """The objects, whose document will never be, are listed for deletion; when the database does not answer, they stay.

    For a request that is being refused already, so that nothing is raised.
    """
    # Deferred: whoever has a client has loaded them.
    from google.api_core.exceptions import GoogleAPICallError, RetryError

    if not object_names:
        return
    deletion = new_media_deletion(object_names, owner_id=owner_id, now=now)
    try:
        deletion_reference(db, uuid.uuid4().hex).set(deletion.to_document())
    except (GoogleAPICallError, RetryError) as error:
        log.warning("unnamed_objects_stay", owner_id=owner_id, objects=len(object_names), error=type(error).__name__)

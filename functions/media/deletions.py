"""The documents `mediaDeletions/{deletionId}`: objects of the media bucket that something stored named until now.

A video that is being made works from a snapshot, which names objects, and a line's sound is shared by all scripts of
its owner that hold the same line. Objects are therefore never deleted with what named them, but listed here in the
same transaction; media.removal removes what nothing needs, and the document when all is gone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

# When the clock looks at a deletion that no event finished.
PATIENCE = timedelta(minutes=10)


class MediaDeletion(Message):
    """The objects that one deletion or change left without a name.

    `script_id` is that of a deleted script, whose jobs' videos go too; `jobs_after` is the last of its jobs whose
    videos are gone. `waiting_for` names unfinished jobs that need some of the objects.
    """

    object_names: tuple[str, ...]
    owner_id: str
    script_id: str | None = None
    jobs_after: str = ""
    waiting_for: tuple[str, ...] = ()
    created_at: datetime
    check_at: datetime


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
        deletion = MediaDeletion(
            object_names=tuple(object_names),
            owner_id=owner_id,
            script_id=script_id,
            created_at=now,
            check_at=now + PATIENCE,
        )
        transaction.set(deletion_reference(db, deletion_id), deletion.to_document())

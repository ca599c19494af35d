"""The documents `mediaDeletions/{deletionId}`: objects of the media bucket that nothing stored names any more.

A video that is being made works from a snapshot, which names objects, and a line's sound is shared by all scripts of
its owner that hold the same line. Objects are therefore never deleted with what named them but listed here. They stay
in the bucket until an operator, or a sweeper yet to be written, removes those that nothing names, later than
contracts.video_job.DEADLINE after `createdAt`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


class MediaDeletion(Message):
    """The objects that one deletion or change left without a name."""

    object_names: tuple[str, ...]
    owner_id: str
    created_at: datetime


def write_media_deletion(
    transaction: "Transaction",
    db: "Client",
    deletion_id: str,
    object_names: Sequence[str],
    *,
    owner_id: str,
    now: datetime,
) -> None:
    """The objects are listed for deletion once the transaction commits; nothing is, when there are none."""
    if object_names:
        deletion = MediaDeletion(object_names=tuple(object_names), owner_id=owner_id, created_at=now)
        transaction.set(db.document("mediaDeletions", deletion_id), deletion.to_document())

"""The document `mediaDeletions/{deletionId}`: objects of the media bucket that something stored named until now.

A video that is being made works from a snapshot, which names objects, and a line's sound is shared by all scripts of
its owner that hold the same line. Objects are therefore never deleted with what named them, but listed here in the
same transaction, by the functions (media.deletions) and by the runner. media.removal removes what nothing needs, and
the document when all is gone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from contracts.message import Message

# When the clock looks at a deletion that no event finished.
PATIENCE = timedelta(minutes=10)


class MediaDeletion(Message):
    """The objects that one deletion or change left without a name.

    `script_id` is that of a deleted script, whose jobs' videos go too; `jobs_after` is the last of its jobs whose
    videos are gone. `waiting_for` names unfinished jobs that need some of the objects.
    """

    version: Literal[1] = 1
    object_names: tuple[str, ...]
    owner_id: str
    script_id: str | None = None
    jobs_after: str = ""
    waiting_for: tuple[str, ...] = ()
    created_at: datetime
    check_at: datetime


def new_media_deletion(
    object_names: Iterable[str], *, owner_id: str, script_id: str | None = None, now: datetime
) -> MediaDeletion:
    """The deletion of these objects, and of the videos of the deleted script's jobs."""
    return MediaDeletion(
        object_names=tuple(object_names),
        owner_id=owner_id,
        script_id=script_id,
        created_at=now,
        check_at=now + PATIENCE,
    )

"""The library of background videos: the document `backgrounds/{id}` and the task that has a file looked at.

An admin puts a file into the bucket's `backgrounds/` folder. The functions make a task of that (backgrounds.queue), and
the runner (gpu_runner.background) looks at the file and writes the document: listed, with a copy that renders use, or
refused with a reason. The functions take it from the list when the file is deleted, and read the list.

A file that is put in again under its name has a higher generation, Cloud Storage's number of an object's content.
Events and tasks come late and more than once, so the document keeps the generation that it tells of, and what tells of
an older one, or of the same once more, is passed over.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from contracts.message import Message

FOLDER = "backgrounds/"
# What clients name in `backgroundVideo`. One line, nothing that a path, a shell or a page would take for its own.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,99}")

MAX_SIZE_BYTES = 1024**3  # the runner's scratch folder is memory; the file and its copy lie there side by side
MIN_SECONDS = 1.0
MAX_SECONDS = 30 * 60.0
MIN_SIDE_PIXELS = 240
MAX_SIDE_PIXELS = 4320
FORMATS = "MP4, MOV, MKV or WebM"
# When the runner refuses a file that it could not look at: before the queue gives up its task (terraform/queue.json),
# after as many tries and so much time, in which the longest try has its place.
MAX_TRIES = 20
LONGEST_TRIES = timedelta(minutes=80)


class BackgroundTask(Message):
    """The body of the task. Written by backgrounds.queue, read by gpu_runner.server."""

    version: Literal[1] = 1
    source_object: str
    source_generation: int
    source_created_at: datetime | None = None


class BackgroundStatus(StrEnum):
    LISTED = "listed"
    REFUSED = "refused"
    # The file is gone. The document stays, so that a task of before finds out that it comes too late.
    REMOVED = "removed"


class BackgroundVideo(Message):
    """A file of the library. `reason` is for the admin; what was measured is of the copy, and only of a listed one."""

    version: Literal[1] = 1
    name: str
    status: BackgroundStatus
    reason: str | None = None
    object_name: str | None = None
    thumbnail_object: str | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    source_object: str
    source_generation: int
    created_at: datetime
    updated_at: datetime


def file_name(source_object: str) -> str | None:
    """The file's name when the object lies in the library's folder itself, None for any other object."""
    name = source_object.removeprefix(FOLDER)
    return name if source_object.startswith(FOLDER) and name and "/" not in name else None


def is_allowed_name(name: str) -> bool:
    """Whether clients can name a file that is called so."""
    return _FILE_NAME.fullmatch(name) is not None


def background_id(name: str) -> str:
    """The id of the file's document: hashed, since not every name of a file is one of a document."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def library_objects(stored: Mapping[str, Any] | None) -> set[str]:
    """The objects of our own making that the document names."""
    named = [(stored or {}).get("objectName"), (stored or {}).get("thumbnailObject")]
    return {name for name in named if name}


def is_news(stored: Mapping[str, Any] | None, source_generation: int) -> bool:
    """Whether the document does not yet tell of this generation, nor of a later one."""
    return stored is None or stored["sourceGeneration"] < source_generation


def is_given_up(task: BackgroundTask, tries: int, now: datetime) -> bool:
    """Whether the task is not worth another try. `tries` counts this one too."""
    return tries >= MAX_TRIES and task.source_created_at is not None and now - task.source_created_at >= LONGEST_TRIES


def refused(
    source_object: str, source_generation: int, reason: str, *, created_at: datetime, now: datetime
) -> BackgroundVideo:
    """The document of a file that is not taken."""
    return BackgroundVideo(
        name=file_name(source_object) or source_object,
        status=BackgroundStatus.REFUSED,
        reason=reason,
        source_object=source_object,
        source_generation=source_generation,
        created_at=created_at,
        updated_at=now,
    )

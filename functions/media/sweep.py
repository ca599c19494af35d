"""The nightly sweep of the media bucket: objects that no document names, and that are older than a day, are removed.

What a document stops naming is listed in `mediaDeletions` and removed soon after (media.removal). This finds what never
had a name: an upload whose request died, a line or a video of a runner that lost its lease.

An object is kept while a request or a render that made it may still be at work, which a day outlasts by far. What is
older is asked for in an order in which a name that moves meanwhile is not missed:

- Recordings, pictures and the library's copies: first who names them for good, the character or the background, then
  unfinished jobs, then deletions. Their names are never given twice, so what no character names now, no job that starts
  later can name.
- Lines and videos: first unfinished jobs, then deletions, then scripts; as media.removal does, with the one race that
  is told there. All lines of an owner stay while any job of that owner is unfinished, and all videos of an unfinished
  job.

Objects of any other name are left alone: they are an admin's.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.media_paths import api_path, media_of_path
from media.removal import needed_by_jobs

if TYPE_CHECKING:
    from google.cloud.firestore import Client, CollectionReference, Query
    from google.cloud.storage import Bucket

# In the order of names, which is the order in which Cloud Storage lists them.
FOLDERS = ("images/", "library/", "lines/", "recordings/", "videos/")
YOUNG = timedelta(hours=24)
PAGE = 300
_LIBRARY = re.compile(r"library/[0-9a-f]{32}\.mp4")
# The owner of the library's pictures, which is no user's id that Firebase Auth gives.
_BACKGROUNDS = "backgrounds"
_ENDED = {"completed", "failed", "cancelled"}
# Firestore's bound of `in` and of array_contains_any.
_ASKED_AT_ONCE = 30
_STORAGE_TIMEOUT_SECONDS = 20


class Swept(NamedTuple):
    """One page of the bucket: how many objects it had, and of them how many were young, foreign, named and removed."""

    last: str
    objects: int
    young: int
    foreign: int
    named: int
    removed: int


class _Found(NamedTuple):
    name: str
    generation: int
    created_at: datetime


def sweep_pages(db: "Client", bucket: "Bucket", after: str, clock: Callable[[], datetime]) -> Iterator[Swept]:
    """The pages of our folders after that name, each swept when it is asked for. Raises GoogleAPIError."""
    for folder in FOLDERS:
        if after < folder or after.startswith(folder):
            for page in _list_pages(bucket, folder, after):
                yield _sweep_page(db, bucket, page, clock())


def _sweep_page(db: "Client", bucket: "Bucket", page: list[_Found], now: datetime) -> Swept:
    old = {each.name: each for each in page if each.created_at <= now - YOUNG}
    ours = [name for name in old if _owner_of(name) is not None]
    named = find_named(db, ours)
    removed = sum(_remove(bucket, old[name]) for name in ours if name not in named)
    return Swept(
        last=page[-1].name,
        objects=len(page),
        young=len(page) - len(old),
        foreign=len(old) - len(ours),
        named=len(named),
        removed=removed,
    )


def _list_pages(bucket: "Bucket", folder: str, after: str) -> Iterator[list[_Found]]:
    start = after if after.startswith(folder) else folder
    fields = "items(name,generation,timeCreated),nextPageToken"
    found = bucket.list_blobs(
        prefix=folder, start_offset=start, page_size=PAGE, fields=fields, timeout=_STORAGE_TIMEOUT_SECONDS
    )
    for page in found.pages:
        # The offset itself is listed too, and the local emulator knows neither offsets nor an order.
        listed = [_Found(blob.name, int(blob.generation), blob.time_created) for blob in page if blob.name > after]
        if listed:
            yield sorted(listed)


def find_named(db: "Client", object_names: Sequence[str]) -> set[str]:
    """Of these objects of our own naming those that a document names, or an unfinished job may be about to."""
    named: set[str] = set()
    for folder, names in itertools.groupby(sorted(object_names), lambda name: name.partition("/")[0]):
        asked = list(names)
        for question in _QUESTIONS[folder]:
            found = question(db, asked)
            named |= found
            asked = [name for name in asked if name not in found]
    return named


def _by_characters(db: "Client", names: Sequence[str]) -> set[str]:
    """By the owner's characters, as they are stored: a damaged one still has its media."""
    from google.cloud.firestore import FieldFilter

    named: set[str] = set()
    for owner_id in {_owner_of(name) for name in names} - {_BACKGROUNDS}:
        owned = db.collection("characters").where(filter=FieldFilter("ownerId", "==", owner_id))
        for found in owned.select(["recording.objectName", "images"]).stream():
            named |= set(_texts(found.to_dict()))
    return named.intersection(names)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _by_backgrounds(db: "Client", names: Sequence[str]) -> set[str]:
    backgrounds = db.collection("backgrounds")
    names = [name for name in names if _owner_of(name) == _BACKGROUNDS]
    return _naming(backgrounds, "objectName", "in", names) | _naming(backgrounds, "thumbnailObject", "in", names)


def _by_snapshots(db: "Client", names: Sequence[str]) -> set[str]:
    return set(needed_by_jobs(db, names))


def _by_deletions(db: "Client", names: Sequence[str]) -> set[str]:
    """What waits there is removed by media.removal when nothing needs it any more."""
    return _naming(db.collection("mediaDeletions"), "objectNames", "array_contains_any", names)


def _by_scripts(db: "Client", names: Sequence[str]) -> set[str]:
    named: set[str] = set()
    for owner_id, owned in _by_owner(names):
        scripts = db.collection("scripts").where(filter=_equal("ownerId", owner_id))
        named |= _naming(scripts, "mediaObjects", "array_contains_any", owned)
    return named


def _by_owners_jobs(db: "Client", names: Sequence[str]) -> set[str]:
    """The lines of whoever has an unfinished job, which may have found any of them."""
    named: set[str] = set()
    for owner_id, owned in _by_owner(names):
        snapshots = db.collection("videoJobSnapshots").where(filter=_equal("userId", owner_id))
        if list(snapshots.select([]).limit(1).stream()):
            named |= set(owned)
    return named


def _by_own_job(db: "Client", names: Sequence[str]) -> set[str]:
    """The videos that their job names, and those of a job that has not ended."""
    jobs = {name: name.rpartition("/")[2].partition("_")[0] for name in names}
    references = [db.document("videoJobs", job_id) for job_id in sorted(set(jobs.values()))]
    found = {each.id: each.to_dict() or {} for each in db.get_all(references, ["status", "video"]) if each.exists}
    return {
        name
        for name, job_id in jobs.items()
        if job_id in found
        and (found[job_id].get("status") not in _ENDED or name in set(_texts(found[job_id].get("video"))))
    }


_CHARACTERS_MEDIA = (_by_characters, _by_backgrounds, _by_snapshots, _by_deletions)
_QUESTIONS: dict[str, tuple[Callable[["Client", Sequence[str]], set[str]], ...]] = {
    "images": _CHARACTERS_MEDIA,
    "recordings": _CHARACTERS_MEDIA,
    "library": (_by_backgrounds, _by_snapshots, _by_deletions),
    "lines": (_by_owners_jobs, _by_deletions, _by_scripts),
    "videos": (_by_own_job, _by_deletions, _by_scripts),
}


def _naming(documents: "CollectionReference | Query", field: str, operator: str, names: Sequence[str]) -> set[str]:
    """Those of the names that the field of some document is, or holds."""
    from google.cloud.firestore import FieldFilter

    named: set[str] = set()
    for start in range(0, len(names), _ASKED_AT_ONCE):
        asked = sorted(names[start : start + _ASKED_AT_ONCE])
        for found in documents.where(filter=FieldFilter(field, operator, asked)).select([field]).stream():
            value = found.get(field)
            named |= {value} if isinstance(value, str) else set(value)
    return named.intersection(names)


def _equal(field: str, value: str) -> Any:
    from google.cloud.firestore import FieldFilter

    return FieldFilter(field, "==", value)


def _by_owner(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for owner_id, owned in itertools.groupby(sorted(names), _owner_of):
        assert owner_id is not None, "names of lines and videos have an owner"
        yield owner_id, list(owned)


def _owner_of(object_name: str) -> str | None:
    """Whose the object is, by its name; None for one that we never name so."""
    if _LIBRARY.fullmatch(object_name):
        return _BACKGROUNDS
    try:
        media = media_of_path(api_path(object_name))
    except ValueError:
        return None
    return media.owner_id if media else None


def _remove(bucket: "Bucket", found: _Found) -> int:
    """The object as it was listed is gone; 1 when it was there. One that was written since stays."""
    # Deferred: whoever has a bucket has loaded them.
    from google.api_core.exceptions import NotFound, PreconditionFailed
    from google.cloud.storage.retry import DEFAULT_RETRY

    retry = DEFAULT_RETRY.with_timeout(_STORAGE_TIMEOUT_SECONDS)
    try:
        bucket.blob(found.name).delete(
            if_generation_match=found.generation, timeout=_STORAGE_TIMEOUT_SECONDS, retry=retry
        )
    except (NotFound, PreconditionFailed):
        return 0
    return 1

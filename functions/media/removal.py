"""Removing the objects that `mediaDeletions` lists, but for those that are still needed.

What is needed is asked in this order, after the transaction that dropped the names:

1. Unfinished jobs. A snapshot is made in the transaction that reads the characters, and deleted when the job's hold is
   settled. A recording or picture whose character is gone can therefore not be named by a job that starts later: what
   no snapshot names now, none ever will. An owner's lines wait while any job of that owner is unfinished, because it
   may have found one of them spoken already and publishes it only at its end.
2. Scripts of the same owner. A job publishes with the script before its snapshot goes, so that a line is found by one
   question or by the other. What another script names is dropped from the list: it is listed again with that one.

One race remains: a job that starts between the first question and the removal may find a line that is removed under
it. A render that misses it speaks it again (gpu_runner.pipeline); one that had it in hand already publishes a name
with no object, so that the line's path is 404 until the script's next render, which speaks the line again. The video
is whole in either case.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from contracts import log
from contracts.media_deletion import PATIENCE, MediaDeletion
from contracts.media_paths import is_line, is_rendered, video_prefix
from contracts.video_job import JobStatus
from media.deletions import deletion_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client, CollectionReference, DocumentReference, Query
    from google.cloud.storage import Bucket

# Firestore's bound of array_contains_any.
_ASKED_AT_ONCE = 30
_FOUND_AT_ONCE = 20
_JOBS_AT_ONCE = 50
# Bounds one run of the clock; what is more comes with the next.
_BATCH = 50
# A job that ends while it is being waited for is noticed at once; more of them in a row can wait for the clock.
_LOOKS = 3
_STORAGE_TIMEOUT_SECONDS = 20


class _Looked(NamedTuple):
    """What is left of a deletion, and the jobs that it waits for."""

    object_names: tuple[str, ...]
    waiting_for: tuple[str, ...]


def remove_media(db: "Client", bucket: "Bucket", deletion_id: str, now: datetime) -> None:
    """Of the deletion's objects those that nothing needs are gone, and with the last one its document.

    Safe to repeat and to do twice at once: what is gone is no error, and what is needed only grows less. Raises
    GoogleAPIError when the database or the storage does not answer; what was removed by then stays removed.
    """
    # Deferred: whoever calls this has the client already.
    from google.api_core.exceptions import NotFound

    reference = deletion_reference(db, deletion_id)
    for _ in range(_LOOKS):
        fields = reference.get().to_dict()
        if fields is None:
            return
        left = _remove_unneeded(db, bucket, deletion_id, MediaDeletion.model_validate(fields))
        if not left.waiting_for:
            reference.delete()
            log.info("media_removed", deletion_id=deletion_id)
            return
        try:
            reference.update(
                {"objectNames": left.object_names, "waitingFor": left.waiting_for, "checkAt": now + PATIENCE}
            )
        except NotFound:
            # Another call, a little later, found nothing to wait for any more.
            return
        # From here on whoever settles one of these jobs finds the document. One that did before is noticed now.
        snapshots = db.get_all([db.document("videoJobSnapshots", job_id) for job_id in left.waiting_for], ["userId"])
        if all(snapshot.exists for snapshot in snapshots):
            log.info("media_removal_waits", deletion_id=deletion_id, jobs=len(left.waiting_for))
            return


def find_deletions_waiting_for(db: "Client", job_id: str) -> list[str]:
    """The deletions that wait for this job, at most 50; what is more is left to the clock."""
    from google.cloud.firestore import FieldFilter

    waiting = db.collection("mediaDeletions").where(filter=FieldFilter("waitingFor", "array_contains", job_id))
    return [found.id for found in waiting.select([]).limit(_BATCH).stream()]


def remove_due_media(db: "Client", bucket: "Bucket", now: datetime) -> int:
    """Every deletion that is due was looked at once; how many were. One that fails is due again after a while."""
    from google.cloud.firestore import FieldFilter

    due = db.collection("mediaDeletions").where(filter=FieldFilter("checkAt", "<=", now)).order_by("checkAt")
    found = list(due.limit(_BATCH).select([]).stream())
    for each in found:
        try:
            # First of all, so that one which always fails, or takes too long, keeps no other from its turn.
            each.reference.update({"checkAt": now + PATIENCE})
            remove_media(db, bucket, each.id, now)
        except Exception as error:  # noqa: BLE001 (the outermost handler of one deletion; the next must have its turn)
            log.error("media_not_removed", deletion_id=each.id, error=type(error).__name__, at=log.frames_of(error))
    return len(found)


def remove_objects(bucket: "Bucket", object_names: Iterable[str]) -> int:
    """The objects are gone; how many were there."""
    from google.api_core.exceptions import NotFound

    removed = 0
    for object_name in object_names:
        try:
            bucket.blob(object_name).delete(timeout=_STORAGE_TIMEOUT_SECONDS, retry=_retry())
            removed += 1
        except NotFound:
            continue
    return removed


def needed_by_jobs(db: "Client", object_names: Sequence[str]) -> dict[str, str]:
    """Of these objects those that an unfinished job reads, each with the id of one such job."""
    return _naming(db.collection("videoJobSnapshots"), object_names)


def _remove_unneeded(db: "Client", bucket: "Bucket", deletion_id: str, deletion: MediaDeletion) -> _Looked:
    waiting = needed_by_jobs(db, [name for name in deletion.object_names if not is_rendered(name)])
    lines = [name for name in deletion.object_names if is_line(name)]
    unfinished = _unfinished_jobs(db, deletion.owner_id) if lines else []
    waiting |= dict.fromkeys(lines, unfinished[0]) if unfinished else {}
    made = [name for name in deletion.object_names if is_rendered(name) and name not in waiting]
    named = _naming(_scripts_of(db, deletion.owner_id), made)
    remove_objects(bucket, (name for name in deletion.object_names if name not in waiting and name not in named))
    jobs = {*waiting.values(), *unfinished, *_remove_videos(db, bucket, deletion_id, deletion)}
    return _Looked(tuple(waiting), tuple(sorted(jobs)))


def _remove_videos(db: "Client", bucket: "Bucket", deletion_id: str, deletion: MediaDeletion) -> list[str]:
    """The videos of the deleted script's ended jobs are gone, and the jobs name none; the ids of those not ended.

    By the beginning of their names: a runner that lost its lease may have left one that no document names.
    """
    from google.cloud.firestore import FieldFilter

    if deletion.script_id is None:
        return []
    jobs = db.collection("videoJobs").where(filter=FieldFilter("scriptId", "==", deletion.script_id))
    jobs = jobs.order_by("__name__").select(["status", "video"])
    after = deletion.jobs_after
    while page := list((jobs.start_after({"__name__": after}) if after else jobs).limit(_JOBS_AT_ONCE).stream()):
        unfinished = [found.id for found in page if not JobStatus(found.get("status")).is_terminal]
        for found in page:
            if found.id not in unfinished:
                if (found.to_dict() or {}).get("video") is not None:
                    _forget_video(found.reference)
                remove_prefix(bucket, video_prefix(deletion.owner_id, found.id))
        if unfinished:
            return unfinished
        after = page[-1].id
        deletion_reference(db, deletion_id).update({"jobsAfter": after})
    return []


def _forget_video(job: "DocumentReference") -> None:
    """The job, if it is still there, shows no video that could not be loaded."""
    # Deferred: whoever has the client has it already.
    from google.api_core.exceptions import NotFound

    with suppress(NotFound):
        job.update({"video": None})


def remove_prefix(bucket: "Bucket", prefix: str) -> int:
    """The objects whose names begin so are gone; how many were there."""
    return remove_objects(bucket, (name for page in list_pages(bucket, prefix) for name in page))


def list_pages(bucket: "Bucket", prefix: str) -> Iterator[list[str]]:
    """The names that begin so, some at a time."""
    found = bucket.list_blobs(
        prefix=prefix, page_size=100, fields="items(name),nextPageToken", timeout=_STORAGE_TIMEOUT_SECONDS
    )
    for page in found.pages:
        yield [blob.name for blob in page]


def _scripts_of(db: "Client", owner_id: str) -> "Query":
    from google.cloud.firestore import FieldFilter

    return db.collection("scripts").where(filter=FieldFilter("ownerId", "==", owner_id))


def _unfinished_jobs(db: "Client", owner_id: str) -> list[str]:
    from google.cloud.firestore import FieldFilter

    snapshots = db.collection("videoJobSnapshots").where(filter=FieldFilter("userId", "==", owner_id))
    return [found.id for found in snapshots.select([]).limit(_FOUND_AT_ONCE).stream()]


def _naming(documents: "CollectionReference | Query", object_names: Sequence[str]) -> dict[str, str]:
    """Of these objects those that one of the documents names in `mediaObjects`, each with the id of such a document.

    Every query answers for at least one object more, or for the rest that nothing names them, so that a name which
    many documents share costs no more than a few reads.
    """
    from google.cloud.firestore import FieldFilter

    named: dict[str, str] = {}
    for start in range(0, len(object_names), _ASKED_AT_ONCE):
        asked = set(object_names[start : start + _ASKED_AT_ONCE])
        while asked:
            naming = documents.where(filter=FieldFilter("mediaObjects", "array_contains_any", sorted(asked)))
            found = naming.select(["mediaObjects"]).limit(_FOUND_AT_ONCE).stream()
            hits = {name: each.id for each in found for name in each.get("mediaObjects") if name in asked}
            if not hits:
                break
            named |= hits
            asked -= hits.keys()
    return named


def _retry() -> object:
    """Deleting again is safe; longer than this it is the event that is delivered again."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(_STORAGE_TIMEOUT_SECONDS)

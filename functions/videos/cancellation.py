"""Ending jobs before their time: because the owner asks, or because what they are made from is deleted.

Cancelling and releasing the hold are two transactions. Whoever dies between them leaves a cancelled job with an open
hold, which the trigger on the job's document or the minute function settles as any other ended job's.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.video_job import JobStatus, VideoJob
from gcp.errors import JobEnded, NotFound
from videos.jobs import cancel_job, find_job, settle_and_log

if TYPE_CHECKING:
    from google.cloud.firestore import Client

# Bounds what is in hand at once, and not how many are found.
_AT_ONCE = 100


def cancel_own_job(db: "Client", job_id: str, user_id: str, now: datetime) -> VideoJob:
    """The user's job, cancelled now or before, its hold released. Safe to repeat.

    Raises NotFound for a job that is not the user's, and JobEnded for one that is completed or failed.
    """
    found = find_job(db, job_id)
    # A job's user never changes, so it is asked before the transaction.
    job = end_job(db, job_id, now) if found and found.user_id == user_id else None
    if job is None:
        raise NotFound("There is no such video job.")
    if job.status is not JobStatus.CANCELLED:
        raise JobEnded(job.status)
    return job


def end_job(db: "Client", job_id: str, now: datetime) -> VideoJob | None:
    """The job is cancelled unless it has ended, and its hold is settled either way; the job, None for none."""
    job = cancel_job(db, job_id, now)
    settle_and_log(db, job_id, now)
    return job


def end_jobs_with(db: "Client", character_id: str, now: datetime) -> int:
    """Every unfinished job that the deleted character speaks in is cancelled, whoever owns it; how many were found.

    A snapshot names the characters that the transaction which wrote it has read. A start that committed before the
    character was deleted is therefore found here, and one that had only read it then does not commit: Firestore tries
    it again, and it finds the character gone. What a lost event leaves, the runner finds when it completes the job.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    snapshots = db.collection("videoJobSnapshots")
    naming = snapshots.where(filter=FieldFilter("characterIds", "array_contains", character_id)).select([])
    found = 0
    after = None
    while page := list((naming.start_after(after) if after else naming).limit(_AT_ONCE).stream()):
        _end_all(db, (each.id for each in page), now)
        found, after = found + len(page), page[-1]
    return found


def _end_all(db: "Client", job_ids: Iterable[str], now: datetime) -> None:
    for job_id in job_ids:
        end_job(db, job_id, now)

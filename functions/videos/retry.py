"""Making a video again whose job was given up, for an operator (`make retry`).

An ended job stays as it is. Its dead letter says what to start once more: a job of its own, for the same user, script
and background, under an id that derives from the first one's, so that trying twice makes one job.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts.dead_letter import DeadLetter, retried_job_id
from contracts.video_job import VideoJob
from gcp.documents import read_document
from gcp.errors import NotFound
from videos.jobs import dead_letter_reference, find_job, is_job_id, start_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client


def find_dead_letter(db: "Client", job_id: str) -> DeadLetter | None:
    """What was kept of that job when it was given up; None also for a text that is no job's id."""
    if not is_job_id(job_id):
        return None
    return read_document(DeadLetter, dead_letter_reference(db, job_id).get())


def retry_job(db: "Client", job_id: str, now: datetime) -> VideoJob:
    """The job that was made of this one's dead letter, now or by an earlier try; the letter says which it is.

    It is checked and held for as any start, from the script as it is now, and the minute function enqueues it: the
    operator needs no right on the queue. Raises NotFound without a dead letter, and what start_job raises.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.api_core.exceptions import NotFound as DocumentNotFound

    letter = find_dead_letter(db, job_id)
    if letter is None:
        raise NotFound(f"There is no dead letter of a job {job_id}.")
    # Asked first: the earlier try's job may have ended, and the script have a newer one.
    job = find_job(db, retried_job_id(job_id)) or start_job(
        db,
        job_id=retried_job_id(job_id),
        user_id=letter.user_id,
        script_id=letter.script_id,
        background_video=letter.background_video,
        now=now,
        check_after=timedelta(0),
    )
    # Gone with its account, whose deletion ends the new job too.
    with suppress(DocumentNotFound):
        dead_letter_reference(db, job_id).update({"retriedAs": job.job_id})
    return job

"""What was left undone: looked for every minute, done by the same idempotent steps as in time.

A job's `checkAt` says when it should be looked at if nothing happens before: a minute after it was created without a
task, a while after its lease ran out, at once when it ended, and never again once its hold is settled.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts import log
from contracts.video_job import Enqueueing, VideoJob
from gcp.clients import firestore
from gcp.errors import ApiError
from videos.jobs import (
    QUEUE_PATIENCE,
    fail_overdue_job,
    mark_enqueued,
    plan_next_attempt,
    postpone_check,
    settle_job,
)
from videos.queue import create_render_task, has_render_task

if TYPE_CHECKING:
    from google.cloud.firestore import Client

# Bounds one run; what is more comes a minute later.
_BATCH = 100


def enqueue(db: "Client", job_id: str, enqueueing: Enqueueing, now: datetime) -> None:
    """The job has its task, or, when Cloud Tasks do not answer, keeps the intention for the minute function."""
    # Deferred: whoever enqueues has the Google clients anyway.
    from google.api_core.exceptions import GoogleAPICallError

    try:
        create_render_task(job_id, enqueueing.attempt)
        mark_enqueued(db, job_id, enqueueing.attempt, now)
    except (GoogleAPICallError, ApiError) as error:
        log.warning("video_job_not_enqueued", job_id=job_id, error=type(error).__name__)


def repair_due_jobs(db: "Client", now: datetime) -> int:
    """Every job that is due is looked at once; how many were. One that cannot be repaired now is due again."""
    # Deferred, as above.
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.firestore import FieldFilter

    due = db.collection("videoJobs").where(filter=FieldFilter("checkAt", "<=", now)).order_by("checkAt").limit(_BATCH)
    jobs = [VideoJob.model_validate(each.to_dict()) for each in due.stream()]
    for job in jobs:
        try:
            outcome = repair_job(db, job, now)
            log.info("video_job_repaired", job_id=job.job_id, outcome=outcome)
        except (GoogleAPICallError, ApiError) as error:
            log.warning("video_job_not_repaired", job_id=job.job_id, error=type(error).__name__)
    return len(jobs)


def repair_job(db: "Client", job: VideoJob, now: datetime) -> str:
    """What was left undone of this job is done; a word for it."""
    if job.status.is_terminal:
        return "settled" if settle_job(db, job.job_id, now) else "was_settled"
    if now >= job.deadline_at:
        fail_overdue_job(db, job.job_id, now)
        settle_job(db, job.job_id, now)
        return "failed_overdue"
    if job.enqueueing.state == "created" and has_render_task(job.job_id, job.enqueueing.attempt):
        # The queue will deliver it (again); a runner that died left a task that is retried.
        postpone_check(db, job, now + QUEUE_PATIENCE)
        return "waits_in_queue"
    planned = plan_next_attempt(db, job, now) if job.enqueueing.state == "created" else job.enqueueing
    if planned.state == "pending":
        enqueue(db, job.job_id, planned, now)
    return "enqueued"


def run_minute_duties() -> None:
    """All that is due now is repaired."""
    db, now = firestore(), datetime.now(UTC)
    log.info("minute_duties_done", jobs=repair_due_jobs(db, now))

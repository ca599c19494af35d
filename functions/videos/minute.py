"""What was left undone: looked for every minute, done by the same idempotent steps as in time.

A job's `checkAt` says when it should be looked at if nothing happens before: a minute after it was created without a
task, a while after its lease ran out, at once when it ended, and never again once its hold is settled.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from contracts import log
from contracts.video_job import VideoJob
from gcp.clients import firestore
from videos.jobs import (
    ENQUEUE_PATIENCE,
    QUEUE_PATIENCE,
    fail_overdue_job,
    plan_next_attempt,
    postpone_check,
    settle_and_log,
)
from videos.queue import enqueue, has_render_task

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentSnapshot

# Bounds one run; what is more comes a minute later.
_BATCH = 100
_REPAIR_PATIENCE = timedelta(minutes=1)


def repair_due_jobs(db: "Client", now: datetime) -> int:
    """Every job that is due is looked at once; how many were. One that cannot be repaired is due again in a minute.

    A job that cannot even be read must not keep the others waiting, so each is handled by itself.
    """
    # Deferred: whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    due = db.collection("videoJobs").where(filter=FieldFilter("checkAt", "<=", now)).order_by("checkAt").limit(_BATCH)
    found = list(due.stream())
    for each in found:
        try:
            outcome = repair_job(db, VideoJob.model_validate(each.to_dict()), now)
            log.info("video_job_repaired", job_id=each.id, outcome=outcome)
        except Exception as error:  # noqa: BLE001 (the outermost handler of one job; the next one must have its turn)
            log.error("video_job_not_repaired", job_id=each.id, error=type(error).__name__, at=log.frames_of(error))
            _let_others_first(db, each, now)
    return len(found)


def _let_others_first(db: "Client", found: "DocumentSnapshot[Any]", now: datetime) -> None:
    """The document is due a minute later, unless somebody has written it since: the batch is in order of `checkAt`."""
    # Deferred, as above.
    from google.api_core.exceptions import GoogleAPIError

    unchanged = db.write_option(last_update_time=found.update_time)
    with suppress(GoogleAPIError):
        found.reference.update({"checkAt": now + _REPAIR_PATIENCE}, option=unchanged)


def repair_job(db: "Client", job: VideoJob, now: datetime) -> str:
    """What was left undone of this job is done; a word for it."""
    if job.status.is_terminal:
        return "settled" if settle_and_log(db, job.job_id, now) else "was_settled"
    if now >= job.deadline_at:
        fail_overdue_job(db, job.job_id, now)
        settle_and_log(db, job.job_id, now)
        return "failed_overdue"
    if job.enqueueing.state == "created" and has_render_task(job.job_id, job.enqueueing.attempt):
        # The queue will deliver it (again); a runner that died left a task that is retried.
        postpone_check(db, job, now + QUEUE_PATIENCE)
        return "waits_in_queue"
    if job.enqueueing.state == "created":
        planned = plan_next_attempt(db, job, now)
    else:
        # In case the queue does not answer: the next run begins with other jobs.
        planned = job.enqueueing
        postpone_check(db, job, now + ENQUEUE_PATIENCE)
    if planned.state == "pending":
        enqueue(db, job.job_id, planned, now)
    return "enqueued"


def run_minute_duties() -> None:
    """All that is due now is repaired."""
    db, now = firestore(), datetime.now(UTC)
    log.info("minute_duties_done", jobs=repair_due_jobs(db, now))

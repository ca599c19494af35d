"""What follows from a job's transitions, and what the clock looks after."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import every_minute, trigger_written


@trigger_written("videoJobs/{jobId}")
def on_video_job_written(params: Mapping[str, str], before: Fields | None, after: Fields | None) -> None:
    """The job's activities are in the log, and when it ended, its hold is captured or released, once.

    What was to be deleted and waited for the job is removed then.
    Acts on what is stored, not on the event: a write that changed no status (progress, a heartbeat) is passed over,
    unless an admin has moved the deadline into the past.
    """
    if after is None:
        return
    if before is not None and before.get("status") == after.get("status"):
        if before.get("deadlineAt") != after.get("deadlineAt"):
            _end_if_overdue(params["jobId"], after, datetime.now(UTC))
        return
    # Deferred: most events are progress and end above.
    from pydantic import ValidationError

    from activities.activity import record_activity
    from contracts.video_job import VideoJob
    from gcp.clients import firestore, media_bucket
    from gcp.documents import wrong_fields
    from media.removal import find_deletions_waiting_for, remove_media
    from videos.jobs import settle_job, started_activity

    db, now = firestore(), datetime.now(UTC)
    try:
        job = VideoJob.model_validate(after)
    except ValidationError as error:
        # An admin made something else of it, and delivering the event again would not help. When it is a job again,
        # the minute function settles it.
        log.error("document_malformed", document=f"videoJobs/{params['jobId']}", fields=wrong_fields(error))
        return
    if job.status.is_terminal:
        settled = settle_job(db, params["jobId"], now) is not None
        log.info("video_job_settled", job_id=job.job_id, status=job.status, by_this_event=settled)
        for deletion_id in find_deletions_waiting_for(db, job.job_id):
            remove_media(db, media_bucket(), deletion_id, now)
    else:
        record_activity(db, job.user_id, job.job_id, started_activity(job))


def _end_if_overdue(job_id: str, fields: Fields, now: datetime) -> None:
    """A job that has not ended is failed at once where its deadline has passed, not when the minute function looks."""
    deadline = fields.get("deadlineAt")
    if not isinstance(deadline, datetime) or now < deadline:
        return
    # Deferred: most events are progress and end above.
    from gcp.clients import firestore
    from videos.jobs import fail_overdue_job

    fail_overdue_job(firestore(), job_id, now)


@every_minute
def repair_video_jobs() -> None:
    """Every minute: jobs whose task, lease, deadline or hold was left behind are taken up again."""
    from videos.minute import run_minute_duties

    run_minute_duties()

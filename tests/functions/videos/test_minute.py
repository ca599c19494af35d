"""Jobs that were left behind, found by the minute function."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.video_job import DEADLINE, JobStatus, VideoJob
from gcp.settings import settings
from tests.functions.videos.conftest import NOW, RenderQueue
from videos.jobs import ENQUEUE_PATIENCE, QUEUE_PATIENCE, find_job
from videos.minute import enqueue, repair_due_jobs

if TYPE_CHECKING:
    from google.cloud.firestore import Client

A_MINUTE_LATER = NOW + ENQUEUE_PATIENCE


def stored(db: "Client", job: VideoJob) -> VideoJob:
    found = find_job(db, job.job_id)
    assert found
    return found


def test_a_job_whose_task_was_never_created_gets_it_within_a_minute(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    repair_due_jobs(db, A_MINUTE_LATER)

    assert render_queue.pending() == 1
    assert stored(db, started_job).enqueueing.state == "created"


def test_a_job_is_not_looked_at_before_its_time(db: "Client", started_job: VideoJob, render_queue: RenderQueue) -> None:
    assert stored(db, started_job).enqueueing.state == "pending"

    assert repair_due_jobs(db, NOW) == 0
    assert render_queue.pending() == 0


def test_a_task_created_before_a_crash_is_not_created_again(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    enqueue(db, started_job.job_id, started_job.enqueueing, NOW)
    # As if the process had died before it could write that the task was there.
    db.document("videoJobs", started_job.job_id).update({"enqueueing": {"state": "pending", "attempt": 1}})

    repair_due_jobs(db, NOW + QUEUE_PATIENCE)

    assert render_queue.pending() == 1


def test_a_job_that_waits_in_the_queue_is_left_there(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    enqueue(db, started_job.job_id, started_job.enqueueing, NOW)

    repair_due_jobs(db, NOW + QUEUE_PATIENCE)

    assert render_queue.pending() == 1
    assert stored(db, started_job).enqueueing.attempt == 1
    assert stored(db, started_job).check_at == NOW + 2 * QUEUE_PATIENCE


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.IN_PROGRESS])
def test_a_job_whose_task_the_queue_gave_up_gets_another_one(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue, status: JobStatus
) -> None:
    enqueue(db, started_job.job_id, started_job.enqueueing, NOW)
    render_queue.forget()
    db.document("videoJobs", started_job.job_id).update({"status": status, "leaseUntil": NOW})

    repair_due_jobs(db, NOW + QUEUE_PATIENCE)

    assert render_queue.pending() == 1
    assert stored(db, started_job).enqueueing.attempt == 2


def test_a_job_past_its_deadline_fails_and_its_hold_is_released(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    repair_due_jobs(db, NOW + DEADLINE)

    user = db.document("users", "ann").get().to_dict() or {}
    assert render_queue.pending() == 0
    assert (stored(db, started_job).status, stored(db, started_job).error_code) == (
        JobStatus.FAILED,
        "DEADLINE_EXCEEDED",
    )
    assert (user["tokens"], user["held"]) == (20, 0)


def test_a_runner_that_still_works_past_the_deadline_has_lost_its_lease(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    assert render_queue.pending() == 0
    fence = started_job.fence

    repair_due_jobs(db, NOW + DEADLINE + timedelta(seconds=1))

    assert stored(db, started_job).fence > fence


def test_running_twice_at_once_leaves_one_task(db: "Client", started_job: VideoJob, render_queue: RenderQueue) -> None:
    repair_due_jobs(db, A_MINUTE_LATER)
    db.document("videoJobs", started_job.job_id).update({"checkAt": NOW})

    repair_due_jobs(db, A_MINUTE_LATER)

    assert render_queue.pending() == 1


def test_a_queue_that_does_not_answer_leaves_the_intention(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_QUEUE", "projects/demo-duologue/locations/us-east4/queues/none")
    settings.cache_clear()

    enqueue(db, started_job.job_id, started_job.enqueueing, NOW)

    assert stored(db, started_job).enqueueing.state == "pending"
    assert render_queue.pending() == 0

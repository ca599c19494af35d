"""Jobs that were left behind, found by the minute function."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.video_job import DEADLINE, Enqueueing, JobStatus, StepStatus, VideoJob
from gcp.settings import settings
from tests.functions.videos.conftest import NOW, RenderQueue
from videos.jobs import ENQUEUE_PATIENCE, QUEUE_PATIENCE, find_job
from videos.minute import repair_due_jobs
from videos.queue import enqueue

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
    assert stored(db, started_job).steps[0].status is StepStatus.FAILED
    assert (user["tokens"], user["held"]) == (20, 0)


def test_a_runner_that_still_works_past_the_deadline_has_lost_its_lease(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    assert render_queue.pending() == 0
    fence = started_job.fence

    repair_due_jobs(db, NOW + DEADLINE + timedelta(seconds=1))

    assert stored(db, started_job).fence > fence


def test_two_runs_at_once_leave_one_task(db: "Client", started_job: VideoJob, render_queue: RenderQueue) -> None:
    together = threading.Barrier(2)

    def run() -> int:
        together.wait(30)
        return repair_due_jobs(db, A_MINUTE_LATER)

    with ThreadPoolExecutor(2) as pool:
        seen = [future.result(90) for future in [pool.submit(run), pool.submit(run)]]

    assert max(seen) == 1
    assert render_queue.pending() == 1
    assert stored(db, started_job).enqueueing == Enqueueing(state="created", attempt=1)


def test_a_job_that_cannot_be_read_does_not_keep_the_others_waiting(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    unreadable = db.document("videoJobs", "0" * 32)
    unreadable.set({"version": 2, "checkAt": NOW})

    repair_due_jobs(db, A_MINUTE_LATER)

    assert render_queue.pending() == 1
    assert stored(db, started_job).enqueueing.state == "created"
    assert (unreadable.get().to_dict() or {})["checkAt"] > A_MINUTE_LATER


def test_jobs_that_cannot_be_enqueued_do_not_come_first_again(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_QUEUE", "projects/demo-duologue/locations/us-east4/queues/none")
    settings.cache_clear()

    repair_due_jobs(db, A_MINUTE_LATER)

    assert render_queue.pending() == 0
    assert stored(db, started_job).enqueueing.state == "pending"
    assert stored(db, started_job).check_at == A_MINUTE_LATER + ENQUEUE_PATIENCE


def test_an_ended_job_without_a_hold_is_not_looked_at_for_ever(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    db.document("videoJobs", started_job.job_id).update({"status": "failed", "checkAt": NOW})
    db.document("holds", started_job.job_id).delete()

    repair_due_jobs(db, NOW)

    assert render_queue.pending() == 0
    assert stored(db, started_job).check_at is None


def test_a_queue_that_does_not_answer_leaves_the_intention(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDER_QUEUE", "projects/demo-duologue/locations/us-east4/queues/none")
    settings.cache_clear()

    enqueue(db, started_job.job_id, started_job.enqueueing, NOW)

    assert stored(db, started_job).enqueueing.state == "pending"
    assert render_queue.pending() == 0

"""A job that its owner cancels: it ends once, costs nothing, and no runner writes to it afterwards."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from contracts.video_job import JobStatus, VideoFile, VideoJob
from gcp.errors import ApiError
from gpu_runner.errors import LeaseLostError, TransientError
from gpu_runner.jobs import Ended, Jobs
from tests.functions.videos.conftest import NOW
from videos.cancellation import cancel_own_job
from videos.jobs import cancel_job, find_job, settle_job
from videos.minute import repair_due_jobs

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
RELEASED = [("grant", 20, 0), ("hold", 0, 1), ("release", 0, -1)]
CAPTURED = [("capture", -1, -1), ("grant", 20, 0), ("hold", 0, 1)]


def cancel(call_api: CallApi, job_id: str, user_id: str | None = "ann") -> Any:
    return call_api("POST", f"/api/video-jobs/{job_id}/cancel", user_id=user_id)


def amounts(db: "Client") -> tuple[int, int, int]:
    fields = db.document("users", "ann").get().to_dict() or {}
    return fields["tokens"], fields["ledgerTokens"], fields["held"]


def ledger(db: "Client") -> list[tuple[str, int, int]]:
    entries = (each.to_dict() or {} for each in db.collection("users", "ann", "ledger").stream())
    return sorted((entry["kind"], entry["tokens"], entry["held"]) for entry in entries)


def stored(db: "Client", job_id: str) -> VideoJob:
    job = find_job(db, job_id)
    assert job
    return job


def claimed(db: "Client", job: VideoJob) -> VideoJob:
    claim = Jobs(db, now=lambda: NOW).claim(job.job_id)
    assert isinstance(claim, VideoJob)
    return claim


def complete(db: "Client", job: VideoJob) -> JobStatus:
    video = VideoFile(object_name=f"videos/ann/{job.job_id}_1.mp4", duration_seconds=9.0, size_bytes=5)
    return Jobs(db, now=lambda: NOW).complete(job, steps=job.steps, video=video, encoder="libx264", audio_objects={})


@pytest.mark.parametrize("is_claimed", [False, True], ids=["queued", "in progress"])
def test_a_cancelled_job_is_shown_as_failed_and_its_price_is_free(
    db: "Client", call_api: CallApi, started_job: VideoJob, *, is_claimed: bool
) -> None:
    if is_claimed:
        claimed(db, started_job)

    status, body, _ = cancel(call_api, started_job.job_id)

    assert (status, body["status"], body["errorMessage"]) == (200, "failed", "Cancelled")
    assert body == call_api("GET", f"/api/video-jobs/{started_job.job_id}", user_id="ann").body
    assert stored(db, started_job.job_id).status is JobStatus.CANCELLED
    assert (amounts(db), ledger(db)) == ((20, 20, 0), RELEASED)


def test_a_cancelled_job_leaves_no_snapshot_and_is_not_looked_at_again(
    db: "Client", call_api: CallApi, started_job: VideoJob
) -> None:
    cancel(call_api, started_job.job_id)

    assert not db.document("videoJobSnapshots", started_job.job_id).get().exists
    assert stored(db, started_job.job_id).check_at is None


def test_cancelling_again_answers_the_same(db: "Client", call_api: CallApi, started_job: VideoJob) -> None:
    first = cancel(call_api, started_job.job_id)
    again = cancel(call_api, started_job.job_id)

    assert (again.status, again.body) == (200, first.body)
    assert (amounts(db), ledger(db)) == ((20, 20, 0), RELEASED)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED])
def test_what_has_ended_otherwise_cannot_be_cancelled(
    db: "Client", call_api: CallApi, started_job: VideoJob, status: JobStatus
) -> None:
    db.document("videoJobs", started_job.job_id).update({"status": status})

    answered = cancel(call_api, started_job.job_id)

    assert (answered.status, answered.body["error"]["code"]) == (409, "JOB_ENDED")
    assert stored(db, started_job.job_id).status is status


CALLERS: dict[str, tuple[str | None, str | None, int]] = {
    "a stranger": ("bert", None, 404),
    "no such job": ("ann", "0" * 32, 404),
    "no id": ("ann", "__x__", 404),
    "nobody": (None, None, 401),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_only_the_owner_cancels(
    db: "Client", call_api: CallApi, make_user: Callable[..., User], started_job: VideoJob, caller: str
) -> None:
    make_user("bert")
    user_id, job_id, status = CALLERS[caller]

    assert cancel(call_api, job_id or started_job.job_id, user_id).status == status
    assert (stored(db, started_job.job_id).status, amounts(db)) == (JobStatus.QUEUED, (20, 20, 1))


def test_another_method_of_the_path_is_not_allowed(call_api: CallApi, started_job: VideoJob) -> None:
    answered = call_api("GET", f"/api/video-jobs/{started_job.job_id}/cancel", user_id="ann")

    assert (answered.status, answered.headers["Allow"]) == (405, "OPTIONS, POST")


def test_a_task_that_the_queue_still_delivers_finds_nothing_to_do(
    db: "Client", call_api: CallApi, started_job: VideoJob
) -> None:
    cancel(call_api, started_job.job_id)

    assert Jobs(db).claim(started_job.job_id) == Ended("cancelled")


def test_a_runner_in_the_middle_has_lost_its_lease(db: "Client", call_api: CallApi, started_job: VideoJob) -> None:
    job = claimed(db, started_job)
    cancel(call_api, started_job.job_id)

    with pytest.raises(LeaseLostError):
        complete(db, job)
    assert amounts(db) == (20, 20, 0)


def test_a_new_video_can_be_started_at_once(
    product: pytest.MonkeyPatch, call_api: CallApi, started_job: VideoJob
) -> None:
    for name in ("RENDER_QUEUE", "RUNNER_URL", "TASKS_SERVICE_ACCOUNT"):
        product.setenv(name, "http://127.0.0.1:9")
    cancel(call_api, started_job.job_id)

    path = f"/api/scripts/{started_job.script_id}/generate-video"
    assert call_api("POST", path, user_id="ann", body={}).status == 200


def test_a_process_that_dies_before_it_releases_leaves_that_to_the_minute(db: "Client", started_job: VideoJob) -> None:
    cancel_job(db, started_job.job_id, NOW)
    assert amounts(db) == (20, 20, 1)

    repair_due_jobs(db, NOW)

    assert (amounts(db), ledger(db)) == ((20, 20, 0), RELEASED)


def test_two_who_cancel_at_once_release_once(db: "Client", started_job: VideoJob) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: _or_refused(lambda: cancel_own_job(db, started_job.job_id, "ann", NOW)), range(3)))
    repair_due_jobs(db, NOW)

    assert stored(db, started_job.job_id).status is JobStatus.CANCELLED
    assert (amounts(db), ledger(db)) == ((20, 20, 0), RELEASED)


@pytest.mark.parametrize("round_", range(3))
def test_cancelling_and_completing_at_once_is_one_of_both_and_the_money_agrees(
    db: "Client", started_job: VideoJob, round_: int
) -> None:
    assert round_ >= 0
    job = claimed(db, started_job)

    with ThreadPoolExecutor() as pool:
        completing = pool.submit(_or_refused, lambda: complete(db, job))
        cancelling = pool.submit(_or_refused, lambda: cancel_own_job(db, job.job_id, "ann", NOW))
    settle_job(db, job.job_id, NOW)

    ended = stored(db, job.job_id)
    assert ended.status in {JobStatus.COMPLETED, JobStatus.CANCELLED}
    is_completed = ended.status is JobStatus.COMPLETED
    assert (completing.result() is JobStatus.COMPLETED) == is_completed
    assert not (is_completed and isinstance(cancelling.result(), VideoJob))
    script = db.document("scripts", job.script_id).get().to_dict() or {}
    assert (script["video"] is not None, ended.video is not None) == (is_completed, is_completed)
    assert ledger(db) == (CAPTURED if is_completed else RELEASED)
    assert amounts(db) == ((19, 19, 0) if is_completed else (20, 20, 0))


def _or_refused(call: Callable[[], object]) -> object:
    """What the call gives, None when it is refused: the emulator may refuse both of those who meet."""
    try:
        return call()
    except (ApiError, LeaseLostError, TransientError):
        return None

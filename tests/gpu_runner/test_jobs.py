from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from google.cloud.firestore import Client

from contracts.video_job import LEASE, MAX_ATTEMPTS, JobStatus, StepName, VideoFile, VideoJob
from gpu_runner.errors import LeaseLostError
from gpu_runner.jobs import Busy, Claimed, Ended, Jobs
from gpu_runner.progress import Progress
from tests.gpu_runner.jobs_fixtures import NOW, speaker, stored_job, write_job

VIDEO = VideoFile(object_name="videos/user1/x_1.mp4", duration_seconds=3.0, size_bytes=10)


def jobs_at(db: Client, now: datetime) -> Jobs:
    return Jobs(db, now=lambda: now)


def claimed(jobs: Jobs, job: VideoJob) -> Claimed:
    claim = jobs.claim(job.job_id)
    assert isinstance(claim, Claimed)
    return claim


def complete(jobs: Jobs, claim: Claimed) -> JobStatus:
    steps = Progress(lambda _steps, _current: None).steps
    return jobs.complete(claim.job, steps=steps, video=VIDEO, encoder="libx264", audio_objects={})


def test_a_queued_job_is_claimed_with_a_lease_a_fence_and_one_attempt(db: Client) -> None:
    job = write_job(db)

    claimed(jobs_at(db, NOW), job)

    stored = stored_job(db, job.job_id)
    assert (stored.status, stored.fence, stored.attempts) == (JobStatus.IN_PROGRESS, 1, 1)
    assert stored.lease_until == NOW + LEASE
    assert stored.started_at == NOW


def test_a_second_delivery_finds_the_lease_taken_and_is_no_attempt(db: Client) -> None:
    job = write_job(db)
    claimed(jobs_at(db, NOW), job)

    claim = jobs_at(db, NOW + timedelta(seconds=1)).claim(job.job_id)

    assert isinstance(claim, Busy)
    assert stored_job(db, job.job_id).attempts == 1


def test_a_lease_that_ran_out_is_taken_over_with_a_higher_fence(db: Client) -> None:
    job = write_job(db)
    claimed(jobs_at(db, NOW), job)

    successor = claimed(jobs_at(db, NOW + LEASE), job)

    assert (successor.job.fence, successor.job.attempts) == (2, 2)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda jobs, claim: jobs.extend_lease(claim.job), id="heartbeat"),
        pytest.param(
            lambda jobs, claim: jobs.write_progress(claim.job, claim.job.steps, StepName.AUDIO_VALIDATION),
            id="progress",
        ),
        pytest.param(lambda jobs, claim: jobs.fail(claim.job, code="X", message="x"), id="failure"),
        pytest.param(lambda jobs, claim: jobs.give_back(claim.job), id="return"),
        pytest.param(lambda jobs, claim: jobs.store_transcript(claim.job, claim.snapshot), id="transcript"),
        pytest.param(complete, id="completion"),
    ],
)
def test_a_runner_that_lost_its_lease_writes_nothing(db: Client, write: Callable[[Jobs, Claimed], object]) -> None:
    job = write_job(db)
    stale = claimed(jobs_at(db, NOW), job)
    claimed(jobs_at(db, NOW + LEASE), job)
    before = db.document("videoJobs", job.job_id).get()

    with pytest.raises(LeaseLostError):
        write(jobs_at(db, NOW + LEASE), stale)

    assert db.document("videoJobs", job.job_id).get().update_time == before.update_time


def test_a_completed_job_publishes_its_video_and_lines_with_the_script(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    audio = {("a", "Hello there, my friend."): "lines/user1/aa.wav"}

    jobs.complete(claim.job, steps=claim.job.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    script = db.document("scripts", "script1").get().to_dict()
    assert script is not None
    assert script["video"]["objectName"] == VIDEO.object_name
    assert [line["audioObject"] for line in script["dialogue"]] == ["lines/user1/aa.wav", None]
    assert stored_job(db, job.job_id).status is JobStatus.COMPLETED


def test_a_job_whose_script_was_deleted_ends_cancelled(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("scripts", "script1").delete()

    status = complete(jobs, claim)

    assert status is JobStatus.CANCELLED
    assert stored_job(db, job.job_id).video is None


def test_a_completed_job_is_not_completed_again(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    complete(jobs, claim)

    with pytest.raises(LeaseLostError):
        complete(jobs, claim)


def test_a_task_that_comes_after_the_end_has_nothing_to_do(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    complete(jobs, claimed(jobs, job))

    assert jobs_at(db, NOW + LEASE).claim(job.job_id) == Ended("completed")


def test_a_task_of_a_job_that_never_was_has_nothing_to_do(db: Client) -> None:
    assert jobs_at(db, NOW).claim("0" * 32) == Ended("unknown")


def test_a_job_that_used_up_its_attempts_is_failed_and_says_that_nothing_was_charged(db: Client) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS)

    claim = jobs_at(db, NOW).claim(job.job_id)

    stored = stored_job(db, job.job_id)
    assert isinstance(claim, Ended)
    assert (stored.status, stored.error_code) == (JobStatus.FAILED, "ATTEMPTS_USED_UP")
    assert "not charged" in (stored.error_message or "")


def test_a_lease_that_was_given_back_is_free_at_once(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    jobs.give_back(claimed(jobs, job).job)

    assert isinstance(jobs.claim(job.job_id), Claimed)


def test_the_progress_that_clients_see_does_not_go_back_in_a_second_attempt(db: Client) -> None:
    job = write_job(db, overall_progress=60.0)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)

    jobs.write_progress(claim.job, claim.job.steps, StepName.AUDIO_VALIDATION)

    assert stored_job(db, job.job_id).overall_progress == 60.0


def test_a_transcript_is_stored_with_the_character_that_still_has_the_recording(db: Client) -> None:
    job = write_job(db, speakers=(speaker("a", ref_text=""), speaker("b", ref_text="")))
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("characters", "b").update({"recording.objectName": "recordings/user1/new.wav"})
    speakers = tuple(each.model_copy(update={"ref_text": "Heard words."}) for each in claim.snapshot.speakers)

    jobs.store_transcript(claim.job, claim.snapshot.model_copy(update={"speakers": speakers}))

    stored = [(db.document("characters", key).get().to_dict() or {})["recording"]["refText"] for key in "ab"]
    assert stored == ["Heard words.", ""]

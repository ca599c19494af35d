"""What becomes of a job that was given up: its dead letter, and the job that an operator makes of it."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.users import User
from contracts.dead_letter import KEPT, DeadLetter, retried_job_id
from contracts.video_job import DEADLINE, MAX_ATTEMPTS, JobStatus, VideoJob
from gcp.errors import NotFound, Unavailable
from gpu_runner.jobs import Jobs
from local.retry import NotRetriedError, retry
from tests.functions.gcp.commits import killed_at_commit, unheard_commit
from tests.functions.videos.conftest import NOW, RenderQueue
from videos.jobs import cancel_job, fail_overdue_job, find_job, new_job_id, settle_job, start_job
from videos.minute import repair_due_jobs
from videos.retry import find_dead_letter, retry_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client

LATER = NOW + timedelta(hours=1)


def give_up(db: "Client", job: VideoJob) -> None:
    """The job has used up its attempts, and its hold is released."""
    db.document("videoJobs", job.job_id).update({"attempts": MAX_ATTEMPTS})
    Jobs(db, now=lambda: NOW).claim(job.job_id)
    assert settle_job(db, job.job_id, NOW)


def amounts(db: "Client") -> tuple[int, int]:
    fields = db.document("users", "ann").get().to_dict() or {}
    return fields["tokens"], fields["held"]


def stored(db: "Client", job_id: str) -> VideoJob:
    job = find_job(db, job_id)
    assert job
    return job


def letter_of(db: "Client", job: VideoJob) -> DeadLetter:
    letter = find_dead_letter(db, job.job_id)
    assert letter
    return letter


def number_of_jobs(db: "Client") -> int:
    return len(list(db.collection("videoJobs").list_documents()))


def test_a_job_past_its_deadline_leaves_a_dead_letter(db: "Client", started_job: VideoJob) -> None:
    failed_at = NOW + DEADLINE

    fail_overdue_job(db, started_job.job_id, failed_at)

    letter = letter_of(db, started_job)
    assert (letter.error_code, letter.reason) == ("DEADLINE_EXCEEDED", "the deadline passed")
    assert (letter.user_id, letter.script_id, letter.background_video) == ("ann", started_job.script_id, "sea.mp4")
    assert (letter.failed_at, letter.expire_at, letter.retried_as) == (failed_at, failed_at + KEPT, None)


def test_a_job_past_its_deadline_is_told_of_once(
    db: "Client", started_job: VideoJob, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        fail_overdue_job(db, started_job.job_id, NOW + DEADLINE)

    (line,) = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    assert (line["event"], line["job_id"]) == ("video_job_dead_lettered", started_job.job_id)
    assert (line["code"], line["reason"], line["attempts"]) == ("DEADLINE_EXCEEDED", "the deadline passed", 0)


def test_a_process_that_dies_at_the_deadlines_commit_has_neither_failed_the_job_nor_left_a_letter(
    db: "Client", started_job: VideoJob
) -> None:
    with killed_at_commit(1, after=False):
        fail_overdue_job(db, started_job.job_id, NOW + DEADLINE)

    assert stored(db, started_job.job_id).status is JobStatus.QUEUED
    assert find_dead_letter(db, started_job.job_id) is None


def test_a_retried_job_is_a_new_one_that_holds_its_price(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)

    job = retry_job(db, started_job.job_id, LATER)

    assert job.job_id == retried_job_id(started_job.job_id)
    assert (job.status, job.script_id, job.background_video) == (JobStatus.QUEUED, started_job.script_id, "sea.mp4")
    assert stored(db, started_job.job_id).status is JobStatus.FAILED
    assert amounts(db) == (20, 1)
    assert letter_of(db, started_job).retried_as == job.job_id


def test_the_minute_function_enqueues_a_retried_job_at_once(
    db: "Client", started_job: VideoJob, render_queue: RenderQueue
) -> None:
    give_up(db, started_job)
    job = retry_job(db, started_job.job_id, LATER)

    repair_due_jobs(db, LATER)

    assert render_queue.pending() == 1
    assert stored(db, job.job_id).enqueueing.state == "created"


def test_retrying_twice_makes_one_job(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)

    assert retry_job(db, started_job.job_id, LATER) == retry_job(db, started_job.job_id, LATER)
    assert (number_of_jobs(db), amounts(db)) == (2, (20, 1))


def test_two_operators_who_retry_at_once_make_one_job(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)

    def try_again(_: int) -> None:
        # The emulator may refuse both of those who meet.
        with suppress(Unavailable):
            retry_job(db, started_job.job_id, LATER)

    with ThreadPoolExecutor() as pool:
        list(pool.map(try_again, range(2)))
    retry_job(db, started_job.job_id, LATER)

    assert (number_of_jobs(db), amounts(db)) == (2, (20, 1))


def test_retrying_again_after_the_script_has_a_newer_video_starts_none(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)
    retried = retry_job(db, started_job.job_id, LATER)
    give_up(db, retried)
    newer = start_job(
        db, job_id=new_job_id(), user_id="ann", script_id=started_job.script_id, background_video=None, now=LATER
    )
    db.document("videoJobs", newer.job_id).update({"status": "completed"})

    again = retry_job(db, started_job.job_id, LATER)

    assert (again.job_id, again.status) == (retried.job_id, JobStatus.FAILED)
    assert number_of_jobs(db) == 3


def test_a_retry_that_died_before_it_said_so_is_found_by_the_next(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)
    retried_id = retried_job_id(started_job.job_id)
    start_job(db, job_id=retried_id, user_id="ann", script_id=started_job.script_id, background_video=None, now=NOW)

    assert retry_job(db, started_job.job_id, LATER).job_id == retried_id
    assert letter_of(db, started_job).retried_as == retried_id


@pytest.mark.parametrize("job_id", ["0" * 32, "no/job", ""])
def test_without_a_dead_letter_there_is_nothing_to_retry(db: "Client", job_id: str) -> None:
    with pytest.raises(NotFound):
        retry_job(db, job_id, NOW)


def no_tokens(db: "Client", _job: VideoJob) -> None:
    db.document("users", "ann").update({"tokens": 0, "ledgerTokens": 0})


def no_script(db: "Client", job: VideoJob) -> None:
    db.document("scripts", job.script_id).delete()


def no_account(db: "Client", _job: VideoJob) -> None:
    db.document("users", "ann").update({"deletedAt": NOW})


def another_job(db: "Client", job: VideoJob) -> None:
    start_job(db, job_id=new_job_id(), user_id="ann", script_id=job.script_id, background_video=None, now=NOW)


REFUSED = {
    "the tokens do not suffice": (no_tokens, "Insufficient tokens"),
    "the script is gone": (no_script, "no such script"),
    "the account is deleted": (no_account, "no account"),
    "another video of it is made": (another_job, "still being made"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_retry_that_is_refused_says_why_and_leaves_nothing(db: "Client", started_job: VideoJob, case: str) -> None:
    give_up(db, started_job)
    change, told = REFUSED[case]
    change(db, started_job)
    before = number_of_jobs(db)

    with pytest.raises(NotRetriedError, match=told):
        retry(db, started_job.job_id, LATER)

    assert (number_of_jobs(db), letter_of(db, started_job).retried_as) == (before, None)


def test_the_operator_reads_what_there_is_now(db: "Client", started_job: VideoJob) -> None:
    give_up(db, started_job)
    retried_id = retried_job_id(started_job.job_id)

    first, again = (retry(db, started_job.job_id, now) for now in (LATER, LATER + timedelta(minutes=1)))

    assert first == [
        f"Job {started_job.job_id} is made again as {retried_id}",
        "  status   queued; it goes to the renderers within a minute",
        "  price    1 token",
        "  user     ann, who has 20 tokens, 1 of them held",
    ]
    assert again[1] == "  status   queued (started by an earlier try)"


def test_a_retry_whose_job_has_ended_without_a_video_says_that_nothing_is_made(
    db: "Client", started_job: VideoJob
) -> None:
    give_up(db, started_job)
    retry(db, started_job.job_id, LATER)
    cancel_job(db, retried_job_id(started_job.job_id), LATER)

    with pytest.raises(NotRetriedError, match="which is cancelled"):
        retry(db, started_job.job_id, LATER + timedelta(minutes=1))


def test_a_start_whose_commit_was_not_heard_of_gives_the_job_that_it_made(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann")
    script_id, job_id = write_script("ann"), new_job_id()

    with unheard_commit(1):
        job = start_job(db, job_id=job_id, user_id="ann", script_id=script_id, background_video=None, now=NOW)

    assert job == stored(db, job_id)
    assert (number_of_jobs(db), amounts(db)) == (1, (20, 1))

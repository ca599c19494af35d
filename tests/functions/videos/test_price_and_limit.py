"""What `config/effective` decides about a video: its price, and how many a user may have in the making."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from accounts.users import User, find_user
from contracts.video_job import JobStatus, VideoJob
from gcp.errors import InsufficientTokens, RateLimited, Unavailable
from tests.functions.videos.conftest import NOW
from videos.jobs import new_job_id, settle_job, start_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client


@pytest.fixture
def start(
    product: pytest.MonkeyPatch, db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> Callable[[int], VideoJob]:
    """A function that starts a video of the user `ann`'s script of that number; she has 20 tokens."""
    assert product
    make_user("ann")

    def start(number: int) -> VideoJob:
        script_id = write_script("ann", script_id=f"{number:032x}")
        return start_job(db, job_id=new_job_id(), user_id="ann", script_id=script_id, background_video=None, now=NOW)

    return start


def configure(db: "Client", **values: int) -> None:
    db.document("config", "effective").set(values)


def end(db: "Client", job: VideoJob, status: JobStatus = JobStatus.COMPLETED) -> None:
    db.document("videoJobs", job.job_id).update({"status": status})
    settle_job(db, job.job_id, NOW)


def amounts(db: "Client") -> tuple[int, int, int]:
    user = find_user(db, "ann")
    assert user
    return user.tokens, user.ledger_tokens, user.held


def test_the_configured_price_is_held_and_paid(db: "Client", start: Callable[[int], VideoJob]) -> None:
    configure(db, priceTokens=3)

    job = start(1)

    assert job.price_tokens == 3
    assert amounts(db) == (20, 20, 3)
    end(db, job)
    assert amounts(db) == (17, 17, 0)
    deducted = db.document("users", "ann", "activities", f"{job.job_id}_tokens_deducted").get().get("message")
    assert deducted.startswith("3 tokens deducted for the video of script ")


def test_a_job_costs_what_it_cost_when_it_was_started(db: "Client", start: Callable[[int], VideoJob]) -> None:
    configure(db, priceTokens=3)
    job = start(1)

    configure(db, priceTokens=9)
    end(db, job)

    assert amounts(db) == (17, 17, 0)


def test_too_few_tokens_are_told_with_the_configured_price(db: "Client", start: Callable[[int], VideoJob]) -> None:
    configure(db, priceTokens=21)

    with pytest.raises(InsufficientTokens) as refusal:
        start(1)

    assert refusal.value.fields == {"required": 21, "available": 20}


@pytest.mark.attacks
def test_one_more_than_the_allowed_unfinished_videos_is_refused(db: "Client", start: Callable[[int], VideoJob]) -> None:
    configure(db, unfinishedJobs=2)
    for number in (1, 2):
        start(number)

    with pytest.raises(RateLimited, match="At most 2 of your videos") as refusal:
        start(3)

    assert refusal.value.headers == {"Retry-After": "60"}
    assert amounts(db) == (20, 20, 2)


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_ended_video_makes_room_for_another(
    db: "Client", start: Callable[[int], VideoJob], status: JobStatus
) -> None:
    configure(db, unfinishedJobs=1)
    end(db, start(1), status)

    assert start(2).status is JobStatus.QUEUED


def test_anothers_unfinished_videos_do_not_count(
    db: "Client",
    start: Callable[[int], VideoJob],
    make_user: Callable[..., User],
    write_script: Callable[..., str],
) -> None:
    configure(db, unfinishedJobs=1)
    make_user("eve")
    script_id = write_script("eve", script_id="e" * 32)
    start_job(db, job_id=new_job_id(), user_id="eve", script_id=script_id, background_video=None, now=NOW)

    assert start(1).status is JobStatus.QUEUED


def test_starts_at_once_do_not_exceed_the_limit(
    db: "Client", start: Callable[[int], VideoJob], write_script: Callable[..., str]
) -> None:
    configure(db, unfinishedJobs=2)
    start(1)
    scripts = [write_script("ann", script_id=f"{number:032x}") for number in range(2, 6)]

    def press(script_id: str) -> None:
        # The emulator gives up on contended transactions; what counts is what it committed.
        try:
            start_job(db, job_id=new_job_id(), user_id="ann", script_id=script_id, background_video=None, now=NOW)
        except (RateLimited, Unavailable):
            return

    presses = [threading.Thread(target=press, args=(script_id,)) for script_id in scripts]
    for each in presses:
        each.start()
    for each in presses:
        each.join()

    assert amounts(db) == (20, 20, 2)
    assert len(list(db.collection("videoJobs").stream())) == 2

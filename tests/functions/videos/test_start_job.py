from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from accounts.users import User
from contracts.background import background_id
from contracts.job_snapshot import JobSnapshot
from contracts.video_job import VideoJob
from gcp.errors import InsufficientTokens, JobUnfinished, NotFound, Unavailable, ValidationFailed
from tests.functions.videos.conftest import NOW
from videos.jobs import find_job, new_job_id, start_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client


def start(db: "Client", script_id: str, user_id: str = "ann", background_video: str | None = None) -> VideoJob:
    return start_job(
        db,
        job_id=new_job_id(),
        user_id=user_id,
        script_id=script_id,
        background_video=background_video,
        now=NOW,
    )


def balance(db: "Client", user_id: str = "ann") -> tuple[int, int]:
    fields = db.document("users", user_id).get().to_dict() or {}
    return fields["tokens"], fields.get("held", 0)


def test_a_started_job_holds_its_price_and_leaves_the_balance(db: "Client", started_job: VideoJob) -> None:
    hold = db.document("holds", started_job.job_id).get().to_dict() or {}
    entry = db.document("users", "ann", "ledger", f"{started_job.job_id}_hold").get().to_dict() or {}

    assert balance(db) == (20, 1)
    assert (hold["state"], hold["priceTokens"]) == ("held", 1)
    assert (entry["kind"], entry["tokens"], entry["held"], entry["balanceAfter"]) == ("hold", 0, 1, 20)


def test_the_snapshot_has_the_dialogue_and_its_speakers_with_pictures_in_order(
    db: "Client", started_job: VideoJob
) -> None:
    fields = db.document("videoJobSnapshots", started_job.job_id).get().to_dict()

    snapshot = JobSnapshot.model_validate(fields)
    assert [line.text for line in snapshot.lines] == ["Hello.", "Hi."]
    assert [speaker.character_id for speaker in snapshot.speakers] == ["ada", "ben"]
    assert snapshot.speakers[0].pictures == (f"images/ann/{'c' * 32}.png", f"images/ann/{'b' * 32}.png")


def test_somebody_elses_script_is_not_found(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann")
    make_user("eve")
    script_id = write_script("ann")

    with pytest.raises(NotFound):
        start(db, script_id, "eve")


def test_a_second_video_of_an_unfinished_script_is_refused_with_the_jobs_id(
    db: "Client", started_job: VideoJob
) -> None:
    with pytest.raises(JobUnfinished) as refusal:
        start(db, started_job.script_id)

    assert refusal.value.job_id == started_job.job_id
    assert balance(db) == (20, 1)


def test_a_script_whose_job_ended_can_be_rendered_again(db: "Client", started_job: VideoJob) -> None:
    db.document("videoJobs", started_job.job_id).update({"status": "failed"})

    again = start(db, started_job.script_id)

    assert find_job(db, again.job_id) == again


@pytest.mark.attacks
def test_tokens_that_are_held_cannot_be_spent_again(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann", tokens=1)
    start(db, write_script("ann", script_id="1" * 32))
    second = write_script("ann", script_id="2" * 32)

    with pytest.raises(InsufficientTokens):
        start(db, second)

    assert balance(db) == (1, 1)


def test_a_refused_start_leaves_nothing_behind(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann", tokens=0)
    script_id = write_script("ann")

    with pytest.raises(InsufficientTokens):
        start(db, script_id)

    assert [len(list(db.collection(name).stream())) for name in ("videoJobs", "videoJobSnapshots", "holds")] == [0] * 3


def test_a_character_that_is_gone_is_named_as_the_reason(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann")
    script_id = write_script("ann")
    db.document("characters", "ben").delete()

    with pytest.raises(ValidationFailed, match="no longer exists"):
        start(db, script_id)


def test_a_background_that_is_not_in_the_library_is_refused_and_nothing_is_held(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("ann")

    with pytest.raises(ValidationFailed, match="backgroundVideo"):
        start(db, write_script("ann"), background_video="../secret.mp4")

    assert balance(db) == (20, 0)


def test_the_named_background_is_in_the_snapshot(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str], background_video: str
) -> None:
    make_user("ann")

    job = start(db, write_script("ann"), background_video=background_video)

    fields = db.document("videoJobSnapshots", job.job_id).get().to_dict()
    assert JobSnapshot.model_validate(fields).background.object_name == f"library/{'e' * 32}.mp4"


def test_a_library_without_a_background_says_so(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str], background_video: str
) -> None:
    make_user("ann")
    db.document("backgrounds", background_id(background_video)).delete()

    with pytest.raises(Unavailable):
        start(db, write_script("ann"))


def test_a_strangers_script_is_not_found_whatever_else_is_wrong(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> None:
    make_user("eve", tokens=0)

    with pytest.raises(NotFound):
        start(db, write_script("ann"), "eve", background_video="unknown.mp4")


def test_an_unfinished_job_is_told_though_a_character_is_gone(db: "Client", started_job: VideoJob) -> None:
    db.document("characters", "ben").delete()

    with pytest.raises(JobUnfinished):
        start(db, started_job.script_id)

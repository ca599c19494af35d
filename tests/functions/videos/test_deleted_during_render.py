"""A video that is being made ends as cancelled when its script, one of its characters or the account is deleted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from accounts.deletion import continue_account_deletion, request_account_deletion
from accounts.users import User
from characters.store import remove_character
from characters.triggers import on_character_written
from contracts.job_snapshot import JobSnapshot
from contracts.video_job import JobStatus, VideoJob
from gcp import clients
from gcp.errors import ApiError
from gcp.settings import settings
from gpu_runner.errors import LeaseLostError
from gpu_runner.jobs import Jobs
from media.triggers import on_media_deletion_created
from scripts.script import DialogueLine
from scripts.store import update_dialogue
from scripts.triggers import on_script_written
from tests.functions.conftest import CallApi, DeliverCreated, DeliverWritten
from tests.functions.videos.conftest import NOW
from videos.cancellation import end_jobs_with
from videos.jobs import find_job, new_job_id, start_job
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

RELEASED = [("grant", 20, 0), ("hold", 0, 1), ("release", 0, -1)]


@pytest.fixture(autouse=True)
def media_bucket(product: pytest.MonkeyPatch, bucket: "Bucket") -> "Bucket":
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()
    return bucket


def stored(db: "Client", job_id: str) -> VideoJob:
    job = find_job(db, job_id)
    assert job
    return job


def amounts(db: "Client", user_id: str = "ann") -> tuple[int, int, int]:
    fields = db.document("users", user_id).get().to_dict() or {}
    return fields["tokens"], fields["ledgerTokens"], fields["held"]


def ledger(db: "Client", user_id: str = "ann") -> list[tuple[str, int, int]]:
    entries = (each.to_dict() or {} for each in db.collection("users", user_id, "ledger").stream())
    return sorted((entry["kind"], entry["tokens"], entry["held"]) for entry in entries)


def is_cancelled(db: "Client", job: VideoJob, user_id: str = "ann") -> bool:
    """Whether the job has ended so, with its hold released and nothing left to do."""
    ended = stored(db, job.job_id)
    is_left = db.document("videoJobSnapshots", job.job_id).get().exists
    is_settled = (amounts(db, user_id), ledger(db, user_id)) == ((20, 20, 0), RELEASED)
    return (ended.status, ended.check_at, is_left, is_settled) == (JobStatus.CANCELLED, None, False, True)


def claimed(db: "Client", job: VideoJob) -> VideoJob:
    claim = Jobs(db, now=lambda: NOW).claim(job.job_id)
    assert isinstance(claim, VideoJob)
    return claim


def test_the_snapshot_is_found_by_each_of_its_characters(db: "Client", started_job: VideoJob) -> None:
    fields = db.document("videoJobSnapshots", started_job.job_id).get().to_dict() or {}

    assert fields["characterIds"] == ["ada", "ben"]
    assert JobSnapshot.model_validate(fields).to_document()["characterIds"] == ["ada", "ben"]


@pytest.mark.parametrize("is_claimed", [False, True], ids=["queued", "in progress"])
def test_deleting_the_script_cancels_its_video(
    db: "Client", call_api: CallApi, started_job: VideoJob, *, is_claimed: bool
) -> None:
    job = claimed(db, started_job) if is_claimed else started_job

    assert call_api("DELETE", f"/api/scripts/{job.script_id}", user_id="ann").status == 200

    assert is_cancelled(db, job)
    with pytest.raises(LeaseLostError):
        Jobs(db).check_lease(job)


def test_a_script_that_an_admin_deletes_takes_its_video_along(
    db: "Client", started_job: VideoJob, deliver_written: DeliverWritten
) -> None:
    path = f"scripts/{started_job.script_id}"
    before = db.document(path).get().to_dict()
    db.document(path).delete()

    for _ in range(2):
        deliver_written(on_script_written, path, before=before, after=None)

    assert is_cancelled(db, started_job)


def test_editing_the_script_cancels_nothing(
    db: "Client", started_job: VideoJob, deliver_written: DeliverWritten
) -> None:
    path = f"scripts/{started_job.script_id}"
    before = db.document(path).get().to_dict()
    lines = [DialogueLine(speaker="ada", text="Another line.")]
    update_dialogue(db, script_id=started_job.script_id, owner_id="ann", lines=lines, now=NOW)

    deliver_written(on_script_written, path, before=before, after=db.document(path).get().to_dict())

    assert stored(db, started_job.job_id).status is JobStatus.QUEUED


def delete_character(db: "Client", character_id: str, deliver: DeliverWritten, *, deliveries: int = 1) -> None:
    """Its owner deletes it, and the platform tells of that."""
    path = f"characters/{character_id}"
    before = db.document(path).get().to_dict()
    remove_character(db, character_id, "ann", now=NOW)
    for _ in range(deliveries):
        deliver(on_character_written, path, before=before, after=None)


@pytest.mark.parametrize("deliveries", [1, 2])
def test_deleting_a_character_cancels_every_video_in_which_it_speaks_whoever_makes_it(
    *,
    db: "Client",
    make_user: Callable[..., User],
    write_script: Callable[..., str],
    started_job: VideoJob,
    deliver_written: DeliverWritten,
    deliveries: int,
) -> None:
    make_user("bob")
    script_id = write_script("bob", script_id="6" * 32)
    bobs = start_job(db, job_id=new_job_id(), user_id="bob", script_id=script_id, background_video=None, now=NOW)
    db.document("characters", "ada").update({"ownerId": "ann"})

    delete_character(db, "ada", deliver_written, deliveries=deliveries)

    assert is_cancelled(db, started_job)
    assert is_cancelled(db, bobs, "bob")


def test_deleting_another_character_cancels_nothing(
    db: "Client", started_job: VideoJob, deliver_written: DeliverWritten
) -> None:
    fields = db.document("characters", "ada").get().to_dict() or {}
    db.document("characters", "eva").set(fields)

    delete_character(db, "eva", deliver_written)

    assert stored(db, started_job.job_id).status is JobStatus.QUEUED


def test_changing_a_character_cancels_nothing(
    db: "Client", started_job: VideoJob, deliver_written: DeliverWritten
) -> None:
    before = db.document("characters", "ada").get().to_dict() or {}

    deliver_written(on_character_written, "characters/ada", before=before, after=before | {"displayName": "Ida"})

    assert stored(db, started_job.job_id).status is JobStatus.QUEUED


def test_a_video_that_is_ready_stays_when_its_character_is_deleted(
    db: "Client", started_job: VideoJob, deliver_written: DeliverWritten
) -> None:
    db.document("videoJobs", started_job.job_id).update({"status": "completed"})

    delete_character(db, "ada", deliver_written)

    assert stored(db, started_job.job_id).status is JobStatus.COMPLETED
    assert amounts(db) == (19, 19, 0)


def test_more_videos_than_are_in_hand_at_once_are_all_cancelled(
    db: "Client", started_job: VideoJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videos.cancellation._AT_ONCE", 2)
    snapshot = db.document("videoJobSnapshots", started_job.job_id).get().to_dict() or {}
    copies = [new_job_id() for _ in range(4)]
    for job_id in copies:
        copy = started_job.model_copy(update={"job_id": job_id})
        db.document("videoJobs", job_id).set(copy.to_document())
        db.document("videoJobSnapshots", job_id).set(snapshot)

    assert end_jobs_with(db, "ada", NOW) == 5

    assert {stored(db, job_id).status for job_id in copies} == {JobStatus.CANCELLED}


@pytest.mark.parametrize("media_first", [False, True], ids=["the video's end first", "the media's removal first"])
def test_the_media_of_a_deleted_character_is_gone_once_the_video_that_needed_it_is_cancelled(
    *,
    db: "Client",
    bucket: "Bucket",
    started_job: VideoJob,
    deliver_written: DeliverWritten,
    deliver_created: DeliverCreated,
    media_first: bool,
) -> None:
    names = [f"recordings/ann/{'a' * 32}.wav", f"images/ann/{'b' * 32}.png", f"images/ann/{'c' * 32}.png"]
    for name in names:
        bucket.blob(name).upload_from_string(b"media")
    before = db.document("characters", "ada").get().to_dict()
    remove_character(db, "ada", "ann", now=NOW)

    if media_first:
        deliver_created(on_media_deletion_created, "mediaDeletions/ada")
        assert len(list(bucket.list_blobs())) == 3
    deliver_written(on_character_written, "characters/ada", before=before, after=None)
    if not media_first:
        deliver_created(on_media_deletion_created, "mediaDeletions/ada")
    ended = stored(db, started_job.job_id)
    on_video_job_written.handler({"jobId": ended.job_id}, started_job.to_document(), ended.to_document())

    assert list(bucket.list_blobs()) == []
    assert not db.document("mediaDeletions", "ada").get().exists


def test_deleting_the_account_cancels_its_videos(db: "Client", bucket: "Bucket", started_job: VideoJob) -> None:
    request_account_deletion(db, "ann", NOW)

    continue_account_deletion(db, bucket, "ann", remove_identity=lambda _: False, now=NOW)

    assert find_job(db, started_job.job_id) is None
    assert (amounts(db), ledger(db)) == ((20, 20, 0), RELEASED)


@pytest.mark.parametrize("round_", range(3))
def test_a_video_started_while_its_character_is_deleted_is_refused_or_cancelled(
    *,
    db: "Client",
    make_user: Callable[..., User],
    write_script: Callable[..., str],
    deliver_written: DeliverWritten,
    round_: int,
) -> None:
    assert round_ >= 0
    make_user("ann")
    script_id, job_id = write_script("ann"), new_job_id()
    before = db.document("characters", "ada").get().to_dict()

    def start() -> None:
        start_job(db, job_id=job_id, user_id="ann", script_id=script_id, background_video=None, now=NOW)

    def remove() -> None:
        remove_character(db, "ada", "ann", now=NOW)

    with ThreadPoolExecutor() as pool:
        list(pool.map(_unless_refused, (start, remove)))
    if not db.document("characters", "ada").get().exists:
        deliver_written(on_character_written, "characters/ada", before=before, after=None)
        job = find_job(db, job_id)
        assert job is None or is_cancelled(db, job)


def _unless_refused(call: Callable[[], Any]) -> None:
    """The emulator may refuse both of those who meet."""
    try:
        call()
    except ApiError:
        return

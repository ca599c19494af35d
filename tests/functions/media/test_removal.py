"""What becomes of objects that nothing names any more, on real emulators."""

import functools
import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import GoogleAPIError, ServiceUnavailable

from accounts.users import User
from contracts.job_snapshot import Background, JobSnapshot, Line, Speaker
from contracts.media_deletion import PATIENCE
from contracts.media_paths import line_object, picture_object, recording_object, video_object
from contracts.video_job import DEADLINE, JobStatus, VideoFile, VideoJob
from gcp import clients
from gcp.settings import settings
from gcp.transactions import transact
from media.deletions import write_media_deletion
from media.removal import remove_due_media, remove_media
from media.triggers import on_media_deletion_created
from scripts.script import DialogueLine, Script
from scripts.store import create_script, delete_script, update_dialogue
from tests.functions.conftest import DeliverCreated
from tests.functions.killed import empty_database, everything, interrupted_after, killed_after
from tokens.ledger import Hold
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORDING, OTHER_RECORDING = recording_object("ann", "a" * 32), recording_object("ann", "b" * 32)
PICTURE = picture_object("ann", "c" * 32)
LINE, OTHER_LINE = line_object("ann", "d" * 64), line_object("ann", "e" * 64)
JOB, OTHER_JOB = "1" * 32, "2" * 32
VIDEO = video_object("ann", JOB, 1)
SCRIPT, OTHER_SCRIPT = "5" * 32, "6" * 32


@pytest.fixture(autouse=True)
def media_bucket(product: pytest.MonkeyPatch, bucket: "Bucket") -> None:
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()


def put(bucket: "Bucket", *object_names: str) -> None:
    for name in object_names:
        bucket.blob(name).upload_from_string(b"sound")


def objects(bucket: "Bucket") -> set[str]:
    return {blob.name for blob in bucket.list_blobs()}


def list_for_deletion(
    db: "Client", object_names: Sequence[str], *, script_id: str | None = None, now: datetime = NOW
) -> str:
    transact(
        db,
        lambda transaction: write_media_deletion(
            transaction, db, "deletion", object_names, owner_id="ann", script_id=script_id, now=now
        ),
    )
    return "deletion"


def write_job(
    db: "Client",
    job_id: str,
    *,
    user_id: str = "ann",
    script_id: str = SCRIPT,
    status: JobStatus = JobStatus.QUEUED,
    recording: str = RECORDING,
) -> VideoJob:
    """A job as it stands, with its hold, and with its snapshot as long as it is unfinished."""
    job = VideoJob(
        job_id=job_id,
        script_id=script_id,
        user_id=user_id,
        title="Tea",
        status=status,
        price_tokens=1,
        background_video="sea.mp4",
        created_at=NOW,
        deadline_at=NOW + DEADLINE,
    )
    speaker = Speaker(
        character_id="ada",
        display_name="Ada",
        recording=recording,
        ref_text="Words.",
        pictures=(PICTURE,),
        speed=1.0,
        nfe_steps=32,
        cross_fade_duration=0.15,
        remove_silences=True,
    )
    snapshot = JobSnapshot(
        job_id=job_id,
        user_id=user_id,
        lines=(Line(speaker="ada", text="Hello."),),
        speakers=(speaker,),
        background=Background(name="sea.mp4", object_name="backgrounds/sea.mp4", duration_seconds=9.0),
    )
    db.document("videoJobs", job_id).set(job.to_document())
    if not status.is_terminal:
        db.document("videoJobSnapshots", job_id).set(snapshot.to_document())
        hold = Hold(job_id=job_id, user_id=user_id, price_tokens=1, created_at=NOW)
        db.document("holds", job_id).set(hold.to_document())
        db.document("users", user_id).update({"held": 1})
    return job


def end(db: "Client", job: VideoJob, *, deliveries: int = 1) -> None:
    """The job fails, and the platform tells the trigger."""
    failed = job.model_copy(update={"status": JobStatus.FAILED, "completed_at": NOW, "check_at": NOW})
    db.document("videoJobs", job.job_id).set(failed.to_document())
    for _ in range(deliveries):
        on_video_job_written.handler({"jobId": job.job_id}, job.to_document(), failed.to_document())


def write_script(db: "Client", script_id: str, *lines: str, owner_id: str = "ann", video: str | None = None) -> None:
    script = Script(
        id=script_id,
        owner_id=owner_id,
        selected_characters=("ada", "ben"),
        original_prompt="Two friends talk about tea.",
        dialogue=tuple(DialogueLine(speaker="ada", text=f"Line {name[-9:]}.", audio_object=name) for name in lines),
        created_at=NOW,
        updated_at=NOW,
        video=VideoFile(object_name=video, duration_seconds=9.0, size_bytes=5) if video else None,
    )
    fields = {name: value for name, value in script.to_document().items() if name != "id"}
    db.document("scripts", script_id).set(fields)


def waiting(db: "Client") -> dict[str, Any] | None:
    fields: dict[str, Any] | None = db.document("mediaDeletions", "deletion").get().to_dict()
    return fields


def test_what_nothing_needs_is_removed_with_the_deletions_document(
    db: "Client", bucket: "Bucket", deliver_created: DeliverCreated
) -> None:
    put(bucket, RECORDING, PICTURE, OTHER_RECORDING)
    list_for_deletion(db, [RECORDING, PICTURE])

    deliver_created(on_media_deletion_created, "mediaDeletions/deletion")

    assert objects(bucket) == {OTHER_RECORDING}
    assert waiting(db) is None


def test_an_object_that_is_gone_already_keeps_nothing_from_going(db: "Client", bucket: "Bucket") -> None:
    put(bucket, PICTURE)

    remove_media(db, bucket, list_for_deletion(db, [RECORDING, PICTURE]), NOW)

    assert objects(bucket) == set()
    assert waiting(db) is None


def test_a_deletion_that_was_carried_out_is_delivered_again_in_vain(db: "Client", bucket: "Bucket") -> None:
    put(bucket, RECORDING)
    deletion_id = list_for_deletion(db, [RECORDING])
    remove_media(db, bucket, deletion_id, NOW)
    put(bucket, RECORDING)

    remove_media(db, bucket, deletion_id, NOW)

    assert objects(bucket) == {RECORDING}


def test_media_of_another_users_running_video_waits_until_it_ends(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("bob")
    job = write_job(db, JOB, user_id="bob", script_id="7" * 32)
    put(bucket, RECORDING, OTHER_RECORDING, PICTURE)

    remove_media(db, bucket, list_for_deletion(db, [RECORDING, OTHER_RECORDING, PICTURE]), NOW)

    fields = waiting(db)
    assert objects(bucket) == {RECORDING, PICTURE}
    assert fields is not None
    assert (fields["waitingFor"], set(fields["objectNames"])) == ([JOB], {RECORDING, PICTURE})
    end(db, job)
    assert objects(bucket) == set()
    assert waiting(db) is None


def test_media_waits_for_every_one_of_two_jobs(db: "Client", bucket: "Bucket", make_user: Callable[..., User]) -> None:
    make_user("bob")
    make_user("cid")
    jobs = [write_job(db, JOB, user_id="bob"), write_job(db, OTHER_JOB, user_id="cid")]
    put(bucket, RECORDING)
    remove_media(db, bucket, list_for_deletion(db, [RECORDING]), NOW)

    end(db, jobs[0], deliveries=2)
    left = objects(bucket)
    end(db, jobs[1], deliveries=2)

    assert left == {RECORDING}
    assert objects(bucket) == set()


def test_a_lost_event_is_made_up_for_by_the_clock(db: "Client", bucket: "Bucket") -> None:
    put(bucket, RECORDING)
    list_for_deletion(db, [RECORDING])

    early = remove_due_media(db, bucket, NOW)
    due = remove_due_media(db, bucket, NOW + PATIENCE)
    late = remove_due_media(db, bucket, NOW + PATIENCE * 2)

    assert (early, due, late) == (0, 1, 0)
    assert objects(bucket) == set()


def test_a_deletion_that_cannot_be_read_keeps_no_other_from_its_turn(db: "Client", bucket: "Bucket") -> None:
    put(bucket, RECORDING)
    list_for_deletion(db, [RECORDING])
    db.document("mediaDeletions", "bad").set({"checkAt": NOW - timedelta(days=1)})

    remove_due_media(db, bucket, NOW + PATIENCE)

    assert objects(bucket) == set()
    assert db.document("mediaDeletions", "bad").get().get("checkAt") > NOW + PATIENCE


def test_a_line_that_another_script_of_the_owner_names_stays(db: "Client", bucket: "Bucket") -> None:
    put(bucket, LINE, OTHER_LINE)
    write_script(db, OTHER_SCRIPT, LINE)

    remove_media(db, bucket, list_for_deletion(db, [LINE, OTHER_LINE]), NOW)

    assert objects(bucket) == {LINE}
    assert waiting(db) is None


def test_a_strangers_script_keeps_no_line(db: "Client", bucket: "Bucket") -> None:
    put(bucket, LINE)
    write_script(db, OTHER_SCRIPT, LINE, owner_id="bob")

    remove_media(db, bucket, list_for_deletion(db, [LINE]), NOW)

    assert objects(bucket) == set()


def test_lines_wait_while_a_job_of_their_owner_may_be_about_to_publish_them(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("ann")
    job = write_job(db, JOB, script_id=OTHER_SCRIPT)
    write_script(db, OTHER_SCRIPT)
    put(bucket, LINE, OTHER_LINE)
    remove_media(db, bucket, list_for_deletion(db, [LINE, OTHER_LINE]), NOW)
    before = objects(bucket)
    write_script(db, OTHER_SCRIPT, LINE)

    end(db, job)

    assert before == {LINE, OTHER_LINE}
    assert objects(bucket) == {LINE}
    assert waiting(db) is None


def test_more_objects_than_one_query_may_name_are_all_asked_for(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("bob")
    write_job(db, JOB, user_id="bob", recording=recording_object("ann", f"{69:032x}"))
    names = [recording_object("ann", f"{number:032x}") for number in range(70)]
    put(bucket, names[0], names[30], names[69])

    remove_media(db, bucket, list_for_deletion(db, names), NOW)

    assert objects(bucket) == {names[69]}


def test_an_edited_line_goes_and_the_line_that_stays_stays(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("ann")
    put(bucket, LINE, OTHER_LINE)
    write_script(db, SCRIPT, LINE, OTHER_LINE)
    kept = DialogueLine(speaker="ada", text=f"Line {LINE[-9:]}.")

    update_dialogue(db, script_id=SCRIPT, owner_id="ann", lines=[kept], now=NOW)

    assert db.document("scripts", SCRIPT).get().get("mediaObjects") == [LINE]
    assert remove_due_media(db, bucket, NOW + PATIENCE) == 1
    assert objects(bucket) == {LINE}


def test_a_deleted_script_takes_the_videos_of_all_its_jobs_with_it(db: "Client", bucket: "Bucket") -> None:
    stray, other = video_object("ann", OTHER_JOB, 7), video_object("ann", "3" * 32, 1)
    put(bucket, LINE, VIDEO, stray, other)
    for job_id in (JOB, OTHER_JOB):
        write_job(db, job_id, status=JobStatus.COMPLETED)
    write_job(db, "3" * 32, script_id=OTHER_SCRIPT, status=JobStatus.COMPLETED)
    write_script(db, SCRIPT, LINE, video=VIDEO)

    deleted = delete_script(db, script_id=SCRIPT, owner_id="ann", now=NOW)

    assert deleted.object_names == (LINE, VIDEO)
    remove_media(db, bucket, SCRIPT, NOW)
    assert objects(bucket) == {other}
    assert not db.document("mediaDeletions", SCRIPT).get().exists


def test_the_jobs_of_a_deleted_script_show_no_video_any_more(db: "Client", bucket: "Bucket") -> None:
    put(bucket, VIDEO)
    video = {"objectName": VIDEO, "durationSeconds": 3.0, "sizeBytes": 1}
    for job_id, script_id in ((JOB, SCRIPT), (OTHER_JOB, OTHER_SCRIPT)):
        write_job(db, job_id, script_id=script_id, status=JobStatus.COMPLETED)
        db.document("videoJobs", job_id).update({"video": video})
    write_script(db, SCRIPT, video=VIDEO)

    delete_script(db, script_id=SCRIPT, owner_id="ann", now=NOW)
    remove_media(db, bucket, SCRIPT, NOW)

    videos = [db.document("videoJobs", job_id).get().get("video") for job_id in (JOB, OTHER_JOB)]
    assert videos == [None, video]


def test_the_video_of_a_running_job_of_a_deleted_script_goes_when_the_job_ends(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("ann")
    job = write_job(db, JOB)
    write_script(db, SCRIPT)
    delete_script(db, script_id=SCRIPT, owner_id="ann", now=NOW)
    remove_media(db, bucket, SCRIPT, NOW)
    put(bucket, VIDEO)

    end(db, job)

    assert objects(bucket) == set()


def test_a_job_that_ends_at_any_moment_of_the_removal_leaves_nothing_behind(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("bob")
    left = []
    for calls in itertools.count():
        job = write_job(db, f"{calls:032x}", user_id="bob")
        put(bucket, RECORDING)
        deletion_id = list_for_deletion(db, [RECORDING])

        was_interrupted = interrupted_after(
            calls,
            db,
            bucket,
            functools.partial(remove_media, db, bucket, deletion_id, NOW),
            functools.partial(end, db, job),
        )
        if not was_interrupted:
            break
        left.append((objects(bucket), waiting(db)))
    assert len(left) >= 4
    assert left == [(set(), None)] * len(left)


def test_a_line_that_is_published_at_any_moment_of_its_removal_stays(
    db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> None:
    make_user("ann")
    put(bucket, LINE)
    left = []

    def publish(job: VideoJob) -> None:
        write_script(db, OTHER_SCRIPT, LINE)
        end(db, job)

    for calls in itertools.count():
        job = write_job(db, f"{calls:032x}", script_id=OTHER_SCRIPT)
        write_script(db, OTHER_SCRIPT)
        deletion_id = list_for_deletion(db, [LINE])

        was_interrupted = interrupted_after(
            calls,
            db,
            bucket,
            functools.partial(remove_media, db, bucket, deletion_id, NOW),
            functools.partial(publish, job),
        )
        if not was_interrupted:
            break
        left.append((objects(bucket), waiting(db)))
    assert len(left) >= 4
    assert left == [({LINE}, None)] * len(left)


def test_killed_after_any_call_and_delivered_again_the_same_is_left(bucket: "Bucket", db: "Client") -> None:
    assert db
    outcomes = []
    for calls in itertools.count():
        world = empty_database()
        put(bucket, LINE, OTHER_LINE, VIDEO, video_object("ann", OTHER_JOB, 2))
        for job_id in (JOB, OTHER_JOB):
            write_job(world, job_id, status=JobStatus.COMPLETED)
        write_script(world, SCRIPT, LINE, OTHER_LINE, video=VIDEO)
        write_script(world, OTHER_SCRIPT, LINE)
        delete_script(world, script_id=SCRIPT, owner_id="ann", now=NOW)

        was_killed = killed_after(calls, world, bucket, functools.partial(remove_media, world, bucket, SCRIPT, NOW))
        remove_media(world, bucket, SCRIPT, NOW)
        remove_media(world, bucket, SCRIPT, NOW)

        outcomes.append(everything(world, bucket))
        world.close()  # type: ignore[no-untyped-call]  # the package leaves it so
        if not was_killed:
            break
    documents, object_names = outcomes[-1]
    assert object_names == [LINE]
    assert not any(path.startswith("mediaDeletions") for path in documents)
    assert len(outcomes) > 8
    assert all(outcome == outcomes[-1] for outcome in outcomes)


def test_a_storage_that_does_not_answer_has_the_event_delivered_again(
    db: "Client", bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, RECORDING)
    deletion_id = list_for_deletion(db, [RECORDING])

    def refuse(**_request: object) -> None:
        raise ServiceUnavailable("down")  # type: ignore[no-untyped-call]  # the package leaves it so

    monkeypatch.setattr(bucket.client._connection, "api_request", refuse)
    monkeypatch.setattr("media.removal._STORAGE_TIMEOUT_SECONDS", 0.1)

    with pytest.raises(GoogleAPIError):
        remove_media(db, bucket, deletion_id, NOW)

    assert waiting(db)


def test_a_created_script_names_its_media_for_those_who_ask(db: "Client", make_user: Callable[..., User]) -> None:
    make_user("ann")
    script = Script(
        id=SCRIPT,
        owner_id="ann",
        selected_characters=("ada", "ben"),
        original_prompt="Two friends talk about tea.",
        dialogue=(DialogueLine(speaker="ada", text="Tea?", audio_object=LINE),),
        created_at=NOW,
        updated_at=NOW,
    )

    create_script(db, script)

    assert db.document("scripts", SCRIPT).get().get("mediaObjects") == [LINE]

"""The nightly sweep on real emulators: what goes, what stays, and that it goes on where it was cut off."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import PreconditionFailed

from accounts.users import User
from contracts.job_snapshot import JobSnapshot
from contracts.media_deletion import new_media_deletion
from contracts.media_paths import line_object, picture_object, recording_object, video_object
from contracts.video_job import JobStatus
from media import sweep
from media.sweep import FOLDERS
from media.sweep_run import run_sweep
from tests.functions.media.test_removal import JOB, OTHER_JOB, OTHER_SCRIPT, SCRIPT, objects, put, write_job
from tests.functions.media.test_removal import write_script as write_lines
from tests.functions.things import PICTURES, RECORDING, write_background, write_character

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

YEARS = timedelta(days=1000)
LINE, OTHER_LINE = line_object("ann", "d" * 64), line_object("ann", "e" * 64)
VIDEO, STALE_VIDEO = video_object("ann", JOB, 2), video_object("ann", JOB, 1)
LIBRARY, THUMBNAIL = f"library/{'e' * 32}.mp4", picture_object("backgrounds", "e" * 32)
STRAYS = [
    recording_object("ann", "1" * 32),
    picture_object("ann", "2" * 32),
    picture_object("backgrounds", "3" * 32),
    LINE,
    VIDEO,
    f"library/{'4' * 32}.mp4",
]

MakeUser = Callable[..., User]


def later(hours: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(hours=hours)


def run(db: "Client", bucket: "Bucket", *, hours: float = 25) -> int:
    """How many objects a sweep so much later removes."""
    state = run_sweep(db, bucket, later(hours), datetime.now(UTC) + YEARS)
    assert state.finished_at
    return state.removed


@pytest.mark.parametrize("name", STRAYS)
def test_what_no_document_names_is_removed_after_a_day(db: "Client", bucket: "Bucket", name: str) -> None:
    put(bucket, name)

    early = run(db, bucket, hours=23.9)
    left = objects(bucket)
    removed = run(db, bucket, hours=24.1)

    assert (early, left) == (0, {name})
    assert (removed, objects(bucket)) == (1, set())


def test_beside_an_old_object_a_young_one_stays(db: "Client", bucket: "Bucket") -> None:
    put(bucket, LINE, OTHER_LINE)
    now = datetime.now(UTC)
    ages = {LINE: timedelta(hours=24), OTHER_LINE: timedelta(hours=23, minutes=59)}
    page = [
        sweep._Found(blob.name, blob.generation, now - ages[blob.name])
        for blob in bucket.list_blobs(fields="items(name,generation)")
    ]

    swept = sweep._sweep_page(db, bucket, page, now)

    assert objects(bucket) == {OTHER_LINE}
    assert (swept.objects, swept.young, swept.removed) == (2, 1, 1)


@pytest.mark.parametrize(
    "name",
    [
        "backgrounds/sea.mp4",
        "backgrounds/unlisted.mp4",
        "lines/",
        "lines/notes.txt",
        "lines/ann/notes.txt",
        "videos/ann/mine.mp4",
        "images/ann/photo.png",
        "library/sea.mp4",
        "other/file.bin",
    ],
)
def test_what_is_not_of_our_naming_stays(db: "Client", bucket: "Bucket", name: str) -> None:
    put(bucket, name)

    assert run(db, bucket) == 0
    assert objects(bucket) == {name}


def test_media_of_a_character_stays(db: "Client", bucket: "Bucket") -> None:
    write_character(db, "tom")
    put(bucket, RECORDING, *PICTURES)

    assert run(db, bucket) == 0
    db.document("characters", "tom").delete()
    assert run(db, bucket) == 3


def test_media_of_a_damaged_character_stays(db: "Client", bucket: "Bucket") -> None:
    write_character(db, "tom")
    damage = {"displayName": 5, "recording.durationSeconds": "long", "images": list(PICTURES)}
    db.document("characters", "tom").update(damage)
    put(bucket, RECORDING, *PICTURES)

    assert run(db, bucket) == 0


def test_what_the_library_lists_stays(db: "Client", bucket: "Bucket") -> None:
    write_background(db)
    for found in db.collection("backgrounds").stream():
        found.reference.update({"thumbnailObject": THUMBNAIL})
    put(bucket, LIBRARY, THUMBNAIL, f"library/{'f' * 32}.mp4")

    assert run(db, bucket) == 1
    assert objects(bucket) == {LIBRARY, THUMBNAIL}


def test_what_an_unfinished_job_of_anybody_reads_stays(db: "Client", bucket: "Bucket", make_user: MakeUser) -> None:
    make_user("bob")
    write_job(db, JOB, user_id="bob", recording=RECORDING)
    snapshot = JobSnapshot.model_validate(db.document("videoJobSnapshots", JOB).get().to_dict())
    background = snapshot.background.model_copy(update={"object_name": LIBRARY})
    db.document("videoJobSnapshots", JOB).set(snapshot.model_copy(update={"background": background}).to_document())
    needed = {*snapshot.media_objects, LIBRARY} - {"backgrounds/sea.mp4"}
    put(bucket, *needed)

    assert len(needed) == 3
    assert run(db, bucket) == 0
    db.document("videoJobSnapshots", JOB).delete()
    assert run(db, bucket) == 3


def test_lines_that_a_script_of_their_owner_names_stay(db: "Client", bucket: "Bucket") -> None:
    write_lines(db, SCRIPT, LINE)
    write_lines(db, OTHER_SCRIPT, OTHER_LINE, owner_id="bob")
    put(bucket, LINE, OTHER_LINE)

    assert run(db, bucket) == 1
    assert objects(bucket) == {LINE}


def test_all_lines_of_an_owner_stay_while_a_job_of_theirs_is_unfinished(
    db: "Client", bucket: "Bucket", make_user: MakeUser
) -> None:
    make_user("ann")
    write_job(db, JOB)
    bobs = line_object("bob", "d" * 64)
    put(bucket, LINE, OTHER_LINE, bobs)

    assert run(db, bucket) == 1
    assert objects(bucket) == {LINE, OTHER_LINE}


def test_a_line_that_a_job_publishes_while_it_is_asked_for_stays(
    db: "Client", bucket: "Bucket", make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job publishes with the script before its snapshot goes: whichever is asked first, one of them has the line."""
    make_user("ann")
    write_job(db, JOB, script_id=SCRIPT)
    put(bucket, LINE)
    questions = list(sweep._QUESTIONS["lines"])

    def publish_and_ask(number: int) -> Callable[..., set[str]]:
        def ask(database: "Client", names: Any) -> set[str]:
            write_lines(db, SCRIPT, LINE)
            db.document("videoJobSnapshots", JOB).delete()
            return questions[number](database, names)

        return ask

    kept = []
    for number in range(len(questions)):
        write_job(db, JOB, script_id=SCRIPT)
        write_lines(db, SCRIPT)
        changed = [publish_and_ask(number) if number == each else questions[each] for each in range(len(questions))]
        monkeypatch.setitem(sweep._QUESTIONS, "lines", tuple(changed))
        kept.append(run(db, bucket))

    assert kept == [0, 0, 0]
    assert objects(bucket) == {LINE}


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_of_an_ended_jobs_videos_the_one_that_it_names_stays(db: "Client", bucket: "Bucket", status: JobStatus) -> None:
    write_job(db, JOB, status=status)
    video = {"objectName": VIDEO, "durationSeconds": 3.0, "sizeBytes": 1}
    db.document("videoJobs", JOB).update({"video": video})
    put(bucket, VIDEO, STALE_VIDEO)

    assert run(db, bucket) == 1
    assert objects(bucket) == {VIDEO}


def test_the_videos_of_an_unfinished_job_stay(db: "Client", bucket: "Bucket", make_user: MakeUser) -> None:
    make_user("ann")
    write_job(db, JOB, status=JobStatus.IN_PROGRESS)
    put(bucket, VIDEO, STALE_VIDEO, video_object("ann", OTHER_JOB, 1))

    assert run(db, bucket) == 1
    assert objects(bucket) == {VIDEO, STALE_VIDEO}


def test_a_video_that_a_script_names_stays(db: "Client", bucket: "Bucket") -> None:
    write_lines(db, SCRIPT, video=VIDEO)
    put(bucket, VIDEO)

    assert run(db, bucket) == 0


@pytest.mark.parametrize("name", STRAYS)
def test_what_is_listed_for_deletion_is_left_to_that(db: "Client", bucket: "Bucket", name: str) -> None:
    listed = new_media_deletion([name], owner_id="ann", now=datetime.now(UTC))
    db.document("mediaDeletions", "deletion").set(listed.to_document())
    put(bucket, name)

    assert run(db, bucket) == 0


def test_more_objects_than_one_query_may_name_are_all_asked_for(db: "Client", bucket: "Bucket") -> None:
    names = [line_object("ann", f"{number:064x}") for number in range(70)]
    write_lines(db, SCRIPT, names[0], names[69])
    put(bucket, *names)

    assert run(db, bucket) == 68
    assert objects(bucket) == {names[0], names[69]}


def test_only_the_object_as_it_was_listed_is_removed(
    db: "Client", bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, LINE)
    [listed] = bucket.list_blobs()
    request = bucket.client._connection.api_request
    sent = []

    def record(**asked: Any) -> Any:
        if asked["method"] == "DELETE":
            sent.append(asked["query_params"])
        return request(**asked)

    monkeypatch.setattr(bucket.client._connection, "api_request", record)

    run(db, bucket)

    assert sent == [{"ifGenerationMatch": listed.generation}]


def test_an_object_that_was_written_anew_stays_and_keeps_no_other(
    db: "Client", bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, LINE, OTHER_LINE)
    request = bucket.client._connection.api_request

    def refuse_one(**asked: Any) -> Any:
        if asked["method"] == "DELETE" and "d" * 64 in asked["path"]:
            raise PreconditionFailed("another generation")  # type: ignore[no-untyped-call]  # the package leaves it so
        return request(**asked)

    monkeypatch.setattr(bucket.client._connection, "api_request", refuse_one)

    assert run(db, bucket) == 1
    assert objects(bucket) == {LINE}


def test_a_sweep_that_is_cut_off_goes_on_where_it_was(db: "Client", bucket: "Bucket") -> None:
    one_each = [next(name for name in STRAYS if name.startswith(folder)) for folder in FOLDERS]
    put(bucket, *one_each)
    removed = []

    while not (state := run_sweep(db, bucket, later(25), datetime.now(UTC))).finished_at:
        removed.append((state.after, state.removed, len(objects(bucket))))

    assert removed == [(name, number, 5 - number) for number, name in enumerate(one_each, start=1)]
    assert state.removed == 5
    put(bucket, *one_each[:1])
    assert run(db, bucket) == 1


def test_a_sweep_that_dies_goes_on_after_its_last_page(
    db: "Client", bucket: "Bucket", monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, *STRAYS)

    def die(_db: object, _names: object) -> set[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setitem(sweep._QUESTIONS, "recordings", (die,))
        with pytest.raises(KeyboardInterrupt):
            run(db, bucket)
    reached = db.document("audits", "sweep").get().get("after")

    assert reached == LINE
    assert run(db, bucket) == 6
    assert objects(bucket) == set()


def test_a_state_that_somebody_edited_begins_anew(db: "Client", bucket: "Bucket") -> None:
    db.document("audits", "sweep").set({"after": 5, "startedAt": "today"})
    put(bucket, LINE)

    assert run(db, bucket) == 1

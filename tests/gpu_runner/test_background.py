"""Files of the library taken in on a real Firestore emulator and bucket: once, late, twice at once and half-way."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.cloud.firestore import Client
from google.cloud.storage import Bucket

from contracts.background import (
    LONGEST_TRIES,
    MAX_TRIES,
    BackgroundTask,
    BackgroundVideo,
    background_id,
    library_objects,
)
from contracts.media_deletion import MediaDeletion
from gpu_runner.background import Backgrounds
from gpu_runner.background_file import UnfitFileError
from gpu_runner.errors import ShutdownError, TransientError
from gpu_runner.interruption import Shutdown
from gpu_runner.media_store import MediaStore
from local.addresses import ROOT
from tests.functions.killed import empty_database, everything, killed_after
from tests.media import write_background

SEA = "backgrounds/sea.mp4"
PutFile = Callable[..., BackgroundTask]
PUT_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_background(tmp_path_factory.mktemp("library") / "sea.mp4", seconds=1.5, size="270x480")


@pytest.fixture
def put(bucket: Bucket, video: Path) -> PutFile:
    """A function that puts a file into the library's folder; the task that follows from it."""

    def put_file(content: bytes | None = None) -> BackgroundTask:
        blob = bucket.blob(SEA)
        blob.upload_from_string(video.read_bytes() if content is None else content, content_type="video/mp4")
        return BackgroundTask(source_object=SEA, source_generation=int(blob.generation))

    return put_file


@pytest.fixture
def library(db: Client, bucket: Bucket, tmp_path: Path) -> Backgrounds:
    return Backgrounds(db, MediaStore(bucket), tmp_path)


@pytest.fixture
def late_library(db: Client, bucket: Bucket, tmp_path: Path) -> Backgrounds:
    """A library at the time when what could not be looked at is given up, for a file of PUT_AT."""
    return Backgrounds(db, MediaStore(bucket), tmp_path, now=lambda: PUT_AT + LONGEST_TRIES)


def document(db: Client) -> BackgroundVideo:
    return BackgroundVideo.model_validate(db.document("backgrounds", background_id("sea.mp4")).get().to_dict())


def test_a_video_is_listed_with_its_copy_and_its_thumbnail(
    db: Client, bucket: Bucket, library: Backgrounds, put: PutFile, tmp_path: Path
) -> None:
    task = put()

    assert library.take_in(task) == "listed"

    entry = document(db)
    assert (entry.name, entry.status, entry.reason) == ("sea.mp4", "listed", None)
    assert (entry.width, entry.height) == (270, 480)
    assert entry.duration_seconds == pytest.approx(1.5, abs=0.05)
    assert entry.source_generation == task.source_generation
    assert bucket.get_blob(entry.object_name).content_type == "video/mp4"
    assert bucket.get_blob(entry.thumbnail_object).content_type == "image/png"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_video_is_refused_and_leaves_nothing_in_the_bucket(
    db: Client, bucket: Bucket, library: Backgrounds, put: PutFile
) -> None:
    assert library.take_in(put(b"This is no video.")) == "refused"

    assert document(db).reason == "The file is no MP4, MOV, MKV or WebM video that can be read."
    assert [blob.name for blob in bucket.list_blobs()] == [SEA]


def test_a_second_delivery_does_nothing_more(db: Client, library: Backgrounds, put: PutFile) -> None:
    task = put()
    library.take_in(task)
    before = document(db)

    assert library.take_in(task) == "known"

    assert document(db) == before


def test_a_late_task_of_an_older_content_changes_nothing(db: Client, library: Backgrounds, put: PutFile) -> None:
    older, newer = put(b"This is no video."), put()

    assert library.take_in(older) == "gone"
    assert library.take_in(newer) == "listed"
    assert library.take_in(older) == "known"

    assert document(db).source_generation == newer.source_generation


def test_a_file_that_was_deleted_is_not_listed(db: Client, bucket: Bucket, library: Backgrounds, put: PutFile) -> None:
    task = put()
    bucket.blob(SEA).delete()

    assert library.take_in(task) == "gone"

    assert not db.document("backgrounds", background_id("sea.mp4")).get().exists


@pytest.mark.parametrize("generation_later", [0, 1], ids=["deleted", "replaced"])
def test_a_file_that_is_deleted_or_replaced_while_it_is_looked_at_is_not_listed(
    db: Client, bucket: Bucket, put: PutFile, tmp_path: Path, generation_later: int
) -> None:
    task = put()
    told = {"status": "removed", "sourceGeneration": task.source_generation + generation_later}

    class Meanwhile(MediaStore):
        def upload(self, source: Path, object_name: str, *, content_type: str) -> None:
            super().upload(source, object_name, content_type=content_type)
            db.document("backgrounds", background_id("sea.mp4")).set(told)

    assert Backgrounds(db, Meanwhile(bucket), tmp_path).take_in(task) == "known"

    assert db.document("backgrounds", background_id("sea.mp4")).get().to_dict() == told
    # What came too late is in the bucket already, and named by nothing else.
    (deletion,) = [MediaDeletion.model_validate(each.to_dict()) for each in db.collection("mediaDeletions").stream()]
    assert {*deletion.object_names, SEA} == {blob.name for blob in bucket.list_blobs()}


def test_two_deliveries_at_once_list_the_file_once(db: Client, library: Backgrounds, put: PutFile) -> None:
    task = put()
    outcomes: list[str] = []
    threads = [threading.Thread(target=lambda: outcomes.append(library.take_in(task))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["known", "listed"]
    assert document(db).status == "listed"
    assert list(db.collection("mediaDeletions").stream()) == []


def test_whatever_is_killed_half_way_is_made_up_for_by_the_next_delivery(
    bucket: Bucket, put: PutFile, tmp_path: Path
) -> None:
    task, calls, ends = put(), 0, []
    was_killed = True
    while was_killed:
        db = empty_database()
        for blob in bucket.list_blobs():
            if blob.name != SEA:
                blob.delete()
        library = Backgrounds(db, MediaStore(bucket), tmp_path)
        was_killed = killed_after(calls, db, bucket, lambda: library.take_in(task))  # noqa: B023 (runs at once)
        library.take_in(task)
        ends.append(_without_times(everything(db, bucket)))
        calls += 1

    assert calls > 3
    assert all(end == ends[-1] for end in ends)


def _without_times(found: tuple[dict[str, dict[str, Any]], list[str]]) -> object:
    documents, objects = found
    return {path: fields | {"updatedAt": None} for path, fields in documents.items()}, objects


@pytest.mark.parametrize("name", ["library/x.mp4", "backgrounds/", "backgrounds/more/sea.mp4", "recordings/ann/x.wav"])
def test_no_other_object_is_taken_in(db: Client, library: Backgrounds, name: str) -> None:
    assert library.take_in(BackgroundTask(source_object=name, source_generation=1)) == "not_of_the_library"
    assert list(db.collection("backgrounds").stream()) == []


class HangingStore(MediaStore):
    """A bucket that does not answer one call, the only one after which `check` raises."""

    def __init__(self, bucket: Bucket, hangs_at: str) -> None:
        super().__init__(bucket)
        self._hangs_at = hangs_at
        self._hangs = threading.Event()
        self.released = threading.Event()

    def check(self) -> None:
        if self._hangs.is_set():
            raise ShutdownError

    def download_generation(self, object_name: str, generation: int, target: Path) -> datetime | None:
        self._hang("download")
        return super().download_generation(object_name, generation, target)

    def upload(self, source: Path, object_name: str, *, content_type: str) -> None:
        self._hang(f"upload of {content_type}")
        super().upload(source, object_name, content_type=content_type)

    def _hang(self, call: str) -> None:
        if call == self._hangs_at:
            self._hangs.set()
            self.released.wait(60)
            raise TransientError("the test is over")


@pytest.mark.parametrize("hangs_at", ["download", "upload of video/mp4", "upload of image/png"])
def test_a_file_whose_runner_ends_is_listed_by_the_next_one(
    db: Client, bucket: Bucket, put: PutFile, tmp_path: Path, hangs_at: str
) -> None:
    task, media = put(), HangingStore(bucket, hangs_at)

    with pytest.raises(ShutdownError):
        Backgrounds(db, media, tmp_path).take_in(task, check=media.check)

    media.released.set()
    was_written = list(db.collection("backgrounds").stream())
    assert was_written == []
    assert Backgrounds(db, MediaStore(bucket), tmp_path).take_in(task) == "listed"
    entry = document(db).to_document()
    assert {blob.name for blob in bucket.list_blobs()} == {SEA} | library_objects(entry)


def test_a_file_that_seems_unfit_while_the_runner_ends_is_not_refused(
    db: Client, library: Backgrounds, put: PutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutdown = Shutdown()

    def end_with_the_runner(*_: object, **__: object) -> None:
        shutdown.begin()
        raise UnfitFileError("The video cannot be decoded to its end.")

    monkeypatch.setattr("gpu_runner.background.prepare_background", end_with_the_runner)

    with pytest.raises(ShutdownError):
        library.take_in(put(), check=shutdown.check)

    assert list(db.collection("backgrounds").stream()) == []


def test_a_file_that_could_not_be_looked_at_for_too_long_is_refused_with_a_reason(
    db: Client, late_library: Backgrounds, put: PutFile
) -> None:
    task = put().model_copy(update={"source_created_at": PUT_AT})

    assert late_library.take_in(task, tries=MAX_TRIES) == "refused"

    entry = document(db)
    assert (entry.source_generation, entry.created_at) == (task.source_generation, PUT_AT)
    assert "Put it into the folder again" in (entry.reason or "")


def test_a_file_that_was_given_up_is_listed_when_it_is_put_in_again(
    db: Client, late_library: Backgrounds, put: PutFile
) -> None:
    late_library.take_in(put().model_copy(update={"source_created_at": PUT_AT}), tries=MAX_TRIES)

    assert late_library.take_in(put()) == "listed"
    assert document(db).reason is None


@pytest.mark.parametrize(
    ("tries", "put_at"),
    [
        pytest.param(MAX_TRIES - 1, PUT_AT, id="too few tries"),
        pytest.param(MAX_TRIES, PUT_AT + timedelta(seconds=1), id="too soon"),
        pytest.param(MAX_TRIES, None, id="a task that does not know"),
    ],
)
def test_a_file_is_looked_at_until_both_limits_are_reached(
    late_library: Backgrounds, put: PutFile, tries: int, put_at: datetime | None
) -> None:
    task = put().model_copy(update={"source_created_at": put_at})

    assert late_library.take_in(task, tries=tries) == "listed"


def test_a_file_is_given_up_before_the_queue_gives_up_its_task() -> None:
    retries = json.loads((ROOT / "terraform" / "queue.json").read_text())["retryConfig"]
    longest = timedelta(seconds=int(retries["maxRetryDuration"].removesuffix("s")))
    one_try = timedelta(seconds=1800) + timedelta(seconds=int(retries["maxBackoff"].removesuffix("s")))

    assert retries["maxAttempts"] >= MAX_TRIES
    assert longest >= LONGEST_TRIES + one_try

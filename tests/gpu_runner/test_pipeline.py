"""A whole render on real Firestore, Storage and FFmpeg; only the voice is a fake, which counts what it is asked."""

import threading
import time
import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.cloud.firestore import Client
from google.cloud.storage import Bucket
from PIL import Image

from contracts.job_snapshot import Speaker
from contracts.video_job import MAX_ATTEMPTS, JobStatus, StepStatus, VideoJob
from gpu_runner.background import Backgrounds
from gpu_runner.errors import HopelessError, TransientError
from gpu_runner.ffmpeg import FfmpegError, FfmpegTimeoutError, run_ffmpeg
from gpu_runner.health import RunnerHealth
from gpu_runner.interruption import Check, Shutdown
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.reports import Reports
from gpu_runner.server import Services, render_job
from tests.gpu_runner.jobs_fixtures import speaker, stored_job, write_job

LINE_SECONDS = 0.4


class ToneVoice:
    """Speaks every line as a short tone."""

    def __init__(self, before_line: Callable[[int], object] = lambda _count: None, *, voice_id: str = "f5-tts") -> None:
        self.voice_id = voice_id
        self.spoken: list[str] = []
        self.ref_texts: set[str] = set()
        self.transcribed = 0
        self._before_line = before_line

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path, check: Check) -> None:
        assert recording.is_file()
        assert 0 <= seed < 2**31
        self._before_line(len(self.spoken))
        check()
        self.spoken.append(text)
        self.ref_texts.add(speaker.ref_text)
        times = np.arange(int(LINE_SECONDS * 24_000)) / 24_000
        write_wav(target, 0.5 * np.sin(2 * np.pi * 220 * times))

    def transcribe(self, recording: Path, *, check: Check) -> str:
        check()
        assert recording.is_file()
        self.transcribed += 1
        return "Heard words."


class WaitingVoice(ToneVoice):
    """Speaks no line to its end: it waits until it is told to stop."""

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path, check: Check) -> None:
        super().speak(text, speaker, recording, seed=seed, target=target, check=check)
        for _ in range(1_000):
            check()
            time.sleep(0.05)


class HangingStore(MediaStore):
    """A bucket that answers no call of one kind, and begins the shutdown when it gets the first."""

    def __init__(self, bucket: Bucket, method: str, prefix: str, shutdown: Shutdown) -> None:
        super().__init__(bucket)
        self._hangs_at = (method, prefix)
        self._shutdown = shutdown
        self.released = threading.Event()
        self.has_answered = False

    def download(self, object_name: str, target: Path) -> None:
        self._hang("download", object_name)
        super().download(object_name, target)

    def exists(self, object_name: str) -> bool:
        self._hang("exists", object_name)
        return super().exists(object_name)

    def upload(self, source: Path, object_name: str, *, content_type: str) -> None:
        self._hang("upload", object_name)
        super().upload(source, object_name, content_type=content_type)

    def _hang(self, method: str, object_name: str) -> None:
        if (method, object_name.partition("/")[0]) == self._hangs_at:
            self._shutdown.begin()
            self.released.wait(60)
            self.has_answered = True
            raise TransientError("the test is over")


def write_wav(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def media_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recording, a picture and a background."""
    folder = tmp_path_factory.mktemp("media")
    write_wav(folder / "recording.wav", np.zeros(24_000))
    Image.new("RGBA", (60, 80), (200, 30, 30, 255)).save(folder / "picture.png")
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "color=c=blue:s=108x192:r=30:d=3"]
    run_ffmpeg([*argv, str(folder / "sea.mp4")], total_frames=90, timeout_seconds=60)
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture
def services_of(
    db: Client, bucket: Bucket, media_files: dict[str, Path], tmp_path: Path
) -> Callable[[ToneVoice], Services]:
    """A runner with this voice. The bucket has the characters' media and the background."""
    for each in (speaker("a"), speaker("b")):
        bucket.blob(each.recording).upload_from_filename(str(media_files["recording"]))
        bucket.blob(each.pictures[0]).upload_from_filename(str(media_files["picture"]))
    bucket.blob("backgrounds/sea.mp4").upload_from_filename(str(media_files["sea"]))
    health, media = RunnerHealth("http://127.0.0.1:9/", tmp_path), MediaStore(bucket)
    return lambda voice: Services(
        jobs=Jobs(db),
        backgrounds=Backgrounds(db, media, tmp_path),
        reports=Reports(db, health.troubles),
        health=health,
        media=media,
        voice=voice,
        scratch_root=tmp_path,
    )


def test_a_job_becomes_a_video_with_all_five_steps_completed(
    db: Client, bucket: Bucket, services_of: Callable[[ToneVoice], Services], tmp_path: Path
) -> None:
    job, voice = write_job(db), ToneVoice()

    outcome = render_job(services_of(voice), job.job_id)

    stored = stored_job(db, job.job_id)
    assert outcome == (JobStatus.COMPLETED, 200)
    assert {step.status for step in stored.steps} == {StepStatus.COMPLETED}
    assert [step.message for step in stored.steps][:2] == [
        "Found 0/2 audio files",
        "Generating audio files... (2/2 completed)",
    ]
    assert stored.overall_progress == 100.0
    assert stored.video
    assert stored.steps[-1].message == f"Video ready: {stored.video.duration_seconds:.1f} seconds"
    assert stored.video.object_name == f"videos/user1/{job.job_id}_1.mp4"
    assert bucket.get_blob(stored.video.object_name).size == stored.video.size_bytes
    assert stored.encoder in {"libx264", "h264_nvenc"}
    assert list(tmp_path.iterdir()) == []


def test_a_second_render_of_the_same_lines_speaks_nothing(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    render_job(services_of(ToneVoice()), write_job(db).job_id)
    again, voice = write_job(db), ToneVoice()

    render_job(services_of(voice), again.job_id)

    assert voice.spoken == []
    assert stored_job(db, again.job_id).steps[0].message == "Found 2/2 audio files"


def test_after_an_interruption_only_the_missing_line_is_spoken(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    def stop_at_the_second(count: int) -> None:
        if count == 1:
            raise TransientError("the voice server does not answer")

    job = write_job(db)
    interrupted, retried = ToneVoice(stop_at_the_second), ToneVoice()

    first = render_job(services_of(interrupted), job.job_id)
    second = render_job(services_of(retried), job.job_id)

    assert (first, second) == (("interrupted", 500), (JobStatus.COMPLETED, 200))
    assert (interrupted.spoken, retried.spoken) == (["Hello there, my friend."], ["Good evening to you."])


def test_a_line_that_is_removed_after_it_was_found_is_spoken_again(
    db: Client, bucket: Bucket, services_of: Callable[[ToneVoice], Services]
) -> None:
    def remove_the_second(_count: int) -> None:
        bucket.blob(objects["Good evening to you."]).delete()

    render_job(services_of(ToneVoice()), write_job(db).job_id)
    script = db.document("scripts", "script1").get().to_dict() or {}
    objects = {line["text"]: line["audioObject"] for line in script["dialogue"]}
    bucket.blob(objects["Hello there, my friend."]).delete()
    job = write_job(db)
    missing, retried = ToneVoice(remove_the_second), ToneVoice()

    first = render_job(services_of(missing), job.job_id)
    second = render_job(services_of(retried), job.job_id)

    assert (first, second) == (("interrupted", 500), (JobStatus.COMPLETED, 200))
    assert (missing.spoken, retried.spoken) == (["Hello there, my friend."], ["Good evening to you."])


def test_a_line_is_encoded_while_the_next_one_is_spoken(
    db: Client, services_of: Callable[[ToneVoice], Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = threading.Event()

    def run_and_tell(*arguments: Any, **named: Any) -> None:
        run_ffmpeg(*arguments, **named)
        encoded.set()

    def wait_for_the_first(count: int) -> None:
        assert count == 0 or encoded.wait(60)

    monkeypatch.setattr("gpu_runner.encoding.run_ffmpeg", run_and_tell)

    assert render_job(services_of(ToneVoice(wait_for_the_first)), write_job(db).job_id)[0] is JobStatus.COMPLETED


@pytest.mark.parametrize(("removed", "commands"), [(0, 2), (1, 3)], ids=["nothing to speak", "the last to speak"])
def test_what_needs_no_voice_is_encoded_in_one_piece(
    *,
    db: Client,
    bucket: Bucket,
    services_of: Callable[[ToneVoice], Services],
    monkeypatch: pytest.MonkeyPatch,
    removed: int,
    commands: int,
) -> None:
    render_job(services_of(ToneVoice()), write_job(db).job_id)
    script = db.document("scripts", "script1").get().to_dict() or {}
    for line in script["dialogue"][2 - removed :]:
        bucket.blob(line["audioObject"]).delete()
    outputs: list[str] = []

    def run_and_note(argv: list[str], **named: Any) -> None:
        outputs.append(argv[-1])
        run_ffmpeg(argv, **named)

    monkeypatch.setattr("gpu_runner.encoding.run_ffmpeg", run_and_note)

    render_job(services_of(ToneVoice()), write_job(db).job_id)

    assert len(outputs) == commands  # the last one joins


def test_a_recording_without_its_words_is_transcribed_before_a_line_is_named(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    job = write_job(db, speakers=(speaker("a", ref_text=""), speaker("b")))
    voice = ToneVoice()

    render_job(services_of(voice), job.job_id)

    character = db.document("characters", "a").get().to_dict() or {}
    assert voice.transcribed == 1
    assert voice.ref_texts == {"Heard words.", "These are the words of the recording."}
    assert character["recording"]["refText"] == "Heard words."


@pytest.mark.parametrize(
    ("ref_text_by", "transcribed"),
    [
        pytest.param("", 0, id="the user"),
        pytest.param("f5-tts", 0, id="it"),
        pytest.param("development", 1, id="another"),
    ],
)
def test_a_voice_takes_the_words_of_the_user_and_its_own(
    db: Client, services_of: Callable[[ToneVoice], Services], ref_text_by: str, transcribed: int
) -> None:
    job = write_job(db, speakers=(speaker("a", ref_text_by=ref_text_by), speaker("b")))
    voice = ToneVoice()

    render_job(services_of(voice), job.job_id)

    assert voice.transcribed == transcribed


def test_another_voice_speaks_every_line_anew(db: Client, services_of: Callable[[ToneVoice], Services]) -> None:
    render_job(services_of(ToneVoice(voice_id="development")), write_job(db).job_id)
    voice = ToneVoice(voice_id="f5-tts")

    render_job(services_of(voice), write_job(db).job_id)

    assert len(voice.spoken) == 2


def test_a_hopeless_job_is_failed_with_words_for_its_user_and_its_task_ends(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    def refuse(_count: int) -> None:
        raise HopelessError("VOICE_REFUSED", "The voice could not speak one of the lines.")

    job = write_job(db)

    outcome = render_job(services_of(ToneVoice(refuse)), job.job_id)

    stored = stored_job(db, job.job_id)
    assert outcome == ("failed", 200)
    assert (stored.status, stored.error_code) == (JobStatus.FAILED, "VOICE_REFUSED")
    assert stored.error_message == "The voice could not speak one of the lines. You were not charged."
    assert [step.status for step in stored.steps][:2] == [StepStatus.COMPLETED, StepStatus.FAILED]


def test_an_outage_costs_no_attempt_however_often_it_is_met(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    def stop(_count: int) -> None:
        raise TransientError("the voice server does not answer")

    job = write_job(db)
    services = services_of(ToneVoice(stop))

    outcomes = [render_job(services, job.job_id) for _ in range(MAX_ATTEMPTS + 1)]

    assert set(outcomes) == {("interrupted", 500)}
    assert (stored_job(db, job.job_id).status, stored_job(db, job.job_id).attempts) == (JobStatus.IN_PROGRESS, 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(
            TransientError("refused twice", at_last=HopelessError("VOICE_REFUSED", "It could not be spoken.")),
            "VOICE_REFUSED",
            id="a refusal",
        ),
        pytest.param(ZeroDivisionError(), "ATTEMPTS_USED_UP", id="a crash"),
    ],
)
def test_a_refusal_and_a_crash_fail_the_job_at_the_third_attempt(
    db: Client, services_of: Callable[[ToneVoice], Services], error: Exception, code: str
) -> None:
    def fail(_count: int) -> None:
        raise error

    job = write_job(db)
    services = services_of(ToneVoice(fail))

    outcomes = [render_job(services, job.job_id) for _ in range(4)]

    assert [status for _, status in outcomes] == [500, 500, 200, 200]
    assert stored_job(db, job.job_id).error_code == code


def test_a_fault_of_ours_gives_the_lease_back_and_is_logged_with_where_it_happened(
    db: Client, services_of: Callable[[ToneVoice], Services], capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(db)

    outcome = render_job(services_of(ToneVoice(lambda _count: 1 // 0)), job.job_id)

    assert outcome == ("interrupted", 500)
    assert stored_job(db, job.job_id).lease_until is None
    crash = next(line for line in capsys.readouterr().out.splitlines() if "render_crashed" in line)
    assert "ZeroDivisionError" in crash
    assert "test_pipeline.py" in crash


@pytest.mark.parametrize("fields", [None, {"version": 2}])
def test_a_job_whose_snapshot_cannot_be_read_is_failed(
    db: Client, services_of: Callable[[ToneVoice], Services], fields: dict[str, object] | None
) -> None:
    job = write_job(db)
    snapshot = db.document("videoJobSnapshots", job.job_id)
    snapshot.delete() if fields is None else snapshot.set(fields)

    outcome = render_job(services_of(ToneVoice()), job.job_id)

    stored = stored_job(db, job.job_id)
    assert outcome == ("failed", 200)
    assert (stored.error_code, stored.steps[0].status) == ("SNAPSHOT_UNREADABLE", StepStatus.FAILED)


def test_a_document_that_is_no_job_is_left_and_logged(
    db: Client, services_of: Callable[[ToneVoice], Services], capsys: pytest.CaptureFixture[str]
) -> None:
    job = write_job(db)
    db.document("videoJobs", job.job_id).update({"status": "exploded"})

    outcome = render_job(services_of(ToneVoice()), job.job_id)

    assert outcome == ("out_of_reach", 500)
    assert "ValidationError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param((FfmpegTimeoutError(["ffmpeg"], None, ""), "interrupted"), id="out of time"),
        pytest.param((FfmpegError(["ffmpeg"], -9, ""), "interrupted"), id="killed"),
        pytest.param((FfmpegError(["ffmpeg"], None, "cannot be started"), "interrupted"), id="not startable"),
        pytest.param((FfmpegError(["ffmpeg"], 1, "Invalid data"), "failed"), id="refused its input"),
    ],
)
@pytest.mark.parametrize(
    "command", ["pipeline.normalise_line", "encoding.run_ffmpeg", "pipeline.measure_video_seconds"]
)
def test_only_what_ffmpeg_itself_refuses_is_hopeless(
    db: Client,
    services_of: Callable[[ToneVoice], Services],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    failure: tuple[FfmpegError, str],
) -> None:
    error, outcome = failure

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"gpu_runner.{command}", fail)

    assert render_job(services_of(ToneVoice()), write_job(db).job_id)[0] == outcome


def test_an_attempt_whose_time_is_up_while_a_line_is_spoken_is_interrupted(
    db: Client, services_of: Callable[[ToneVoice], Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    def use_up_the_time(_count: int) -> None:
        monkeypatch.setattr("gpu_runner.pipeline._Attempt.seconds_left", property(lambda _attempt: 0.0))

    job, voice = write_job(db), ToneVoice(use_up_the_time)

    outcome = render_job(services_of(voice), job.job_id)

    assert (outcome, voice.spoken) == (("interrupted", 500), [])
    assert stored_job(db, job.job_id).attempts == 1


def test_media_that_is_gone_fails_the_job_at_once(
    db: Client, bucket: Bucket, services_of: Callable[[ToneVoice], Services]
) -> None:
    job: VideoJob = write_job(db)
    services = services_of(ToneVoice())
    bucket.blob("backgrounds/sea.mp4").delete()

    outcome = render_job(services, job.job_id)

    assert outcome == ("failed", 200)
    assert stored_job(db, job.job_id).error_code == "MEDIA_MISSING"


def test_a_script_deleted_during_the_render_ends_the_job_without_a_video(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    job = write_job(db)
    voice = ToneVoice(lambda _count: db.document("scripts", "script1").delete() and None)

    outcome = render_job(services_of(voice), job.job_id)

    assert outcome == (JobStatus.CANCELLED, 200)
    assert stored_job(db, job.job_id).video is None


def test_a_runner_whose_lease_was_taken_leaves_the_job_to_its_successor(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    job = write_job(db)

    def take_over(_count: int) -> None:
        db.document("videoJobs", job.job_id).update({"fence": 7})

    outcome = render_job(services_of(ToneVoice(take_over)), job.job_id)

    assert outcome == ("lease_lost", 409)
    assert stored_job(db, job.job_id).status is JobStatus.IN_PROGRESS


def test_a_render_whose_job_is_cancelled_while_a_line_is_spoken_stops_there(
    db: Client, services_of: Callable[[ToneVoice], Services]
) -> None:
    job = write_job(db)
    voice = WaitingVoice(
        lambda _count: db.document("videoJobs", job.job_id).update({"status": "cancelled", "fence": 7})
    )

    outcome = render_job(services_of(voice), job.job_id)

    assert outcome == ("lease_lost", 409)
    assert stored_job(db, job.job_id).status is JobStatus.CANCELLED


@pytest.mark.parametrize(
    ("method", "prefix"),
    [
        ("exists", "lines"),
        ("download", "recordings"),
        ("upload", "lines"),
        ("download", "backgrounds"),
        ("upload", "videos"),
    ],
)
def test_a_runner_that_ends_while_the_bucket_hangs_gives_the_job_back_at_no_cost(
    db: Client, bucket: Bucket, services_of: Callable[[ToneVoice], Services], method: str, prefix: str
) -> None:
    job = write_job(db)
    services = services_of(ToneVoice())
    media = HangingStore(bucket, method, prefix, services.shutdown)

    outcome = render_job(replace(services, media=media), job.job_id)

    was_awaited = media.has_answered
    media.released.set()
    stored = stored_job(db, job.job_id)
    assert (outcome, was_awaited) == (("stopped", 503), False)
    assert (stored.status, stored.lease_until, stored.attempts) == (JobStatus.IN_PROGRESS, None, 0)


@pytest.mark.parametrize(
    "error",
    [
        HopelessError("VOICE_REFUSED", "The voice could not speak one of the lines."),
        TransientError("refused twice", at_last=HopelessError("VOICE_REFUSED", "It could not be spoken.")),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_while_the_runner_ends_is_not_held_against_the_job(
    db: Client, services_of: Callable[[ToneVoice], Services], error: Exception
) -> None:
    def fail(_count: int) -> None:
        services.shutdown.begin()
        raise error

    job = write_job(db)
    services = services_of(ToneVoice(fail))

    outcome = render_job(services, job.job_id)

    stored = stored_job(db, job.job_id)
    assert outcome == ("stopped", 503)
    assert (stored.status, stored.lease_until, stored.attempts) == (JobStatus.IN_PROGRESS, None, 0)


def test_the_encode_gets_the_time_that_is_left(
    db: Client, services_of: Callable[[ToneVoice], Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def time_out(*_: object, timeout_seconds: float, **__: object) -> None:
        given.append(timeout_seconds)
        raise FfmpegTimeoutError(["ffmpeg"], None, "")

    monkeypatch.setattr("gpu_runner.pipeline.RENDER_SECONDS", 100.0)
    monkeypatch.setattr("gpu_runner.encoding.run_ffmpeg", time_out)

    render_job(services_of(ToneVoice()), write_job(db).job_id)

    assert 0 < given[0] < 100

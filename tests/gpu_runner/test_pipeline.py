"""A whole render on real Firestore, Storage and FFmpeg; only the voice is a fake, which counts what it is asked."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from google.cloud.firestore import Client
from google.cloud.storage import Bucket
from PIL import Image

from contracts.job_snapshot import Speaker
from contracts.video_job import JobStatus, StepStatus, VideoJob
from gpu_runner.errors import HopelessError, TransientError
from gpu_runner.ffmpeg import run_ffmpeg
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.server import Services, render_job
from tests.gpu_runner.jobs_fixtures import speaker, stored_job, write_job

LINE_SECONDS = 0.4


class ToneVoice:
    """Speaks every line as a short tone."""

    def __init__(self, before_line: Callable[[int], None] = lambda _count: None) -> None:
        self.spoken: list[str] = []
        self.ref_texts: set[str] = set()
        self.transcribed = 0
        self._before_line = before_line

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path) -> None:
        assert recording.is_file()
        assert 0 <= seed < 2**31
        self._before_line(len(self.spoken))
        self.spoken.append(text)
        self.ref_texts.add(speaker.ref_text)
        times = np.arange(int(LINE_SECONDS * 24_000)) / 24_000
        write_wav(target, 0.5 * np.sin(2 * np.pi * 220 * times))

    def transcribe(self, recording: Path) -> str:
        assert recording.is_file()
        self.transcribed += 1
        return "Heard words."


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
    return lambda voice: Services(jobs=Jobs(db), media=MediaStore(bucket), voice=voice, scratch_root=tmp_path)


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


def test_the_third_interruption_fails_the_job(db: Client, services_of: Callable[[ToneVoice], Services]) -> None:
    def stop(_count: int) -> None:
        raise TransientError("the voice server does not answer")

    job = write_job(db)
    services = services_of(ToneVoice(stop))

    outcomes = [render_job(services, job.job_id) for _ in range(4)]

    assert [status for _, status in outcomes] == [500, 500, 200, 200]
    assert stored_job(db, job.job_id).error_code == "ATTEMPTS_USED_UP"


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

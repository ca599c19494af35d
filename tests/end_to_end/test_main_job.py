"""The main job, from signing up to the file, through port 8000 as a client app does it, and the result measured."""

import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from gpu_runner.composition import AI_NOTICE
from gpu_runner.timeline import PAUSE_SAMPLES, SAMPLE_RATE_HZ, TAIL_SAMPLES
from local.espeak import median_pitch_hz
from local.samples import VOICES
from tests.end_to_end.client import ACTIVITIES, App, Cast, VoiceServer, wait_until
from tests.end_to_end.conftest import PICTURE_COLOURS
from tests.media import (
    FRAME_RATE_HZ,
    Frame,
    Sound,
    caption_ink,
    frames_of,
    level_dbfs,
    loudness_lufs,
    mean_colour,
    moov_is_first,
    probe,
    sound_of,
)

LINES = (
    (0, "Good evening, Ben. Did my radio arrive?"),
    (1, "It did, and it plays 100% jazz."),
    (0, "Then leave it on, please."),
)
GREEN = (32, 128, 32)
EDGE_SECONDS = 0.03  # AAC smears by a block
# Where the corners' pictures are, in shares of the frame's width.
LEFT, RIGHT = (0.15, 0.45), (0.55, 0.85)


@dataclass(frozen=True)
class Observation:
    """What three operations said between two equal answers of a fourth."""

    job: dict[str, Any]
    status: dict[str, Any]
    script: dict[str, Any]


@dataclass(frozen=True)
class MainJob:
    """A finished video and what was seen on the way."""

    cast: Cast
    script_id: str
    before: dict[str, Any]
    started_again: requests.Response
    observations: list[Observation]
    job: dict[str, Any]
    script: dict[str, Any]
    video: Path

    @property
    def app(self) -> App:
        return self.cast.app


@dataclass(frozen=True)
class Windows:
    """When each line is heard, in seconds: from the lines' own lengths, a pause after each and a rest at the end."""

    lines: list[tuple[float, float]]
    end: float

    @property
    def pauses(self) -> list[tuple[float, float]]:
        return [(left[1], right[0]) for left, right in pairwise(self.lines)]


@pytest.fixture(scope="module")
def main_job(
    new_cast: Callable[[], Cast], background: str, voice: VoiceServer, tmp_path_factory: pytest.TempPathFactory
) -> MainJob:
    cast = new_cast()
    app = cast.app
    script_id = cast.write_script(LINES)
    before = app.get(f"/api/scripts/{script_id}/video-status")
    with voice.slowed(2.1):  # progress is written at most every 2 seconds
        job_id = app.start_video(script_id, background)
        started_again = app.ask("POST", f"/api/scripts/{script_id}/generate-video", json={})
        observations = list(observe(app, script_id, job_id))
    app.wait_for_balance(19)
    job = app.job(job_id)
    video = tmp_path_factory.mktemp("result") / "video.mp4"
    video.write_bytes(load(app, job["finalVideoPath"]).content)
    return MainJob(cast, script_id, before, started_again, observations, job, app.script(script_id), video)


def observe(app: App, script_id: str, job_id: str) -> Iterator[Observation]:
    """What clients see until the job is completed. What changed while it was asked for is left out."""
    seen: list[Observation] = []

    def look() -> bool:
        first = app.job(job_id)
        status, script = app.get(f"/api/scripts/{script_id}/video-status"), app.script(script_id)
        assert first["status"] != "failed", first["errorMessage"]
        if app.job(job_id) == first:
            seen.append(Observation(first, status, script))
        return bool(first["status"] == "completed")

    wait_until(look, seconds=180, what="the video is completed", poll_seconds=0.6)
    yield from seen


def load(app: App, path: str, **headers: str) -> requests.Response:
    """What a media element loads: no token goes along."""
    response = requests.get(app.base_url + path, headers=headers, timeout=60)
    response.raise_for_status()
    return response


@pytest.fixture(scope="module")
def windows(main_job: MainJob) -> Windows:
    windows: list[tuple[float, float]] = []
    start = 0.0
    for line in main_job.script["dialogue"]:
        with wave.open(BytesIO(load(main_job.app, line["audioFile"]).content)) as sound:
            assert sound.getframerate() == 24_000
            end = start + sound.getnframes() / 24_000
        windows.append((start, end))
        start = end + PAUSE_SAMPLES / SAMPLE_RATE_HZ
    return Windows(windows, windows[-1][1] + TAIL_SAMPLES / SAMPLE_RATE_HZ)


@pytest.fixture(scope="module")
def sound(main_job: MainJob) -> Sound:
    return sound_of(main_job.video)


@pytest.fixture(scope="module")
def line_frames(main_job: MainJob, windows: Windows) -> list[Frame]:
    """A frame from the middle of every line."""
    return frames_of(main_job.video, [middle_frame(window) for window in windows.lines])


@pytest.fixture(scope="module")
def pause_frames(main_job: MainJob, windows: Windows) -> list[Frame]:
    """A frame from the middle of every pause."""
    return frames_of(main_job.video, [middle_frame(window) for window in windows.pauses])


def middle_frame(window: tuple[float, float]) -> int:
    return round(sum(window) / 2 * FRAME_RATE_HZ)


def corner_is(frame: Frame, side: tuple[float, float], colour: tuple[int, int, int]) -> bool:
    mean = mean_colour(frame, left=side[0], top=0.75, right=side[1], bottom=0.95)
    return bool(np.abs(mean - np.array(colour)).max() < 30)


# The file


def test_the_picture_is_what_phones_play(main_job: MainJob) -> None:
    stream = probe(main_job.video)["video"]
    keys = ("codec_name", "profile", "width", "height", "pix_fmt", "r_frame_rate")
    assert [stream[key] for key in keys] == ["h264", "High", 1080, 1920, "yuv420p", "30/1"]


def test_the_sound_is_stereo_aac_at_48_khz(main_job: MainJob) -> None:
    stream = probe(main_job.video)["audio"]
    assert [stream[key] for key in ("codec_name", "sample_rate", "channels")] == ["aac", "48000", 2]


def test_there_is_one_picture_and_one_sound(main_job: MainJob) -> None:
    assert [stream["codec_type"] for stream in probe(main_job.video)["streams"]] == ["video", "audio"]


def test_it_plays_before_it_has_arrived(main_job: MainJob) -> None:
    assert moov_is_first(main_job.video)


def test_it_says_that_it_is_made_by_a_machine(main_job: MainJob) -> None:
    assert probe(main_job.video)["format"]["tags"]["comment"] == AI_NOTICE


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_each_stream_is_as_long_as_the_lines_and_pauses_within_a_frame(
    main_job: MainJob, windows: Windows, kind: str
) -> None:
    duration_seconds = float(probe(main_job.video)[kind]["duration"])
    assert duration_seconds == pytest.approx(windows.end, abs=1 / FRAME_RATE_HZ)


def test_the_job_says_how_long_and_large_the_file_is(main_job: MainJob) -> None:
    said = (main_job.job["videoDuration"], main_job.job["videoSize"])
    duration_seconds = float(probe(main_job.video)["video"]["duration"])
    assert said == (pytest.approx(duration_seconds, abs=0.001), main_job.video.stat().st_size)


# What is heard


@pytest.mark.parametrize("line", range(len(LINES)))
def test_speech_is_heard_in_every_line(sound: Sound, windows: Windows, line: int) -> None:
    start, end = windows.lines[line]
    assert level_dbfs(sound, start + EDGE_SECONDS, end - EDGE_SECONDS) > -25


@pytest.mark.parametrize("pause", range(len(LINES) - 1))
def test_nothing_is_heard_in_a_pause(sound: Sound, windows: Windows, pause: int) -> None:
    start, end = windows.pauses[pause]
    assert level_dbfs(sound, start + EDGE_SECONDS, end - EDGE_SECONDS) < -60


@pytest.mark.parametrize("line", range(len(LINES)))
def test_every_line_has_the_pitch_of_its_speakers_recording(sound: Sound, windows: Windows, line: int) -> None:
    start, end = (round(moment * SAMPLE_RATE_HZ) for moment in windows.lines[line])
    voices = list(VOICES.values())
    pitch_hz = median_pitch_hz(sound[start:end, 0].astype(np.float64), SAMPLE_RATE_HZ)
    assert pitch_hz == pytest.approx(voices[LINES[line][0]].pitch_hz, rel=0.15)


def test_it_is_as_loud_as_it_should_be(main_job: MainJob) -> None:
    assert loudness_lufs(main_job.video) == pytest.approx(-16, abs=1)


# What is seen


@pytest.mark.parametrize(
    ("line", "side", "colour"),
    [
        (0, LEFT, PICTURE_COLOURS[0][0]),
        (1, RIGHT, PICTURE_COLOURS[1][0]),
        (2, LEFT, PICTURE_COLOURS[0][1]),
    ],
)
def test_the_speaker_is_seen_on_its_side_with_the_picture_whose_turn_it_is(
    line_frames: list[Frame], line: int, side: tuple[float, float], colour: tuple[int, int, int]
) -> None:
    assert corner_is(line_frames[line], side, colour)


@pytest.mark.parametrize(("line", "side"), [(0, RIGHT), (1, LEFT), (2, RIGHT)])
def test_who_does_not_speak_is_not_seen(line_frames: list[Frame], line: int, side: tuple[float, float]) -> None:
    assert corner_is(line_frames[line], side, GREEN)


@pytest.mark.parametrize("side", [LEFT, RIGHT])
def test_nobody_is_seen_between_the_lines(pause_frames: list[Frame], side: tuple[float, float]) -> None:
    assert all(corner_is(frame, side, GREEN) for frame in pause_frames)


@pytest.mark.parametrize("line", range(len(LINES)))
def test_a_caption_is_seen_while_somebody_speaks(line_frames: list[Frame], line: int) -> None:
    assert caption_ink(line_frames[line]) > 1_000


def test_no_caption_is_seen_between_the_lines(pause_frames: list[Frame]) -> None:
    assert [caption_ink(frame) for frame in pause_frames] == [0] * (len(LINES) - 1)


# What the user is told


def test_a_script_that_never_had_a_job_is_pending(main_job: MainJob) -> None:
    told = [main_job.before[key] for key in ("status", "stage", "progress")]
    assert told == ["pending", "", 0.0]


def test_a_script_with_an_unfinished_job_is_refused_with_its_id(main_job: MainJob) -> None:
    answer = main_job.started_again
    assert (answer.status_code, answer.json()["error"]["jobId"]) == (409, main_job.job["jobId"])


def test_status_job_and_script_always_agree(main_job: MainJob) -> None:
    told = [
        (
            (each.status["status"], each.status["stage"], each.status["progress"]),
            (each.script["videoJobStatus"], each.script["videoJobCurrentStep"], each.script["videoJobProgress"]),
        )
        for each in main_job.observations
    ]
    expected = [
        (each.job["status"], each.job["currentStep"], each.job["overallProgress"]) for each in main_job.observations
    ]
    assert told == [(one, one) for one in expected]


def test_progress_is_seen_on_the_way(main_job: MainJob) -> None:
    under_way = {each.job["overallProgress"] for each in main_job.observations if each.job["status"] == "in_progress"}
    assert len(under_way) >= 3


def test_progress_never_goes_back(main_job: MainJob) -> None:
    seen = [each.job["overallProgress"] for each in main_job.observations]
    assert seen == sorted(seen)


def test_the_lines_are_counted_as_they_are_spoken(main_job: MainJob) -> None:
    messages = {each.status["message"] for each in main_job.observations}
    assert messages & {f"Generating audio files... ({count}/3 completed)" for count in (1, 2)}


def test_all_five_steps_are_completed(main_job: MainJob) -> None:
    steps = [(step["stepName"], step["status"], step["progress"]) for step in main_job.job["steps"]]
    names = ["audio_validation", "audio_generation", "timeline_creation", "audio_concatenation", "video_generation"]
    assert steps == [(name, "completed", 100.0) for name in names]


def test_the_log_says_what_happened_in_order(main_job: MainJob) -> None:
    assert main_job.app.activity_types() == ACTIVITIES


# What media elements load


def test_a_part_of_the_video_can_be_loaded(main_job: MainJob) -> None:
    whole = main_job.video.read_bytes()
    start = len(whole) // 2

    answer = load(main_job.app, main_job.job["finalVideoPath"], Range=f"bytes={start}-{start + 999}")

    assert (answer.status_code, answer.content) == (206, whole[start : start + 1000])


def test_characters_media_load_by_themselves(main_job: MainJob) -> None:
    character = main_job.app.get(f"/api/characters/{main_job.cast.speakers[0]}")

    picture, recording = load(main_job.app, character["images"]["0"]), load(main_job.app, character["audioFile"])

    assert (picture.content[:4], recording.content[:4]) == (b"\x89PNG", b"RIFF")


@pytest.mark.parametrize("media", ["video", "line"])
def test_an_altered_signature_is_refused(main_job: MainJob, media: str) -> None:
    path = main_job.job["finalVideoPath"] if media == "video" else main_job.script["dialogue"][0]["audioFile"]
    altered = path[:-1] + ("0" if path[-1] != "0" else "1")

    assert requests.get(main_job.app.base_url + altered, timeout=60).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/video-jobs/{job}"),
        ("GET", "/api/scripts/{script}"),
        ("PUT", "/api/scripts/{script}"),
        ("DELETE", "/api/scripts/{script}"),
        ("GET", "/api/scripts/{script}/video-status"),
        ("POST", "/api/scripts/{script}/generate-video"),
    ],
)
def test_to_a_stranger_nothing_of_it_exists(main_job: MainJob, stranger: App, method: str, path: str) -> None:
    named = path.format(job=main_job.job["jobId"], script=main_job.script_id)
    body = {"dialogue": [{"speaker": main_job.cast.speakers[0], "text": "Mine."}]} if method == "PUT" else None

    assert stranger.ask(method, named, json=body).status_code == 404


# Once more


def test_after_an_edit_only_the_new_line_is_spoken(main_job: MainJob, background: str, voice: VoiceServer) -> None:
    spoken_before = len(voice.spoken())
    main_job.cast.edit_script(main_job.script_id, [LINES[0], (1, "It did not."), LINES[2]])

    job_id = main_job.app.start_video(main_job.script_id, background)
    main_job.app.wait_for_job(job_id, seconds=120)

    assert (len(voice.spoken()) - spoken_before, voice.times_spoken("It did not.")) == (1, 1)

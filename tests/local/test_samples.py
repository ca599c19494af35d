import itertools
import json
import subprocess
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from local import samples
from local.espeak import median_pitch_hz
from local.portraits import ALMA, BRUNO, Expression, Look, draw_portrait

SHORTER = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples, the backgrounds with a quarter of their frames: a quarter of the time that they take to encode."""
    folder = tmp_path_factory.mktemp("samples") / "made"
    shorter = {name: replace(scene, seconds=scene.seconds // SHORTER) for name, scene in samples.BACKGROUNDS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "BACKGROUNDS", shorter)
        samples.make_samples(folder)
    return folder


def probe(path: Path) -> dict[str, Any]:
    """What FFmpeg says of the file's only stream, and its size."""
    argv = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert len(found["streams"]) == 1
    stream: dict[str, Any] = found["streams"][0]
    return stream | {"size_bytes": int(found["format"]["size"])}


def read(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.float64]], int]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768, file.getframerate()


def test_everything_for_a_demonstration_is_there_and_nothing_unfinished(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "a_1.png", "a_2.png", "b_1.png", "b_2.png",
        "background_001.mp4", "background_002.mp4", "background_003.mp4",
        "voice_a.txt", "voice_a.wav", "voice_b.mp3", "voice_b.txt", "voice_b.wav",
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "pitch_hz"), [("voice_a", 110), ("voice_b", 205)])
def test_the_voices_are_low_and_high(folder: Path, name: str, pitch_hz: float) -> None:
    recording, sample_rate_hz = read(folder / f"{name}.wav")

    assert median_pitch_hz(recording, sample_rate_hz) == pytest.approx(pitch_hz, rel=0.06)


@pytest.mark.parametrize("name", ["voice_a", "voice_b"])
def test_a_recording_is_six_to_eight_seconds_of_24_khz(folder: Path, name: str) -> None:
    recording, sample_rate_hz = read(folder / f"{name}.wav")

    assert sample_rate_hz == 24_000
    assert 6 <= len(recording) / sample_rate_hz <= 8


@pytest.mark.parametrize("name", ["voice_a", "voice_b"])
def test_a_recordings_text_is_spoken_at_a_usual_pace(folder: Path, name: str) -> None:
    recording, sample_rate_hz = read(folder / f"{name}.wav")
    text = (folder / f"{name}.txt").read_text(encoding="utf-8")

    assert 12 <= len(text) / (len(recording) / sample_rate_hz) <= 18


def test_the_mp3_is_as_long_as_its_recording(folder: Path) -> None:
    stream = probe(folder / "voice_b.mp3")

    assert stream["codec_name"] == "mp3"
    assert float(stream["duration"]) == pytest.approx(float(probe(folder / "voice_b.wav")["duration"]), abs=0.1)


@pytest.mark.parametrize(
    ("name", "form", "seconds"),
    [
        ("background_001", (1080, 1920, "30/1"), 20),
        ("background_002", (1920, 1080, "25/1"), 12),
        ("background_003", (720, 1280, "60/1"), 8),
    ],
)
def test_the_backgrounds_differ_in_form(folder: Path, name: str, form: tuple[int, int, str], seconds: int) -> None:
    stream = probe(folder / f"{name}.mp4")

    assert (stream["codec_name"], stream["pix_fmt"]) == ("h264", "yuv420p")
    assert (stream["width"], stream["height"], stream["r_frame_rate"]) == form
    assert float(stream["duration"]) * SHORTER == pytest.approx(seconds, abs=0.2)
    # The shortened scenes move faster and take more bytes a second than the whole ones.
    assert stream["size_bytes"] * SHORTER < 6_000_000


@pytest.mark.parametrize("background", samples.BACKGROUNDS.values(), ids=samples.BACKGROUNDS)
def test_a_background_loops_without_a_seam(background: samples.Background) -> None:
    x = np.arange(0, background.width, 24, dtype=np.float32)[None, :]
    y = np.arange(0, background.height, 24, dtype=np.float32)[:, None]

    first, last = (background.paint(x, y, share) for share in (0.0, 1.0))

    assert np.abs(first - last).max() < 0.01


@pytest.mark.parametrize("background", samples.BACKGROUNDS.values(), ids=samples.BACKGROUNDS)
def test_a_background_moves(background: samples.Background) -> None:
    x = np.arange(0, background.width, 24, dtype=np.float32)[None, :]
    y = np.arange(0, background.height, 24, dtype=np.float32)[:, None]

    first, middle = (background.paint(x, y, share) for share in (0.0, 0.5))

    assert np.abs(first - middle).mean() > 0.005


@pytest.mark.parametrize("name", ["a_1", "a_2", "b_1", "b_2"])
def test_a_portrait_is_opaque_on_a_transparent_ground(folder: Path, name: str) -> None:
    with Image.open(folder / f"{name}.png") as portrait:
        alpha = np.asarray(portrait.getchannel("A"))

    assert alpha.shape == (800, 600)
    assert (alpha[:40, :40].max(), alpha[:40, -40:].max(), alpha[250:450, 220:380].min()) == (0, 0, 255)
    assert 0.3 < np.mean(alpha > 0) < 0.8


@pytest.mark.parametrize("look", [BRUNO, ALMA], ids=["Bruno", "Alma"])
def test_a_characters_expressions_differ_in_the_face_only(look: Look) -> None:
    listening, speaking = (np.asarray(draw_portrait(look, expression)).astype(int) for expression in Expression)

    different = np.abs(listening - speaking).max(axis=2) > 0

    assert different[220:500, 140:460].sum() > 5_000
    assert not different[510:].any()


def test_the_characters_clothes_differ_clearly(folder: Path) -> None:
    colours = []
    for name in ("a_1", "b_1"):
        with Image.open(folder / f"{name}.png") as portrait:
            colours.append(np.asarray(portrait.convert("RGB"))[700, 170].astype(int))

    assert np.abs(colours[0] - colours[1]).max() > 100


def test_samples_are_the_same_every_time(folder: Path, tmp_path: Path) -> None:
    samples.make_recording(samples.VOICES["voice_a"], tmp_path / "voice_a.wav")
    samples.make_portrait(*samples.PORTRAITS["b_2"], tmp_path / "b_2.png")
    short = samples.Background(320, 180, 25, 1, 1, 4, samples.paint_hills)
    for name in ("1.mp4", "2.mp4"):
        samples.make_background(short, tmp_path / name)

    pairs = [(folder / name, tmp_path / name) for name in ("voice_a.wav", "b_2.png")]
    pairs.append((tmp_path / "1.mp4", tmp_path / "2.mp4"))
    assert all(first.read_bytes() == second.read_bytes() for first, second in pairs)


def test_files_that_are_there_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "BACKGROUNDS", {})
    own = tmp_path / "voice_a.wav"
    own.write_bytes(b"one's own recording")

    samples.make_samples(tmp_path)

    assert own.read_bytes() == b"one's own recording"


def test_a_failed_encoder_leaves_no_sample(tmp_path: Path) -> None:
    empty = samples.Background(320, 180, 25, 0, 1, 4, samples.paint_hills)
    path = tmp_path / "background.mp4"

    with pytest.raises(subprocess.CalledProcessError):
        samples.make_missing(path, lambda unfinished: samples.make_background(empty, unfinished))

    assert not path.exists()


def test_a_repeated_scene_repeats(tmp_path: Path) -> None:
    samples.make_background(samples.Background(320, 180, 25, 2, 2, 4, samples.paint_hills), tmp_path / "twice.mp4")
    argv = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "twice.mp4"), "-f", "framemd5", "-"]
    listed = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines()
    frames = [line.split(",")[-1].strip() for line in listed if not line.startswith("#")]

    assert all(first == again for first, again in zip(frames[:25], frames[25:], strict=True))
    assert any(frame != following for frame, following in itertools.pairwise(frames[:25]))

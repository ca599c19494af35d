"""Recordings, portraits and backgrounds for a demonstration without files of one's own.

    python -m local.samples OUT_DIR

Missing files are made, always the same; those that are there are left alone. For each of two characters a recording
with its text beside it and two portraits, and three backgrounds that loop without a seam. The second recording also
comes as MP3.
"""

import argparse
import math
import subprocess
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local.espeak import SAMPLE_RATE_HZ, speak
from local.portraits import ALMA, BRUNO, Expression, Look, draw_portrait

Frame = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class SampleVoice:
    text: str
    pitch_hz: float
    seconds: float


VOICES = {
    "voice_a": SampleVoice(
        text="Good morning. I fix old radios in a small shop by the harbour, and I never trust a clock that runs fast.",
        pitch_hz=110,
        seconds=6.8,
    ),
    "voice_b": SampleVoice(
        text="Hello there. I grow tomatoes on a roof in the middle of the city, and I talk to them every single day.",
        pitch_hz=205,
        seconds=6.4,
    ),
}
PAUSE_AFTER_SECONDS = 0.5  # F5-TTS's README wants a pause at a reference's end

PORTRAITS = {
    "a_1": (BRUNO, Expression.LISTENING),
    "a_2": (BRUNO, Expression.SPEAKING),
    "b_1": (ALMA, Expression.LISTENING),
    "b_2": (ALMA, Expression.SPEAKING),
}


@dataclass(frozen=True)
class Background:
    """A scene that ends as it began, `loops` times. It is painted `reduction` times smaller and enlarged by FFmpeg."""

    width: int
    height: int
    frames_per_second: int
    seconds: int
    loops: int
    reduction: int
    paint: "Painter"


# Gets x (a row) and y (a column) in pixels of the finished video, and the share of the loop that has passed in 0..1.
Painter = Callable[[Frame, Frame, float], Frame]


def hex_colour(code: str) -> Frame:
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32) / 255


def blend(below: Frame, above: Frame, share: Frame) -> Frame:
    """`above` over `below` where share (height x width, 0..1) is 1."""
    mixed: Frame = below + (above - below) * share[..., None]
    return mixed


def gradient(x: Frame, y: Frame, colours: tuple[str, ...]) -> Frame:
    """A picture with the colours from top to bottom at even distances."""
    stops = np.linspace(0, y[-1, 0] + y[0, 0], len(colours))
    table = np.stack([hex_colour(colour) for colour in colours])
    column = np.stack([np.interp(y[:, 0], stops, table[:, channel]) for channel in range(3)], axis=-1)
    return np.repeat(column[:, None, :].astype(np.float32), x.size, axis=1)


def paint_northern_lights(x: Frame, y: Frame, share: float) -> Frame:
    """Slow green and violet curtains over a dark blue sky with rising sparks of light."""
    turn = 2 * math.pi * share
    picture = gradient(x, y, ("0b1033", "17265c", "2b3a7a", "15204a"))
    curtains = (("3ddc97", 620, 150, 1.0), ("8a6cf0", 900, 190, 2.1), ("3fa9f5", 1240, 170, 4.0))
    for colour, level, depth, phase in curtains:
        edge = level + 120 * np.sin(x / 190 + phase + turn) + 60 * np.sin(x / 95 - phase - 2 * turn)
        below = (y - edge) / depth
        glow = np.where(below < 0, np.exp(3.2 * below / 2.2), np.exp(-below * 5))
        folds = 0.62 + 0.25 * np.sin(x / 47 + 3 * phase + 2 * turn) + 0.13 * np.sin(x / 21 - turn + phase)
        picture = blend(picture, hex_colour(colour), 0.72 * glow * folds)
    for spark in range(26):
        at_x = (spark * 0.618034 % 1) * 1080 + 25 * math.sin(turn + spark)
        at_y = 1980 - ((spark * 0.754878 + share) % 1) * 2060
        radius = 13 + spark % 5 * 5
        near = np.flatnonzero(np.abs(y[:, 0] - at_y) < 1.6 * radius)
        distance = np.hypot(x - at_x, y[near] - at_y) / radius
        strength = (0.34 + 0.18 * math.sin(turn * 3 + spark)) * np.clip(1.6 - distance, 0, 1)
        picture[near] = blend(picture[near], hex_colour("fff0c4"), strength)
    return picture


def paint_hills(x: Frame, y: Frame, share: float) -> Frame:
    """Six ranges of hills at dawn that pass at different speeds."""
    picture = gradient(x, y, ("7fb7e8", "f7c9b0", "ffe3c2", "ffeede"))
    sun = np.hypot(x - 1340, y - 380)
    picture = blend(picture, hex_colour("fff7df"), 0.75 * np.exp(-((sun / 330) ** 2)))
    picture = blend(picture, hex_colour("fffdf3"), np.clip((112 - sun) / 5, 0, 1))
    layers = ("e0b9c0", "bd9fbd", "8f86b3", "64709f", "3f5680", "24405c")
    for index, colour in enumerate(layers):
        # A whole number of waves in the 1920 pixels that a layer moves on makes the loop seamless.
        angle = 2 * math.pi * (x / 1920 + share * (1 if index < 4 else 2))
        ridge = 500 + 92 * index + (26 + 7 * index) * np.sin((1 + index % 3) * angle + 1.7 * index)
        ridge = ridge + 16 * np.sin(5 * angle + index) + 7 * np.sin(11 * angle + 2 * index)
        near = y[:, 0] > ridge.min() - 3
        inside = np.clip((y[near] - ridge) / 3 + 0.5, 0, 1)
        haze = np.clip((y[near] - ridge) / 420, 0, 1) * 0.35
        picture[near] = blend(picture[near], blend(hex_colour(colour), hex_colour("fbe4d8"), haze), inside)
    return picture


def paint_sunset(x: Frame, y: Frame, share: float) -> Frame:
    """A low sun over water, its light in moving stripes."""
    turn = 2 * math.pi * share
    horizon = 760
    picture = gradient(x, y, ("33215c", "7a3b7c", "e0607e", "ffb56b", "7a4a86", "2a2a63", "1c1f4d"))
    sky = np.clip((horizon - y) / 3 + 0.5, 0, 1)
    sun = np.hypot(x - 360, y - 610)
    picture = blend(picture, hex_colour("ffd9a0"), 0.6 * np.exp(-((sun / 260) ** 2)) * sky)
    picture = blend(picture, hex_colour("fff0c9"), np.clip((150 - sun) / 4, 0, 1) * sky)
    depth = np.clip((y - horizon) / 520, 0, 1)
    waves = np.sin(64 * np.log1p(depth * 9) - 4 * turn + 0.9 * np.sin(x / (60 + 160 * depth) + 2 * turn))
    picture = blend(picture, hex_colour("15204f"), (0.35 + 0.20 * waves) * (1 - sky) * depth)
    path = np.exp(-(((x - 360 - 26 * np.sin(9 * depth + turn)) / (70 + 210 * depth)) ** 2))
    picture = blend(picture, hex_colour("ffcf8f"), path * np.clip(0.35 + 0.9 * waves, 0, 1) * (1 - sky) * 0.85)
    for cloud, (level, width, colour) in enumerate(((170, 240, "a04a86"), (300, 300, "f07f86"), (430, 220, "ffc28a"))):
        at_x = 360 + 210 * math.sin(turn + 2.3 * cloud)
        band = np.exp(-(((x - at_x) / width) ** 2) - ((y - level - 14 * np.sin(x / 70 + turn)) / 26) ** 2)
        picture = blend(picture, hex_colour(colour), 0.55 * band)
    return picture


BACKGROUNDS = {
    "background_001": Background(1080, 1920, 30, 20, 2, 8, paint_northern_lights),
    "background_002": Background(1920, 1080, 25, 12, 1, 4, paint_hills),
    "background_003": Background(720, 1280, 60, 8, 1, 4, paint_sunset),
}


def frames(background: Background) -> Iterator[bytes]:
    """The loop's pictures, reduced, as 16-bit RGB: 8 bits would show steps in the gradients once enlarged."""
    step = background.reduction
    x = (np.arange(background.width // step, dtype=np.float32)[None, :] + 0.5) * step
    y = (np.arange(background.height // step, dtype=np.float32)[:, None] + 0.5) * step
    count = background.frames_per_second * background.seconds // background.loops
    for index in range(count):
        picture = np.clip(background.paint(x, y, index / count), 0, 1)
        yield (picture * 65535).astype("<u2").tobytes()


def make_background(background: Background, path: Path) -> None:
    step = background.reduction
    once = path.with_name(f"{path.name}.once")
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "rawvideo", "-pix_fmt", "rgb48le"]
    argv += ["-s", f"{background.width // step}x{background.height // step}", "-r", str(background.frames_per_second)]
    argv += ["-i", "-", "-vf", f"scale={background.width}:{background.height}:flags=bicubic,format=yuv420p"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "25", "-f", "mp4", str(once)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        for frame in frames(background):
            encoder.stdin.write(frame)
        encoder.stdin.close()
    if encoder.returncode != 0:
        raise subprocess.CalledProcessError(encoder.returncode, argv)
    repeat = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-stream_loop", str(background.loops - 1), "-i", str(once)]
    subprocess.run([*repeat, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", str(path)], check=True)
    once.unlink()


def make_recording(voice: SampleVoice, path: Path) -> None:
    samples = speak(voice.text, pitch_hz=voice.pitch_hz, seconds=voice.seconds)
    samples = np.concatenate([samples, np.zeros(round(PAUSE_AFTER_SECONDS * SAMPLE_RATE_HZ))])
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples / np.abs(samples).max() * 0.7 * 32767).astype("<i2").tobytes())


def make_text(voice: SampleVoice, path: Path) -> None:
    path.write_text(voice.text, encoding="utf-8")


def make_portrait(look: Look, expression: Expression, path: Path) -> None:
    draw_portrait(look, expression).save(path, format="PNG")


def make_mp3(recording: Path, path: Path) -> None:
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(recording)]
    subprocess.run([*argv, "-c:a", "libmp3lame", "-b:a", "96k", "-f", "mp3", str(path)], check=True)


def make_missing(path: Path, make: Callable[[Path], object]) -> None:
    """The file is there, whole: made under another name, unless it was there."""
    if path.exists():
        return
    unfinished = path.with_name(f".{path.name}.unfinished")
    make(unfinished)
    unfinished.replace(path)
    print(f"made {path}")


def make_samples(folder: Path) -> None:
    """Every sample is in the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, voice in VOICES.items():
        make_missing(folder / f"{name}.txt", partial(make_text, voice))
        make_missing(folder / f"{name}.wav", partial(make_recording, voice))
    make_missing(folder / "voice_b.mp3", partial(make_mp3, folder / "voice_b.wav"))
    for name, (look, expression) in PORTRAITS.items():
        make_missing(folder / f"{name}.png", partial(make_portrait, look, expression))
    for name, background in BACKGROUNDS.items():
        make_missing(folder / f"{name}.mp4", partial(make_background, background))


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes sample recordings, portraits and backgrounds.")
    parser.add_argument("folder", type=Path, metavar="OUT_DIR")
    make_samples(parser.parse_args().folder)


if __name__ == "__main__":
    main()

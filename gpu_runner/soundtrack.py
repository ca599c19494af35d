"""The spoken lines at one loudness, and the one sound file that the video is made with."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpu_runner.ffmpeg import GLOBAL_OPTIONS, PROTOCOLS, capture_ffmpeg
from gpu_runner.interruption import Check
from gpu_runner.loudness import (
    BIN_SAMPLES,
    TARGET_LUFS,
    Samples,
    at_target_loudness,
    integrated_lufs,
    k_weighted,
    limited,
    voiced_ranges,
)
from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange, Timeline

LONGEST_LINE_SECONDS = 120  # what is longer is a fault of the voice and is cut, so that memory stays bounded

_DECODING_TIMEOUT_SECONDS = 60
_FULL_SCALE = 32_767
_LARGEST_CORRECTION_DB = 6.0


class UnusableLineError(Exception):
    """A line's sound has no sample."""


@dataclass(frozen=True, slots=True)
class LineAudio:
    """A line's sound at its final loudness: mono 16-bit WAV at 48 kHz."""

    path: Path
    sample_count: int
    voiced: tuple[SampleRange, ...]


def normalise_line(source: Path, target: Path, *, check: Check | None = None) -> LineAudio:
    """Write the WAV file `source` to `target` at 48 kHz and -16 LUFS; nothing is trimmed.

    Silence stays silence. Raises FfmpegError if `source` is no WAV file, UnusableLineError if it is empty, and what
    `check` raises, which is asked while the file is decoded.
    """
    argv = [
        *("ffmpeg", *GLOBAL_OPTIONS, *PROTOCOLS, "-format_whitelist", "wav", "-f", "wav"),
        *("-i", str(source.absolute()), "-map", "0:a:0", "-t", str(LONGEST_LINE_SECONDS)),
        *("-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"),
    ]
    decoded = capture_ffmpeg(argv, timeout_seconds=_DECODING_TIMEOUT_SECONDS, check=check)
    samples: Samples = np.nan_to_num(np.frombuffer(decoded, dtype=np.float32), posinf=0.0, neginf=0.0)
    if len(samples) == 0:
        raise UnusableLineError("the line holds no sound")
    samples = at_target_loudness(samples)
    partial = target.with_name(f".{target.name}.part")
    with wave.open(str(partial), "wb") as writer:
        _set_format(writer)
        writer.writeframes(_to_pcm(samples))
    partial.replace(target)
    return LineAudio(path=target, sample_count=len(samples), voiced=voiced_ranges(samples))


def join_lines(lines: Sequence[Path], timeline: Timeline, target: Path, *, check: Check = lambda: None) -> None:
    """Write the lines where the timeline has them to `target`: mono 16-bit WAV at 48 kHz, exactly as long as the video.

    The whole is brought to -16 LUFS, since many short lines with pauses between measure fainter than each alone.
    Memory holds one line at a time. `check` is asked before each; what it raises passes through.
    """
    gain_db = _correction_db(lines, timeline, check)
    gain = np.float32(10 ** (gain_db / 20))
    partial = target.with_name(f".{target.name}.part")
    with wave.open(str(partial), "wb") as writer:
        _set_format(writer)
        written = 0
        for path, segment in zip(lines, timeline.segments, strict=True):
            check()
            samples = _read_samples(path)
            if len(samples) != segment.samples.end - segment.samples.start:
                raise UnusableLineError("the line's sound is not as long as the timeline says")
            writer.writeframes(bytes(2 * (segment.samples.start - written)))
            writer.writeframes(_to_pcm(limited(samples * gain)))
            written = segment.samples.end
        writer.writeframes(bytes(2 * (timeline.sample_count - written)))
    partial.replace(target)


def _correction_db(lines: Sequence[Path], timeline: Timeline, check: Check) -> float:
    """How much the joined lines lack to TARGET_LUFS; bounded, since only pauses should make a difference."""
    powers = np.zeros(timeline.sample_count // BIN_SAMPLES + 1)
    for path, segment in zip(lines, timeline.segments, strict=True):
        check()
        squares = np.square(k_weighted(_read_samples(path)))
        first_bin, offset = divmod(segment.samples.start, BIN_SAMPLES)
        squares = np.pad(squares, (offset, -(offset + len(squares)) % BIN_SAMPLES))
        means = squares.reshape(-1, BIN_SAMPLES).mean(axis=1, dtype=np.float64)
        reach = powers[first_bin : first_bin + len(means)]
        reach += means[: len(reach)]
    loudness_lufs = integrated_lufs(powers[:-1])
    if loudness_lufs is None:
        return 0.0
    return float(np.clip(TARGET_LUFS - loudness_lufs, -_LARGEST_CORRECTION_DB, _LARGEST_CORRECTION_DB))


def _set_format(writer: wave.Wave_write) -> None:
    writer.setnchannels(1)
    writer.setsampwidth(2)
    writer.setframerate(SAMPLE_RATE_HZ)


def _to_pcm(samples: Samples) -> bytes:
    return np.round(np.clip(samples, -1.0, 1.0) * _FULL_SCALE).astype("<i2").tobytes()


def _read_samples(path: Path) -> Samples:
    """The samples of a file that normalise_line wrote."""
    with wave.open(str(path), "rb") as reader:
        if (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) != (1, 2, SAMPLE_RATE_HZ):
            raise UnusableLineError("the line is not mono 16-bit at 48 kHz")
        pcm = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
    return pcm.astype(np.float32) / np.float32(_FULL_SCALE)

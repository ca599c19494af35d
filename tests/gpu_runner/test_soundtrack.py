from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gpu_runner.ffmpeg import FfmpegError
from gpu_runner.soundtrack import UnusableLineError, join_lines, normalise_line
from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange, SpokenLine, Timeline, build_timeline
from tests.media import level_dbfs, loudness_lufs, sound_of, tone, write_espeak, write_playlist, write_wav


def lines_and_timeline(folder: Path, lengths_seconds: list[float]) -> tuple[list[Path], Timeline]:
    paths: list[Path] = []
    lines: list[SpokenLine] = []
    for index, seconds in enumerate(lengths_seconds):
        source = write_wav(folder / f"voice{index}.wav", tone(seconds, sample_rate_hz=24_000), sample_rate_hz=24_000)
        line = normalise_line(source, folder / f"line{index}.wav")
        paths.append(line.path)
        lines.append(SpokenLine(speaker="ada", text="", sample_count=line.sample_count, voiced=line.voiced))
    return paths, build_timeline(lines, picture_counts={})


@pytest.mark.parametrize("sample_rate_hz", [22_050, 24_000, 48_000])
def test_a_line_keeps_its_length_at_any_rate(tmp_path: Path, sample_rate_hz: int) -> None:
    source = write_wav(tmp_path / "voice.wav", tone(0.8, sample_rate_hz=sample_rate_hz), sample_rate_hz=sample_rate_hz)
    line = normalise_line(source, tmp_path / "line.wav")
    assert line.sample_count == pytest.approx(0.8 * SAMPLE_RATE_HZ, abs=32)


def test_speech_comes_to_the_target_loudness(tmp_path: Path) -> None:
    source = write_espeak(tmp_path / "voice.wav", "The quick brown fox jumps. Over the lazy dog, it seems!")
    normalise_line(source, tmp_path / "line.wav")
    assert loudness_lufs(tmp_path / "line.wav") == pytest.approx(-16.0, abs=0.5)


def test_a_silent_line_stays_silent(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "voice.wav", np.zeros(24_000), sample_rate_hz=24_000)
    line = normalise_line(source, tmp_path / "line.wav")
    assert not sound_of(line.path).any()


def test_a_line_without_a_sample_is_refused(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "voice.wav", np.zeros(0))
    with pytest.raises(UnusableLineError):
        normalise_line(source, tmp_path / "line.wav")


def playlist_of_another_file(folder: Path) -> Path:
    return write_playlist(folder / "voice.wav")


def text_file(folder: Path) -> Path:
    path = folder / "voice.wav"
    path.write_text("this is no sound")
    return path


@pytest.mark.parametrize("make", [playlist_of_another_file, text_file])
def test_what_only_calls_itself_wav_is_refused_and_leaves_nothing(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    source = make(tmp_path)
    with pytest.raises(FfmpegError):
        normalise_line(source, tmp_path / "line.wav")
    assert not [path for path in tmp_path.iterdir() if "line" in path.name]


def test_the_joined_sound_is_exactly_as_long_as_the_timeline(tmp_path: Path) -> None:
    paths, timeline = lines_and_timeline(tmp_path, [0.31, 0.5])
    join_lines(paths, timeline, tmp_path / "all.wav")
    assert len(sound_of(tmp_path / "all.wav")) == timeline.sample_count


def test_lines_are_heard_in_their_windows_and_nothing_between(tmp_path: Path) -> None:
    paths, timeline = lines_and_timeline(tmp_path, [0.4, 0.3, 0.5])
    join_lines(paths, timeline, tmp_path / "all.wav")
    sound = sound_of(tmp_path / "all.wav")[:, 0]
    heard = np.zeros(len(sound), dtype=bool)
    for segment in timeline.segments:
        heard[segment.samples.start : segment.samples.end] = True
    assert not sound[~heard].any()
    levels = [
        level_dbfs(sound, segment.samples.start / SAMPLE_RATE_HZ, segment.samples.end / SAMPLE_RATE_HZ)
        for segment in timeline.segments
    ]
    assert min(levels) > -25


@pytest.mark.parametrize("lengths_seconds", [[1.5], [0.4, 2.0, 0.3], [0.15] * 12], ids=["one", "three", "short ones"])
def test_the_whole_comes_to_the_target_loudness_pauses_included(tmp_path: Path, lengths_seconds: list[float]) -> None:
    paths, timeline = lines_and_timeline(tmp_path, lengths_seconds)
    join_lines(paths, timeline, tmp_path / "all.wav")
    assert loudness_lufs(tmp_path / "all.wav") == pytest.approx(-16.0, abs=0.6)


def test_a_line_that_is_not_as_long_as_the_timeline_says_is_refused(tmp_path: Path) -> None:
    paths, _ = lines_and_timeline(tmp_path, [0.4])
    wrong = build_timeline([SpokenLine("ada", "", 48_000, (SampleRange(0, 48_000),))], picture_counts={})
    with pytest.raises(UnusableLineError):
        join_lines(paths, wrong, tmp_path / "all.wav")

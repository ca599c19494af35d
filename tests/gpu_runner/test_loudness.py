from pathlib import Path

import numpy as np
import pytest

from gpu_runner.loudness import (
    GAIN_LIMIT_DB,
    PEAK_LIMIT_DBTP,
    TARGET_LUFS,
    Samples,
    at_target_loudness,
    limited,
    line_lufs,
    voiced_ranges,
)
from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange
from tests.media import loudness_lufs, tone, true_peak_dbtp, write_wav


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), dtype=np.float32)


def clicks(seconds: float) -> Samples:
    """Faint sound under sharp full-scale peaks, as of a voice that pops."""
    samples = tone(seconds, peak=0.05)
    samples[:: SAMPLE_RATE_HZ // 20] = 1.0
    return samples


@pytest.mark.parametrize("seconds", [0.45, 1.0, 3.33])
@pytest.mark.parametrize("hertz", [60.0, 1000.0, 6000.0])
def test_the_meter_agrees_with_ffmpegs(tmp_path: Path, seconds: float, hertz: float) -> None:
    samples = np.concatenate([tone(seconds, hertz=hertz), tone(seconds, hertz=hertz, peak=0.01)])
    path = write_wav(tmp_path / "sound.wav", samples)
    assert line_lufs(samples) == pytest.approx(loudness_lufs(path), abs=0.15)


@pytest.mark.parametrize("peak", [0.02, 0.2, 1.0])
def test_a_line_of_any_strength_comes_to_the_target(tmp_path: Path, peak: float) -> None:
    path = write_wav(tmp_path / "line.wav", at_target_loudness(tone(1.5, peak=peak)))
    assert loudness_lufs(path) == pytest.approx(TARGET_LUFS, abs=0.3)


def test_peaks_are_limited_and_the_loudness_is_reached_all_the_same(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "line.wav", at_target_loudness(clicks(2)))
    assert true_peak_dbtp(path) <= PEAK_LIMIT_DBTP + 0.2
    assert loudness_lufs(path) == pytest.approx(TARGET_LUFS, abs=0.5)


def test_what_lies_below_the_limit_is_not_touched() -> None:
    samples = tone(0.5, peak=0.8)
    assert np.array_equal(limited(samples), samples)


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.2, 1.0])
def test_silence_stays_silence(seconds: float) -> None:
    assert not at_target_loudness(silence(seconds)).any()


def test_a_line_far_too_faint_is_raised_by_the_limit_only() -> None:
    faint = tone(1, peak=0.001)
    assert np.abs(at_target_loudness(faint)).max() == pytest.approx(0.001 * 10 ** (GAIN_LIMIT_DB / 20), rel=0.01)


def test_a_line_shorter_than_a_meters_block_comes_to_the_target() -> None:
    assert line_lufs(at_target_loudness(tone(0.1, peak=0.1))) == pytest.approx(TARGET_LUFS, abs=0.2)


def test_voice_and_pause_are_told_apart() -> None:
    samples = np.concatenate([silence(0.3), tone(0.5), silence(0.4), tone(0.6, peak=0.2), silence(0.2)])
    bounds = [(part.start / SAMPLE_RATE_HZ, part.end / SAMPLE_RATE_HZ) for part in voiced_ranges(samples)]
    assert bounds == [pytest.approx((0.3, 0.8), abs=0.02), pytest.approx((1.2, 1.8), abs=0.02)]


def test_a_gap_as_short_as_a_plosive_is_bridged() -> None:
    samples = np.concatenate([tone(0.5), silence(0.08), tone(0.5)])
    assert len(voiced_ranges(samples)) == 1


def test_of_silence_everything_counts_as_voiced() -> None:
    assert voiced_ranges(silence(0.5)) == (SampleRange(0, 24_000),)

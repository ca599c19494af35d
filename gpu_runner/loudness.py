"""Loudness by ITU-R BS.1770-4, a true-peak limiter and the voiced parts of speech, on mono samples at 48 kHz.

The sound is played from both speakers of the video's stereo track, so one channel counts twice.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange

Samples = NDArray[np.float32]
"""Mono sound, full scale at 1.0."""

TARGET_LUFS = -16.0
PEAK_LIMIT_DBTP = -1.5
GAIN_LIMIT_DB = 24.0  # a line fainter than that is a fault, and raising it would only raise its noise
BIN_SAMPLES = SAMPLE_RATE_HZ // 10  # BS.1770's blocks of 400 ms start every 100 ms

_BINS_PER_BLOCK = 4
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = 10.0
_SETTLE_SAMPLES = SAMPLE_RATE_HZ // 4  # by then the K-weighting has died away by more than 60 dB
_OVERSAMPLING = 4  # what BS.1770 asks of a true-peak meter
_LIMITER_REACH_SAMPLES = SAMPLE_RATE_HZ // 200  # 5 ms before and after a peak
_LOUDNESS_TOLERANCE_LU = 0.1
_LIMITING_ROUNDS = 4

_VOICE_FRAME_SAMPLES = SAMPLE_RATE_HZ // 100
_VOICE_BELOW_LOUD_DB = 30.0
_VOICE_FLOOR_DBFS = -55.0
_SHORTEST_GAP_FRAMES = 12  # 120 ms: the closure of a plosive is shorter, a pause longer
_SHORTEST_VOICE_FRAMES = 4


def integrated_lufs(bin_powers: NDArray[np.float64]) -> float | None:
    """The integrated loudness of sound whose K-weighted mean squares per 100 ms are given; None for silence.

    Sound shorter than a block counts as one block.
    """
    reach = min(_BINS_PER_BLOCK, len(bin_powers))
    if reach == 0:
        return None
    blocks = np.convolve(bin_powers, np.full(reach, 1 / reach), mode="valid")
    heard = blocks[_lufs_of_powers(blocks) > _ABSOLUTE_GATE_LUFS]
    if heard.size == 0:
        return None
    gate_lufs = _lufs_of_powers(heard.mean(keepdims=True))[0] - _RELATIVE_GATE_LU
    loud = heard[_lufs_of_powers(heard) > gate_lufs]
    return float(_lufs_of_powers(loud.mean(keepdims=True))[0])


def line_lufs(samples: Samples) -> float | None:
    """The integrated loudness of one line; None for silence. A last bin that is not full is measured as it is."""
    squares = np.square(k_weighted(samples)[: len(samples)])
    starts = np.arange(0, len(squares), BIN_SAMPLES)
    if len(starts) > _BINS_PER_BLOCK:  # as every meter does: what does not fill a bin is left out
        starts = np.arange(0, len(squares) - BIN_SAMPLES + 1, BIN_SAMPLES)
        squares = squares[: len(starts) * BIN_SAMPLES]
    sums = np.add.reduceat(squares, starts, dtype=np.float64) if len(squares) else np.zeros(0)
    if len(starts) <= _BINS_PER_BLOCK:
        return integrated_lufs(np.array([sums.sum() / max(len(squares), 1)]))
    return integrated_lufs(sums / BIN_SAMPLES)


def k_weighted(samples: Samples) -> Samples:
    """The samples as loudness is felt, followed by 0.25 s in which the filter dies away."""
    length = len(samples) + _SETTLE_SAMPLES
    spectrum = np.fft.rfft(samples, length)
    spectrum *= _k_weighting(length)
    return np.fft.irfft(spectrum, length).astype(np.float32)


def at_target_loudness(samples: Samples) -> Samples:
    """The line at TARGET_LUFS and below PEAK_LIMIT_DBTP; silence, and a line too faint to be raised, stay faint."""
    loudness_lufs = line_lufs(samples)
    if loudness_lufs is None:
        return samples
    gain_db = min(TARGET_LUFS - loudness_lufs, GAIN_LIMIT_DB)
    result = limited(samples * np.float32(10 ** (gain_db / 20)))
    for _ in range(_LIMITING_ROUNDS):
        # Limiting takes loudness away, so it is given back until the line arrives.
        reached_lufs = line_lufs(result)
        if reached_lufs is None or abs(TARGET_LUFS - reached_lufs) < _LOUDNESS_TOLERANCE_LU:
            break
        gain_db = min(gain_db + TARGET_LUFS - reached_lufs, GAIN_LIMIT_DB)
        result = limited(samples * np.float32(10 ** (gain_db / 20)))
    return result


def limited(samples: Samples) -> Samples:
    """The samples turned down smoothly around every true peak that exceeds PEAK_LIMIT_DBTP."""
    ceiling = 10 ** (PEAK_LIMIT_DBTP / 20)
    # Between two samples the wave can rise above both; 6 dB of room makes the costly measure needless.
    if len(samples) == 0 or float(np.abs(samples).max()) < ceiling / 2:
        return samples
    peaks = _true_peaks(samples)
    if float(peaks.max()) <= ceiling:
        return samples
    gains = np.minimum(1.0, ceiling / np.maximum(peaks, ceiling)).astype(np.float32)
    lowest = _moving_minimum(gains, _LIMITER_REACH_SAMPLES)
    # The mean over a window no wider than the minimum's never lies above the gain that a peak needs.
    width = 2 * _LIMITER_REACH_SAMPLES + 1
    sums = np.cumsum(np.pad(lowest.astype(np.float64), (_LIMITER_REACH_SAMPLES + 1, _LIMITER_REACH_SAMPLES), "edge"))
    smooth = (sums[width:] - sums[:-width]) / width
    return (samples * smooth).astype(np.float32)


def voiced_ranges(samples: Samples) -> tuple[SampleRange, ...]:
    """Where somebody is heard, in order, pauses under 120 ms bridged; one range over everything if nothing stands out.

    A part counts when it lies less than 30 dB below the line's loud parts.
    """
    whole = (SampleRange(0, len(samples)),)
    frame_count = len(samples) // _VOICE_FRAME_SAMPLES
    if frame_count == 0:
        return whole
    frames = samples[: frame_count * _VOICE_FRAME_SAMPLES].reshape(frame_count, _VOICE_FRAME_SAMPLES)
    levels_db = 10 * np.log10(np.mean(np.square(frames), axis=1, dtype=np.float64) + 1e-12)
    threshold_db = max(float(np.percentile(levels_db, 95)) - _VOICE_BELOW_LOUD_DB, _VOICE_FLOOR_DBFS)
    edges = np.flatnonzero(np.diff(np.pad((levels_db > threshold_db).astype(np.int8), 1)))
    runs: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] < _SHORTEST_GAP_FRAMES:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    ranges = tuple(
        SampleRange(start * _VOICE_FRAME_SAMPLES, end * _VOICE_FRAME_SAMPLES)
        for start, end in runs
        if end - start >= _SHORTEST_VOICE_FRAMES
    )
    return ranges or whole


def _lufs_of_powers(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    return -0.691 + 10 * np.log10(2 * powers + 1e-20)


@cache
def _k_weighting_coefficients() -> tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]:
    """Numerator and denominator of BS.1770's two filters at 48 kHz, from its tables 1 and 2."""
    shelf = (
        np.array([1.53512485958697, -2.69169618940638, 1.19839281085285]),
        np.array([1.0, -1.69065929318241, 0.73248077421585]),
    )
    high_pass = (np.array([1.0, -2.0, 1.0]), np.array([1.0, -1.99004745483398, 0.99007225036621]))
    return shelf, high_pass


def _k_weighting(length: int) -> NDArray[np.complex64]:
    """The filters' answer at every frequency of a real spectrum of `length` samples."""
    delay = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length)
    answer: NDArray[np.complex64] = np.ones(len(delay), dtype=np.complex64)
    for numerator, denominator in _k_weighting_coefficients():
        answer = answer * (np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay))
    return answer


def _true_peaks(samples: Samples) -> Samples:
    """The highest magnitude between each sample and the next, seen at four times the rate."""
    length = len(samples) + _SETTLE_SAMPLES  # room, so that the end does not ring into the beginning
    spectrum = np.fft.rfft(samples, length)
    fine = np.abs(np.fft.irfft(spectrum, length * _OVERSAMPLING)[: len(samples) * _OVERSAMPLING]) * _OVERSAMPLING
    peaks: Samples = fine.reshape(-1, _OVERSAMPLING).max(axis=1).astype(np.float32)
    return peaks


def _moving_minimum(values: Samples, reach: int) -> Samples:
    """The least of the values from `reach` before to `reach` after each one, in time that does not depend on reach."""
    width = 2 * reach + 1
    count = len(values)
    row_count = -(-(count + 2 * reach) // width)
    rows = np.pad(values, (reach, row_count * width - count - reach), constant_values=1.0).reshape(row_count, width)
    from_left = np.minimum.accumulate(rows, axis=1).ravel()
    from_right = np.minimum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].ravel()
    minimum: Samples = np.minimum(from_right[:count], from_left[width - 1 : width - 1 + count])
    return minimum

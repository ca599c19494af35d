"""espeak-ng at a wanted pitch and length, and the measurements on sound that this takes.

Sound is mono and float64 in -1..1; spoken sound has SAMPLE_RATE_HZ.
"""

import subprocess
import unicodedata

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 24_000
FRAME_SECONDS = 0.01
EDGE_DBFS = -42.0  # below this a recording's edges are silence: F5-TTS 1.1.22, utils_infer.remove_silence_edges

# espeak-ng 1.51 speaks 80 to 450 words a minute (its manual); below 80 it answers with 80.
SLOWEST_WORDS_PER_MINUTE = 80
FASTEST_WORDS_PER_MINUTE = 450
USUAL_WORDS_PER_MINUTE = 175

# Median pitch in Hz of a 90-byte English sentence for espeak-ng's -p 0, 10 .. 90, 99, measured with median_pitch_hz.
LOW_VOICE = ""
LOW_VOICE_PITCHES_HZ = (71, 74, 78, 83, 91, 100, 111, 122, 136, 152, 168)
HIGH_VOICE = "+f3"
HIGH_VOICE_PITCHES_HZ = (145, 153, 163, 176, 192, 208, 229, 249, 276, 302, 334)
PITCH_SETTINGS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 99)
HIGH_VOICE_FROM_HZ = 155.0
LOWEST_PITCH_HZ, HIGHEST_PITCH_HZ = 60.0, 500.0
LONGEST_MEASURED_SECONDS = 12  # frames of 12 s take about 100 MB to measure

VOICE_BY_SCRIPT = {
    "CYRILLIC": "ru",
    "GREEK": "el",
    "DEVANAGARI": "hi",
    "CJK": "cmn",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "HEBREW": "he",
}

Samples = npt.NDArray[np.float64]


def loud_frames(samples: Samples, sample_rate_hz: int, *, threshold_dbfs: float) -> npt.NDArray[np.bool_]:
    """Which frames of 10 ms are at least this loud; an unfinished last frame is left out."""
    frame = round(FRAME_SECONDS * sample_rate_hz)
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loud: npt.NDArray[np.bool_] = np.sqrt(np.mean(frames**2, axis=1)) >= 10 ** (threshold_dbfs / 20)
    return loud


def trim_edges(samples: Samples, sample_rate_hz: int) -> Samples:
    loud = np.flatnonzero(loud_frames(samples, sample_rate_hz, threshold_dbfs=EDGE_DBFS))
    if not loud.size:
        return samples[:0]
    frame = round(FRAME_SECONDS * sample_rate_hz)
    return samples[loud[0] * frame : (loud[-1] + 1) * frame]


def median_pitch_hz(samples: Samples, sample_rate_hz: int) -> float | None:
    """The median fundamental frequency of the voiced 50 ms frames, by autocorrelation; None if hardly any is voiced.

    Sound after the first 12 s is not looked at.
    Each frame's autocorrelation is divided by its window's (Boersma 1993). Of the peaks within 10 % of the highest the
    shortest lag is taken, which keeps the estimate from falling an octave.
    """
    samples = samples[: LONGEST_MEASURED_SECONDS * sample_rate_hz]
    length, hop = round(0.05 * sample_rate_hz), round(FRAME_SECONDS * sample_rate_hz)
    if len(samples) < length:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::hop]
    frames = frames - frames.mean(axis=1, keepdims=True)
    energy = np.mean(frames**2, axis=1)
    frames = frames[(energy > 0.05 * np.percentile(energy, 95)) & (energy > 1e-8)]
    if not len(frames):
        return None
    window, size = np.hanning(length), 1 << (2 * length - 1).bit_length()
    shortest, longest = int(sample_rate_hz / HIGHEST_PITCH_HZ), int(sample_rate_hz / LOWEST_PITCH_HZ)
    autocorrelation = np.fft.irfft(np.abs(np.fft.rfft(frames * window, size)) ** 2, size)[:, : longest + 2]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, size)[: longest + 2]
    strength = (autocorrelation / autocorrelation[:, :1] / (of_window / of_window[0]))[:, shortest - 1 :]
    highest = strength.max(axis=1, keepdims=True)
    inner = strength[:, 1:-1]
    peaks = (inner >= strength[:, :-2]) & (inner >= strength[:, 2:]) & (inner >= 0.9 * highest)
    voiced = (highest[:, 0] > 0.6) & peaks.any(axis=1)
    if np.count_nonzero(voiced) < 5:
        return None
    return float(np.median(sample_rate_hz / (peaks[voiced].argmax(axis=1) + shortest)))


def espeak(text: str, *, voice: str, pitch_setting: int, words_per_minute: int) -> tuple[Samples, int]:
    """The text as espeak-ng speaks it, edges trimmed, with its sample rate in Hz. The text is only ever spoken."""
    # "[[" would begin phoneme codes, and control characters can end the text early.
    plain = "".join(" " if unicodedata.category(character) == "Cc" else character for character in text)
    argv = ["espeak-ng", "-b", "1", "-v", voice, "-p", str(pitch_setting), "-s", str(words_per_minute)]
    spoken = subprocess.run(
        [*argv, "--stdin", "--stdout"],
        input=plain.replace("[[", "[ [").encode(errors="replace"),
        capture_output=True,
        check=True,
    ).stdout
    # The header's sizes mean nothing when espeak-ng writes to a pipe; the samples begin after "data" + 4 bytes.
    if b"data" not in spoken:
        return np.zeros(0), SAMPLE_RATE_HZ
    sample_rate_hz = int.from_bytes(spoken[24:28], "little")
    sound = spoken[spoken.index(b"data") + 8 :]
    samples = np.frombuffer(sound[: len(sound) // 2 * 2], dtype="<i2").astype(np.float64) / 32768
    return trim_edges(samples, sample_rate_hz), sample_rate_hz


def speak(text: str, *, pitch_hz: float, seconds: float) -> Samples:
    """The text spoken at this median pitch, as close to this many seconds as espeak-ng's slowest and fastest allow.

    What espeak-ng's setting cannot reach is made up by resampling, a quarter either way. A text without anything to
    say (only emoji, say) is hummed.
    """
    if not any(character.isalnum() for character in text):
        text = "hmm"
    high = pitch_hz >= HIGH_VOICE_FROM_HZ
    voice = spoken_language(text) + (HIGH_VOICE if high else LOW_VOICE)
    reachable_hz = HIGH_VOICE_PITCHES_HZ if high else LOW_VOICE_PITCHES_HZ
    aim_hz, words_per_minute, factor = pitch_hz, float(USUAL_WORDS_PER_MINUTE), 1.0
    for last in (False, False, True):
        setting = round(float(np.interp(aim_hz, reachable_hz, PITCH_SETTINGS)))
        samples, rate_hz = espeak(text, voice=voice, pitch_setting=setting, words_per_minute=round(words_per_minute))
        if not samples.size:
            return speak("hmm", pitch_hz=pitch_hz, seconds=seconds)
        heard_hz = median_pitch_hz(samples, rate_hz)
        factor = 1.0 if heard_hz is None else min(max(pitch_hz / heard_hz, 0.8), 1.25)
        if not last:
            aim_hz = min(max(aim_hz * factor, reachable_hz[0]), reachable_hz[-1])
            words_per_minute *= len(samples) / rate_hz / factor / seconds
            words_per_minute = min(max(words_per_minute, SLOWEST_WORDS_PER_MINUTE), FASTEST_WORDS_PER_MINUTE)
    count = round(len(samples) * SAMPLE_RATE_HZ / rate_hz / factor)
    return np.fft.irfft(np.fft.rfft(samples), count)


def spoken_language(text: str) -> str:
    """espeak-ng's voice for the script that most letters are written in; English for Latin and unknown scripts."""
    scripts = [unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha()]
    most = max(scripts, key=scripts.count, default="")
    return VOICE_BY_SCRIPT.get(most, "en-us")

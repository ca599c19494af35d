"""A voice's recording, made of whatever was uploaded: at most 12 s, mono, 24 kHz, 16 bit, WAV.

F5-TTS takes a reference of at most 12 s and works at 24 kHz (SWivid/F5-TTS, utils_infer.py); what it would cut by
itself we cut once, so that the transcript is that of the clip. Runs in the child process of characters.decoding.
"""

import io
import wave
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import av
import av.error
import numpy as np
import numpy.typing as npt

from characters.limits import (
    EARLIEST_CUT_SECONDS,
    MAX_CLIP_SECONDS,
    MIN_RECORDING_SECONDS,
    RECORDING_FORMATS,
)
from characters.refusals import UploadRefused

if TYPE_CHECKING:
    from av.container import InputContainer

Samples = npt.NDArray[np.float32]

SAMPLE_RATE_HZ = 24_000
# A little past the limit is decoded, to see whether the recording goes on and whether a pause begins at the limit.
_DECODED_SECONDS = 13.0
# Under these there is nothing to clone: full scale is 0 dBFS, quiet speech peaks around -30.
MIN_PEAK_DBFS = -40.0
MIN_RMS_DBFS = -55.0

_WINDOW = SAMPLE_RATE_HZ // 100
# Speech falls by more than this between words; the hiss of a room seldom reaches so high.
_PAUSE_BELOW_LOUD_DB = 25.0
_MIN_PAUSE_SECONDS = 0.15
# How much of the pause stays in the clip: an abrupt end is heard in what is spoken with the voice.
_KEPT_PAUSE_SECONDS = 0.3
_FADE_SECONDS = 0.02

_FLOAT_FORMATS = frozenset({"flt", "fltp", "dbl", "dblp"})
_MAX_CHANNELS = 8
_SAMPLE_RATES_HZ = range(8_000, 192_001)
# A damaged file's bad packets are skipped, a hostile one's are not skipped for ever.
_MAX_BAD_PACKETS = 100

# The container's demuxer in FFmpeg by its magic bytes: offset, bytes.
_MAGIC = (
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (4, b"ftyp", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"ID3", "mp3"),
)
_DECODERS = frozenset(
    {
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_s16be", "pcm_alaw", "pcm_mulaw",
        "adpcm_ms", "adpcm_ima_wav", "mp3", "mp3float", "aac", "alac", "flac", "vorbis", "opus", "libopus", "libvorbis",
    }
)  # fmt: skip


class Clip(NamedTuple):
    """A clip as WAV. `was_cut` says that words may be missing which the upload had."""

    wav: bytes
    duration_seconds: float
    was_cut: bool


def make_clip(content: bytes) -> Clip:
    """The clip of an uploaded recording. Raises UploadRefused when it is of no known format, too short or silent."""
    samples, has_ended = decode_start(content)
    if samples.size < MIN_RECORDING_SECONDS * SAMPLE_RATE_HZ:
        seconds = samples.size / SAMPLE_RATE_HZ
        raise UploadRefused(f"The recording lasts {seconds:.1f} s; at least {MIN_RECORDING_SECONDS:g} s are needed.")
    clip, was_cut = cut(samples, has_ended=has_ended)
    # Without a constant level, which makes no sound however high it is, and before that was faded out.
    sound = samples[: clip.size] - samples[: clip.size].mean(dtype=np.float64).astype(np.float32)
    if _dbfs(np.abs(sound).max()) < MIN_PEAK_DBFS or _dbfs(_rms(sound)) < MIN_RMS_DBFS:
        subject = f"its first {MAX_CLIP_SECONDS:g} s stay" if was_cut else "it stays"
        raise UploadRefused(
            f"The recording is silent: {subject} under {MIN_PEAK_DBFS:g} dBFS at the peak "
            f"or {MIN_RMS_DBFS:.0f} dBFS on average."
        )
    return Clip(_wav(clip), clip.size / SAMPLE_RATE_HZ, was_cut)


def container_of(content: bytes) -> str | None:
    """FFmpeg's name of the container that the first bytes are of, None when it is none that we take."""
    for offset, magic, name in _MAGIC:
        if content[offset : offset + len(magic)] == magic and (name != "wav" or content[:4] == b"RIFF"):
            return name
    # An MPEG audio frame with no tag before it: eleven set bits, then the two of layer III.
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE6 == 0xE2:
        return "mp3"
    return None


def decode_start(content: bytes) -> tuple[Samples, bool]:
    """At most the first 13 s, mono at 24 kHz, full scale 1.0, and whether that was everything.

    No header is believed: what counts is what was decoded. Raises UploadRefused when that is nothing.
    """
    demuxer = container_of(content)
    if demuxer is None:
        raise UploadRefused(f"The recording is none of {RECORDING_FORMATS}.")
    wanted = int(_DECODED_SECONDS * SAMPLE_RATE_HZ)
    pieces: list[Samples] = []
    count = 0
    try:
        with av.open(
            io.BytesIO(content),
            mode="r",
            format=demuxer,
            # Titles in other encodings than UTF-8 are nothing to fail for.
            metadata_errors="replace",
            # Nothing but these bytes is read: no protocol, no other demuxer (playlists, concat), no exotic decoder.
            container_options={
                "protocol_whitelist": "none",
                "format_whitelist": demuxer,
                "codec_whitelist": ",".join(sorted(_DECODERS)),
            },
        ) as container:
            for piece in _decoded(container):
                pieces.append(piece)
                count += piece.size
                if count >= wanted:
                    break
    except (av.error.FFmpegError, ValueError) as error:
        # A file that breaks off keeps what was decoded before.
        if not count:
            raise UploadRefused(f"The recording cannot be decoded; send {RECORDING_FORMATS}.") from error
    if not count:
        raise UploadRefused("The recording has no sound track that can be decoded.")
    return np.concatenate(pieces)[:wanted], count < wanted


def _decoded(container: "InputContainer") -> Iterator[Samples]:
    """The first sound track's samples, mono at 24 kHz, as far as somebody asks for them."""
    if not container.streams.audio:
        return
    stream = container.streams.audio[0]
    # A file may name a codec that FFmpeg does not know, for which it makes no context.
    if stream.codec_context is None or stream.codec_context.name not in _DECODERS:
        return
    stream.codec_context.thread_count = 1
    # To integers: only then FFmpeg scales the channels' sum to what fits (libswresample's rematrix_maxval).
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    bad_packets = 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            bad_packets += 1
            if bad_packets > _MAX_BAD_PACKETS:
                return
            continue
        for frame in frames:
            _check(frame)
            # Samples follow each other; what the file says about their time is not needed.
            frame.pts = None
            for resampled in resampler.resample(frame):
                yield _floats(resampled)
    for resampled in resampler.resample(None):
        yield _floats(resampled)


def _check(frame: av.AudioFrame) -> None:
    """Raises UploadRefused for what no recording of a voice has."""
    if frame.layout.nb_channels > _MAX_CHANNELS or frame.sample_rate not in _SAMPLE_RATES_HZ:
        raise UploadRefused(
            f"The recording has {frame.layout.nb_channels} channels at {frame.sample_rate} Hz; "
            f"at most {_MAX_CHANNELS}, {_SAMPLE_RATES_HZ.start} to {_SAMPLE_RATES_HZ.stop - 1} Hz."
        )
    if frame.format.name in _FLOAT_FORMATS and not np.isfinite(frame.to_ndarray()).all():
        raise UploadRefused("The recording holds samples that are not finite numbers.")


def _floats(frame: av.AudioFrame) -> Samples:
    samples: Samples = frame.to_ndarray()[0].astype(np.float32) / 32768
    return samples


def cut(samples: Samples, *, has_ended: bool) -> tuple[Samples, bool]:
    """At most 12 s: all of it, or up to the longest pause between 6 and 12 s (the last of equals), or 12 s faded out.

    Second, whether words may have been lost: not when all that is missing is the silence of the recording's end.
    """
    limit = int(MAX_CLIP_SECONDS * SAMPLE_RATE_HZ)
    if samples.size <= limit:
        return samples, not has_ended
    quiet = _quiet_windows(samples)
    if has_ended and quiet[limit // _WINDOW :].all():
        return samples[:limit], False
    pause = _longest_pause(quiet)
    if pause is not None:
        start, stop = pause
        kept = start + min(stop - start, round(_KEPT_PAUSE_SECONDS * SAMPLE_RATE_HZ / _WINDOW))
        return samples[: kept * _WINDOW], True
    clip = samples[:limit].copy()
    fade = int(_FADE_SECONDS * SAMPLE_RATE_HZ)
    clip[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return clip, True


def _quiet_windows(samples: Samples) -> npt.NDArray[np.bool_]:
    """For each 10 ms whether it is far quieter than the loud parts."""
    windows = samples[: samples.size // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    levels = 20 * np.log10(np.sqrt(np.mean(np.square(windows), axis=1)) + 1e-9)
    # Nineteen of twenty windows are quieter. Not numpy's percentile: it imports more when it is first called.
    loud = np.sort(levels)[levels.size * 95 // 100]
    return np.asarray(levels < loud - _PAUSE_BELOW_LOUD_DB)


def _longest_pause(quiet: npt.NDArray[np.bool_]) -> tuple[int, int] | None:
    """The windows from and up to which it is quiet, within 6 to 12 s; None when no pause is long enough."""
    windows_per_second = SAMPLE_RATE_HZ // _WINDOW
    first, last = int(EARLIEST_CUT_SECONDS * windows_per_second), int(MAX_CLIP_SECONDS * windows_per_second)
    padded = np.concatenate(([0], quiet[first:last].astype(np.int8), [0]))
    starts, stops = np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1)
    if not starts.size or (stops - starts).max() < _MIN_PAUSE_SECONDS * windows_per_second:
        return None
    lengths = stops - starts
    chosen = np.flatnonzero(lengths == lengths.max())[-1]
    return first + int(starts[chosen]), first + int(stops[chosen])


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def _dbfs(amplitude: float) -> float:
    return float(20 * np.log10(amplitude + 1e-9))


def _wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.round(samples * 32768).astype("<i2").tobytes())
    return buffer.getvalue()

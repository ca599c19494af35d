"""What a file becomes before it is a background: looked at, copied or converted, and pictured.

Whoever may write to the bucket decides what is in the file, so that FFmpeg may open nothing but the file itself, with
the demuxers and decoders named here, and runs with limits on its time, its memory and what it writes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from contracts.background import FORMATS, MAX_SECONDS, MAX_SIDE_PIXELS, MIN_SECONDS, MIN_SIDE_PIXELS
from gpu_runner.captions import VIDEO_HEIGHT, VIDEO_WIDTH
from gpu_runner.composition import BACKGROUND_FORMATS, COVER
from gpu_runner.encoders import X264
from gpu_runner.errors import TransientError
from gpu_runner.ffmpeg import (
    GLOBAL_OPTIONS,
    FfmpegError,
    FfmpegTimeoutError,
    capture_ffmpeg,
    run_ffmpeg,
)
from gpu_runner.interruption import Check
from gpu_runner.timeline import FRAME_RATE_HZ

# Half an hour of 1080p at 60 Hz is converted in that time on the runner's CPUs; Cloud Tasks wait 1,800 s.
CONVERSION_SECONDS = 1500.0
_LOOK_SECONDS = 30.0
_MEMORY_BYTES = 3 * 1024**3
_COPY_BYTES = 2 * 1024**3
# No address space is limited: the C library reserves far more of it than it uses.
LIMITED = ("prlimit", f"--data={_MEMORY_BYTES}", f"--fsize={_COPY_BYTES}", "--core=0", "--")
# Sound, subtitles and cover pictures are used for nothing; but ffprobe wants to look at each stream of a file.
_DECODERS = (
    "h264,hevc,vp8,libvpx,vp9,libvpx-vp9,libdav1d,av1,mpeg4,prores,mjpeg,png,"
    "aac,mp3,mp3float,opus,libopus,vorbis,ac3,eac3,flac,alac,pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le,"
    "mov_text,subrip,srt,ass,webvtt"
)
_INPUT = (
    *("-protocol_whitelist", "file", "-format_whitelist", BACKGROUND_FORMATS, "-codec_whitelist", _DECODERS),
    *("-max_pixels", str(MAX_SIDE_PIXELS**2), "-max_streams", "64"),
)
_OUTPUT = ("-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1", "-movflags", "+faststart", "-f", "mp4")
_THUMBNAIL_WIDTH, _THUMBNAIL_HEIGHT = 270, 480
_STATED = "stream=codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,sample_aspect_ratio,duration,field_order"
# A player's length and the last frame's may differ by a little; a download that broke off, by more.
_MISSING_SHARE, _MISSING_SECONDS = 0.02, 1.0


class UnfitFileError(Exception):
    """The file cannot be a background. The message is a reason for the admin."""


@dataclass(frozen=True)
class Footage:
    """What a file says of its first video stream; `seconds` is None where it says nothing."""

    codec: str
    pixel_format: str
    width: int
    height: int
    frame_rate_hz: Fraction | None
    has_fixed_rate: bool
    has_square_pixels: bool
    is_upright: bool
    is_progressive: bool
    seconds: float | None

    @property
    def fits(self) -> bool:
        """Whether a render reads it as cheaply as what it would be converted to."""
        return (
            self.codec == "h264"
            and self.pixel_format == "yuv420p"
            and self.has_fixed_rate
            and self.frame_rate_hz is not None
            and self.width * self.height * self.frame_rate_hz <= VIDEO_WIDTH * VIDEO_HEIGHT * FRAME_RATE_HZ
            and self.has_square_pixels
            and self.is_upright
            and self.is_progressive
        )


@dataclass(frozen=True)
class PreparedBackground:
    """The copy for the renders, without sound, and a PNG picture of it; the numbers are the copy's."""

    copy: Path
    thumbnail: Path
    width: int
    height: int
    seconds: float


def prepare_background(source: Path, scratch: Path, *, check: Check | None = None) -> PreparedBackground:
    """The copy and its picture, in `scratch`. Raises UnfitFileError, and TransientError where FFmpeg cannot run.

    `check` is asked all the while; what it raises passes through.
    """
    footage = look_at(source, check=check)
    _check(footage)
    copy, thumbnail = scratch / "copy.mp4", scratch / "thumbnail.png"
    if footage.fits:
        conversion: Sequence[str] = ("-c:v", "copy")
    else:
        # On the CPU, also where there is a GPU: its driver wants more memory than a limit could allow.
        conversion = ("-vf", f"fps={FRAME_RATE_HZ},{COVER}", *X264.options, "-maxrate", "8M", "-bufsize", "16M")
    argv = [
        *(*LIMITED, "ffmpeg", *GLOBAL_OPTIONS, *_INPUT, "-threads", "4", "-i", str(source.absolute())),
        *("-map", "0:V:0", "-t", str(MAX_SECONDS + 1), *conversion, *_OUTPUT, str(copy.absolute())),
    ]
    _run(argv, CONVERSION_SECONDS, check)
    made = look_at(copy, check=check)
    _check(made)
    assert made.seconds is not None
    missing_seconds = (footage.seconds or 0.0) - made.seconds
    if missing_seconds > _MISSING_SECONDS + _MISSING_SHARE * made.seconds:
        raise UnfitFileError(
            f"The file ends early: it says {footage.seconds:.0f} s, and {made.seconds:.0f} s of it can be read."
        )
    _draw_thumbnail(copy, made.seconds / 10, thumbnail, check)
    return PreparedBackground(copy, thumbnail, made.width, made.height, made.seconds)


def look_at(path: Path, *, check: Check | None = None) -> Footage:
    """What the file says of its first video stream; a cover picture is none. Raises UnfitFileError."""
    argv = [
        *(*LIMITED, "ffprobe", "-hide_banner", "-loglevel", "fatal", *_INPUT),
        *("-select_streams", "V:0", "-show_entries", f"{_STATED}:stream_side_data=rotation:format=duration"),
        *("-of", "json", "-i", str(path.absolute())),
    ]
    try:
        answer: dict[str, Any] = json.loads(capture_ffmpeg(argv, timeout_seconds=_LOOK_SECONDS, check=check))
    except FfmpegError as error:
        raise _failure(error, f"The file is no {FORMATS} video that can be read.") from error
    streams = answer.get("streams", [])
    if not streams or not streams[0].get("width"):
        raise UnfitFileError("The file has no video that can be read.")
    stream = streams[0]
    rate, mean_rate = _fraction(stream.get("r_frame_rate")), _fraction(stream.get("avg_frame_rate"))
    seconds = stream.get("duration") or answer.get("format", {}).get("duration")
    return Footage(
        codec=stream.get("codec_name", ""),
        pixel_format=stream.get("pix_fmt", ""),
        width=int(stream["width"]),
        height=int(stream["height"]),
        frame_rate_hz=rate,
        has_fixed_rate=rate is not None and rate == mean_rate,
        has_square_pixels=stream.get("sample_aspect_ratio", "1:1") == "1:1",
        is_upright=not any(each.get("rotation") for each in stream.get("side_data_list", [])),
        is_progressive=stream.get("field_order", "progressive") == "progressive",
        seconds=float(seconds) if seconds else None,
    )


def _check(footage: Footage) -> None:
    """Raises UnfitFileError with the limit that the video is over or under."""
    if not all(MIN_SIDE_PIXELS <= side <= MAX_SIDE_PIXELS for side in (footage.width, footage.height)):
        raise UnfitFileError(
            f"The video has {footage.width} x {footage.height} pixels; {MIN_SIDE_PIXELS} to {MAX_SIDE_PIXELS} a side."
        )
    if footage.seconds is not None and not MIN_SECONDS <= footage.seconds <= MAX_SECONDS:
        raise UnfitFileError(
            f"The video lasts {footage.seconds:.1f} s; {MIN_SECONDS:g} s to {MAX_SECONDS / 60:g} minutes."
        )


def _draw_thumbnail(video: Path, at_seconds: float, target: Path, check: Check | None) -> None:
    cover = (
        f"scale={_THUMBNAIL_WIDTH}:{_THUMBNAIL_HEIGHT}:force_original_aspect_ratio=increase,"
        f"crop={_THUMBNAIL_WIDTH}:{_THUMBNAIL_HEIGHT}"
    )
    argv = [
        *(*LIMITED, "ffmpeg", *GLOBAL_OPTIONS, *_INPUT, "-ss", f"{at_seconds:.3f}", "-i", str(video.absolute())),
        *("-map", "0:v:0", "-vf", cover, "-frames:v", "1", "-c:v", "png", "-f", "image2", "-update", "1"),
        str(target.absolute()),
    ]
    _run(argv, _LOOK_SECONDS, check)
    if not target.exists():
        raise UnfitFileError("No picture of the video can be decoded.")


def _run(argv: list[str], timeout_seconds: float, check: Check | None) -> None:
    try:
        run_ffmpeg(argv, total_frames=1, timeout_seconds=timeout_seconds, check=check)
    except FfmpegError as error:
        raise _failure(error, "The video cannot be decoded to its end.") from error


def _failure(error: FfmpegError, reason: str) -> Exception:
    """What is the same at every attempt is the file's fault, also that FFmpeg crashed or ran into one of its limits."""
    if isinstance(error, FfmpegTimeoutError):
        return UnfitFileError("The video takes too long to convert: shorten it, or make it smaller.")
    if error.exit_code is None:
        return TransientError(f"FFmpeg could not be started: {error.stderr_tail}")
    return UnfitFileError(reason)


def _fraction(text: str | None) -> Fraction | None:
    """The frame rate that ffprobe writes as `30000/1001`; None for none, which it writes as `0/0`."""
    numerator, _, denominator = (text or "0/0").partition("/")
    if not numerator.isdigit() or not denominator.isdigit() or int(denominator) == 0 or int(numerator) == 0:
        return None
    return Fraction(int(numerator), int(denominator))

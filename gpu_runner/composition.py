"""The one FFmpeg command that makes the video: background, speakers, captions and sound in a single pass."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts import log
from gpu_runner.captions import VIDEO_HEIGHT, VIDEO_WIDTH
from gpu_runner.encoders import X264, VideoEncoder
from gpu_runner.ffmpeg import (
    GLOBAL_OPTIONS,
    PROTOCOLS,
    FfmpegError,
    FfmpegTimeoutError,
    ProgressReport,
    escape_filter_value,
    measure_video_seconds,
    run_ffmpeg,
)
from gpu_runner.interruption import Check
from gpu_runner.timeline import FRAME_RATE_HZ, SAMPLE_RATE_HZ, Side, Timeline

BACKGROUND_FORMATS = "mov,matroska"
PICTURE_WIDTH = 720  # the box that a picture is fitted into
PICTURE_HEIGHT = 860
PICTURE_MARGIN = 30
AI_NOTICE = "AI-generated content: the voices, the dialogue and this video were made by artificial intelligence."
# A background that is longer than the video by this much is never looped: its starts differ enough without.
SEAMLESS_SLACK_SECONDS = 10.0
# IPTC's term for media that a trained model made in part.
AI_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

# What is shown of a background: its middle, as large as the video, at the video's frame rate.
# The frame rate comes first: scaling is dear, and a background of 60 Hz would be scaled for nothing.
COVER = (
    f"fps={FRAME_RATE_HZ},scale=trunc(iw*sar/2)*2:ih,"
    f"scale={VIDEO_WIDTH}:{VIDEO_HEIGHT}:force_original_aspect_ratio=increase,crop={VIDEO_WIDTH}:{VIDEO_HEIGHT},"
    "setsar=1,format=yuv420p"
)


@dataclass(frozen=True, slots=True)
class Composition:
    """Everything that one video is made of. All files exist; none is changed."""

    timeline: Timeline
    pictures: Mapping[str, Sequence[Path]]
    """Each speaker's PNG pictures, as many as the timeline was built with."""
    captions: Path
    audio: Path
    background: Path
    start_seconds: float
    """Where in the background the video begins, any number from 0 up: place_background folds it into the file."""


@dataclass(frozen=True, slots=True)
class ComposedVideo:
    """A finished video."""

    path: Path
    encoder: str
    frame_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BackgroundCut:
    """Which part of the background is shown."""

    start_seconds: float
    wraps: bool
    """Whether the file ends before the video and goes on from its own beginning."""


@dataclass(frozen=True, slots=True)
class _ShownPicture:
    """One picture and the frames, ends excluded, in which it is seen."""

    path: Path
    side: Side
    frames: tuple[tuple[int, int], ...]


def compose_video(
    composition: Composition,
    target: Path,
    *,
    encoder: VideoEncoder,
    timeout_seconds: float,
    on_progress: Callable[[ProgressReport], None] | None = None,
    check: Check | None = None,
) -> ComposedVideo:
    """Put the finished video at `target`, with the encoder asked for, or with x264 if that one fails on the way.

    Nothing is left behind otherwise. Raises FfmpegError and its subclasses, and what `check` raises, which is asked all
    the while; `timeout_seconds` bounds both tries together.
    """
    ends_at = time.monotonic() + timeout_seconds
    background_seconds = measure_video_seconds(composition.background, formats=BACKGROUND_FORMATS, check=check)
    cut = place_background(
        composition.start_seconds,
        background_seconds=background_seconds,
        video_seconds=composition.timeline.duration_seconds,
    )
    partial = target.with_name(f".{target.name}.part")

    def encode_with(used: VideoEncoder) -> None:
        run_ffmpeg(
            build_argv(composition, partial, encoder=used, cut=cut),
            total_frames=composition.timeline.frame_count,
            timeout_seconds=ends_at - time.monotonic(),
            on_progress=on_progress,
            check=check,
        )

    used = encoder
    try:
        try:
            encode_with(encoder)
        except FfmpegTimeoutError:
            raise
        except FfmpegError as error:
            if encoder == X264:
                raise
            log.warning(
                "video_encoder_failed",
                encoder=encoder.name,
                exit_code=error.exit_code,
                stderr_tail=error.stderr_tail,
            )
            used = X264
            encode_with(X264)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return ComposedVideo(
        path=target,
        encoder=used.name,
        frame_count=composition.timeline.frame_count,
        size_bytes=target.stat().st_size,
    )


def place_background(start_seconds: float, *, background_seconds: float, video_seconds: float) -> BackgroundCut:
    """The start folded into the background: without a seam where it is long enough, else with a wrap at its end."""
    # Half a second is left at the end, where a file's stated length and its last frame may disagree.
    slack_seconds = background_seconds - video_seconds - 0.5
    if slack_seconds >= SEAMLESS_SLACK_SECONDS:
        return BackgroundCut(start_seconds=start_seconds % slack_seconds, wraps=False)
    folded_seconds = start_seconds % background_seconds
    return BackgroundCut(start_seconds=folded_seconds, wraps=folded_seconds > slack_seconds)


def build_argv(composition: Composition, output: Path, *, encoder: VideoEncoder, cut: BackgroundCut) -> list[str]:
    """The command that writes the video to `output`, an MP4 file whatever its name. Reads nothing."""
    shown = _shown_pictures(composition)
    # A PNG file is decoded once and its only frame is kept by the overlay; `-loop 1` would cost a fifth more.
    pictures = [
        option
        for picture in shown
        for option in (
            *("-threads", "1", *PROTOCOLS, "-format_whitelist", "png_pipe", "-f", "png_pipe"),
            *("-i", str(picture.path.absolute())),
        )
    ]
    background = (*PROTOCOLS, "-format_whitelist", BACKGROUND_FORMATS, "-an", "-sn", "-dn")
    background_file = ("-i", str(composition.background.absolute()))
    # `-stream_loop` with `-ss` repeats from the key frame before the start instead of from the file's beginning, so
    # what follows the wrap is an input of its own.
    return [
        *("ffmpeg", *GLOBAL_OPTIONS, "-progress", "pipe:1", "-nostats"),
        *(*PROTOCOLS, "-format_whitelist", "wav", "-f", "wav", "-i", str(composition.audio.absolute())),
        *pictures,
        *(*background, "-ss", f"{cut.start_seconds:.3f}", *background_file),
        *((*background, "-stream_loop", "-1", *background_file) if cut.wraps else ()),
        *("-filter_complex", _graph(composition, shown, wraps=cut.wraps), "-map", "[video]", "-map", "[sound]"),
        *encoder.options,
        *("-c:a", "aac", "-b:a", "160k", "-ar", str(SAMPLE_RATE_HZ)),
        # What the background's file says of itself, such as where it was filmed, does not belong into this one.
        *("-map_metadata", "-1", "-map_chapters", "-1"),
        *("-metadata", f"comment={AI_NOTICE}", "-metadata", f"description={AI_SOURCE_TYPE}"),
        *("-movflags", "+faststart", "-f", "mp4", str(output.absolute())),
    ]


def _shown_pictures(composition: Composition) -> list[_ShownPicture]:
    """One entry per picture, so that the graph grows with the pictures and not with the lines."""
    frames: dict[tuple[Path, Side], list[tuple[int, int]]] = {}
    for segment in composition.timeline.segments:
        if segment.picture_index is not None:
            path = composition.pictures[segment.speaker][segment.picture_index]
            frames.setdefault((path, segment.side), []).append((segment.start_frame, segment.end_frame))
    return [_ShownPicture(path=path, side=side, frames=tuple(windows)) for (path, side), windows in frames.items()]


def _graph(composition: Composition, shown: Sequence[_ShownPicture], *, wraps: bool) -> str:
    """Inputs: the sound, the shown pictures, the background, and the background once more if it wraps."""
    chains = ["[0:a:0]pan=stereo|c0=c0|c1=c0[sound]"]
    first_background = 1 + len(shown)
    if wraps:
        chains += [
            f"[{first_background}:v:0]{COVER}[rest]",
            f"[{first_background + 1}:v:0]{COVER}[again]",
            "[rest][again]concat=n=2:v=1:a=0[base0]",
        ]
    else:
        chains.append(f"[{first_background}:v:0]{COVER}[base0]")
    for index, picture in enumerate(shown):
        # Formatted once here; left to FFmpeg, it would be converted for every frame.
        chains.append(
            f"[{index + 1}:v:0]format=rgba,"
            f"scale={PICTURE_WIDTH}:{PICTURE_HEIGHT}:force_original_aspect_ratio=decrease:force_divisible_by=2"
            f":flags=lanczos:out_color_matrix=bt709,setsar=1,format=yuva420p[picture{index}]"
        )
        x = str(PICTURE_MARGIN) if picture.side is Side.LEFT else f"W-w-{PICTURE_MARGIN}"
        windows = "+".join(f"between(n,{start},{end - 1})" for start, end in picture.frames)
        chains.append(f"[base{index}][picture{index}]overlay=x={x}:y=H-h:enable='{windows}'[base{index + 1}]")
    # Not `-frames:v`: it ends the file with the last picture and drops the sound that is still in the encoder.
    # Counted anew, since a start between two of the background's frames would put the first one off by one.
    frame_count = composition.timeline.frame_count
    chains.append(f"[base{len(shown)}]trim=end_frame={frame_count},setpts=N/{FRAME_RATE_HZ}/TB[cut]")
    captions = escape_filter_value(str(composition.captions.absolute()))
    chains.append(f"[cut]ass=filename={captions}:shaping=complex[video]")
    return ";".join(chains)

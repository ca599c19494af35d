"""Which H.264 encoder makes the video: the GPU's when it works here, x264 otherwise."""

from dataclasses import dataclass
from functools import cache

from contracts import log
from gpu_runner.ffmpeg import GLOBAL_OPTIONS, FfmpegError, capture_ffmpeg

_TRIAL_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """An encoder of FFmpeg's with everything that it is told."""

    name: str
    options: tuple[str, ...]


# `-b:v 0` lets -cq decide: otherwise a default of 2 Mbit/s caps it. A key frame every 2 s makes seeking quick.
NVENC = VideoEncoder(
    name="h264_nvenc",
    options=(
        *("-c:v", "h264_nvenc", "-preset", "p5", "-tune", "hq", "-profile:v", "high"),
        *("-rc", "vbr", "-cq", "21", "-b:v", "0", "-maxrate", "12M", "-bufsize", "24M", "-multipass", "qres"),
        *("-spatial-aq", "1", "-temporal-aq", "1", "-rc-lookahead", "20", "-bf", "3", "-b_ref_mode", "middle"),
        # A key frame that is asked for is one to begin at.
        *("-g", "60", "-forced-idr", "1", "-pix_fmt", "yuv420p"),
    ),
)
X264 = VideoEncoder(
    name="libx264",
    options=(
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-profile:v", "high"),
        *("-g", "60", "-pix_fmt", "yuv420p"),
    ),
)


@cache
def choose_encoder() -> VideoEncoder:
    """NVENC if it encoded a frame on this machine, else X264; found out once per process."""
    encoder = NVENC if encodes_a_frame(NVENC) else X264
    log.info("video_encoder_chosen", encoder=encoder.name)
    return encoder


def encodes_a_frame(encoder: VideoEncoder) -> bool:
    """Whether the encoder works here with all of its options. FFmpeg lists h264_nvenc even without a GPU."""
    # 256x256 lies above NVENC's least size.
    argv = [
        *("ffmpeg", *GLOBAL_OPTIONS, "-f", "lavfi", "-i", "color=s=256x256:d=0.1"),
        *("-frames:v", "1", *encoder.options, "-f", "null", "-"),
    ]
    try:
        capture_ffmpeg(argv, timeout_seconds=_TRIAL_TIMEOUT_SECONDS)
    except FfmpegError:
        return False
    return True

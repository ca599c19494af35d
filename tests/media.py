"""Makes small media files for tests and measures finished ones."""

import json
import re
import struct
import subprocess
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SAMPLE_RATE_HZ = 48_000
FRAME_RATE_HZ = 30

Frame = NDArray[np.uint8]
"""Height x width x red, green, blue."""
Sound = NDArray[np.float32]
"""Samples x channels, full scale at 1.0."""


def run_tool(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=True)


# Making


def write_wav(path: Path, samples: NDArray[np.floating[Any]], *, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Path:
    """Samples in one dimension become a mono 16-bit file."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(sample_rate_hz)
        writer.writeframes(np.round(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return path


def tone(seconds: float, *, peak: float = 0.5, hertz: float = 440.0, sample_rate_hz: int = SAMPLE_RATE_HZ) -> Sound:
    times = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    return (peak * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_espeak(path: Path, text: str, *, voice: str = "en") -> Path:
    """Speech at 22,050 Hz."""
    run_tool(["espeak-ng", "-v", voice, "-w", str(path), text])
    return path


def write_picture(path: Path, colour: tuple[int, int, int], *, size: tuple[int, int] = (300, 400)) -> Path:
    """An opaque figure of one colour on a transparent ground that leaves the corners free."""
    picture = Image.new("RGBA", size, (0, 0, 0, 0))
    width, height = size
    ImageDraw.Draw(picture).rectangle((width // 5, height // 5, width * 4 // 5, height), fill=(*colour, 255))
    picture.save(path)
    return path


def write_background(path: Path, *, seconds: float, source: str = "color=0x208020", size: str = "216x384") -> Path:
    """A video with a loud tone, so that a test hears if the background's sound is used."""
    run_tool(
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", f"{source}:s={size}:r=30:d={seconds}"),
            *("-f", "lavfi", "-i", f"sine=frequency=3000:sample_rate=48000:duration={seconds}"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac"),
            *("-metadata", "location=+40.0-075.0/", str(path)),
        ]
    )
    return path


def write_playlist(path: Path) -> Path:
    """A playlist, whatever `path` is called, that points to another file beside it: somebody else's, to FFmpeg."""
    other = path.with_name("other.ts")
    run_tool(
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=s=64x64:r=30:d=1"),
            *("-f", "lavfi", "-i", "sine=d=1", "-c:v", "libx264", "-c:a", "aac", "-f", "mpegts", str(other)),
        ]
    )
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{other}\n#EXT-X-ENDLIST\n")
    return path


def write_counting_background(path: Path) -> Path:
    """A silent video of 60 frames; frame n has the brightness 4 n, so that its number can be read off."""
    source = "nullsrc=s=108x192:r=30:d=2,geq=lum='16+3.43*N':cb=128:cr=128"
    run_tool(
        [
            *("ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264"),
            *("-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", str(path)),
        ]
    )
    return path


# Measuring


def probe(path: Path) -> dict[str, Any]:
    """ffprobe's streams and format; every stream also under its kind, `video` or `audio`."""
    argv = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    answer: dict[str, Any] = json.loads(run_tool(argv).stdout)
    return answer | {stream["codec_type"]: stream for stream in answer["streams"]}


def moov_is_first(path: Path) -> bool:
    """Whether the MP4's index precedes its media, so that a player starts before everything has arrived."""
    names: list[bytes] = []
    with path.open("rb") as file:
        while header := file.read(8):
            size, name = struct.unpack(">I4s", header)
            names.append(name)
            if size == 1:
                size = struct.unpack(">Q", file.read(8))[0] - 8
            file.seek(size - 8, 1)
    return names.index(b"moov") < names.index(b"mdat")


def frames_of(path: Path, indices: Sequence[int]) -> list[Frame]:
    """The frames with these numbers, in rising order, in one decoding."""
    stream = probe(path)["video"]
    chosen = "+".join(f"eq(n,{index})" for index in indices)
    argv = [
        *("ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-vf", f"select='{chosen}'", "-vsync", "0"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    raw = np.frombuffer(run_tool(argv).stdout, dtype=np.uint8)
    return list(raw.reshape(len(indices), stream["height"], stream["width"], 3))


def mean_brightness_of_frames(path: Path) -> NDArray[np.float64]:
    """Each frame's mean brightness, 0 to 255, in a square away from captions and pictures."""
    argv = [
        *("ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-vf", "crop=64:64:500:200,format=gray"),
        *("-f", "rawvideo", "-"),
    ]
    means: NDArray[np.float64] = np.frombuffer(run_tool(argv).stdout, np.uint8).reshape(-1, 64 * 64).mean(axis=1)
    return means


def sound_of(path: Path) -> Sound:
    channel_count = probe(path)["audio"]["channels"]
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-f", "f32le", "-ar", str(SAMPLE_RATE_HZ), "-"]
    return np.frombuffer(run_tool(argv).stdout, dtype=np.float32).reshape(-1, channel_count)


def level_dbfs(sound: Sound, start_seconds: float, end_seconds: float) -> float:
    """The root mean square between two moments; -120 for silence."""
    part = sound[round(start_seconds * SAMPLE_RATE_HZ) : round(end_seconds * SAMPLE_RATE_HZ)]
    return float(10 * np.log10(np.mean(np.square(part, dtype=np.float64)) + 1e-12))


def loudness_lufs(path: Path) -> float:
    """The integrated loudness by FFmpeg's meter, of one channel as if played from two loudspeakers."""
    layout = "pan=stereo|c0=c0|c1=c0," if probe(path)["audio"]["channels"] == 1 else ""
    return _meter(path, f"{layout}ebur128", r"I:\s+(-?[\d.]+) LUFS")


def true_peak_dbtp(path: Path) -> float:
    return _meter(path, "ebur128=peak=true", r"Peak:\s+(-?[\d.]+) dBFS")


def _meter(path: Path, audio_filter: str, pattern: str) -> float:
    argv = [
        "ffmpeg",
        "-nostdin",
        "-hide_banner",
        "-i",
        str(path),
        "-map",
        "0:a",
        "-af",
        audio_filter,
        "-f",
        "null",
        "-",
    ]
    summary = run_tool(argv).stderr.decode().rpartition("Summary:")[2]
    found = re.search(pattern, summary)
    assert found is not None, summary
    return float(found[1])


def mean_colour(frame: Frame, *, left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
    """The mean red, green and blue of a rectangle given in shares of the frame's width and height."""
    height, width, _ = frame.shape
    rectangle = frame[int(top * height) : int(bottom * height), int(left * width) : int(right * width)]
    means: NDArray[np.float64] = rectangle.reshape(-1, 3).mean(axis=0)
    return means


def caption_ink(frame: Frame) -> int:
    """How many pixels of the caption's band are bright white or gold, as only captions are in tests."""
    band = frame[780:1060].astype(np.int16)
    return int(np.count_nonzero((band[..., 0] > 200) & (band[..., 1] > 170)))

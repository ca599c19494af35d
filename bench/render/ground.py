"""A background as hard to encode as a game's: a camera that turns over rough ground, with a cut every six seconds."""

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from local.addresses import ROOT
from local.samples import make_missing

_SIDE = 2304  # holds 1080x1920 at every angle
_LOOP_SECONDS = 6
_LOOPS = 14
_TURN_PER_SECOND = 0.15  # radians: the corners move by 5 pixels a frame, no two of them by the same
_FFMPEG = ("ffmpeg", "-v", "error", "-nostdin", "-y")


def ground() -> Path:
    """The background, made when it is first asked for."""
    path = ROOT / ".local" / "bench" / "ground.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    make_missing(path, make_ground)
    return path


def paint_ground() -> npt.NDArray[np.uint8]:
    """Noise from coarse to fine, always the same."""
    generator = np.random.default_rng(7)
    height = np.zeros((_SIDE, _SIDE, 3), dtype=np.float32)
    for octave in range(2, 11):
        size = 2**octave + 1
        coarse = generator.random((size, size, 3), dtype=np.float32)
        coarse = 0.75 * coarse.mean(axis=2, keepdims=True) + 0.25 * coarse  # mostly light and dark, some colour
        for channel in range(3):
            fine = Image.fromarray(coarse[..., channel]).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
            height[..., channel] += np.asarray(fine) * 0.9**octave
    light = np.clip((height - height.mean()) / (5 * height.std()) + 0.5, 0, 1)
    painted: npt.NDArray[np.uint8] = (light * np.array([0.75, 0.95, 0.6]) * 235).astype(np.uint8)
    return painted


def make_ground(path: Path) -> None:
    """1080x1920 at 30 Hz for 84 s, about 7 Mbit/s; takes about a minute."""
    picture = path.with_name(f"{path.name}.png")
    once = path.with_name(f"{path.name}.once")
    Image.fromarray(paint_ground()).save(picture)
    turn = f"rotate=a='{_TURN_PER_SECOND}*t':ow=1080:oh=1920,format=yuv420p"
    encode = ["-t", str(_LOOP_SECONDS), "-vf", turn, "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"]
    argv = [*_FFMPEG, "-loop", "1", "-framerate", "30", "-i", str(picture), *encode, "-bf", "0", "-g", "60"]
    subprocess.run([*argv, "-f", "mp4", str(once)], check=True)
    repeat = [*_FFMPEG, "-stream_loop", str(_LOOPS - 1), "-i", str(once), "-c", "copy"]
    subprocess.run([*repeat, "-movflags", "+faststart", "-f", "mp4", str(path)], check=True)
    picture.unlink()
    once.unlink()

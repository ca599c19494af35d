"""The environment of the peers: made when it is first needed, and again when its requirements have changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.render.plan import Plan
from bench.render.quality import has_vmaf

BENCH = Path(__file__).resolve().parent.parent
REQUIREMENTS = BENCH / "peers_requirements.txt"
VENV = BENCH.parent / ".local" / "peers-venv"
PYTHON = VENV / "bin" / "python"


def ensure_peers() -> None:
    stamp = VENV / "installed.txt"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    print(f"  making {VENV.name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


def compose_with_moviepy(plan: Plan, target: Path) -> None:
    """Uses the same FFmpeg as everybody here, and not the one that comes with MoviePy."""
    described = target.with_suffix(".json")
    plan.write(described)
    environment = os.environ | {"IMAGEIO_FFMPEG_EXE": str(shutil.which("ffmpeg"))}
    argv = [str(PYTHON), str(Path(__file__).with_name("moviepy_peer.py")), str(described), str(target)]
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)


def start_moviepy() -> None:
    """What the composition pays once, however long the video: Python starts, and imports what it composes with."""
    subprocess.run([str(PYTHON), "-c", "import moviepy"], check=True, stdout=subprocess.DEVNULL)


def ffmpeg_with_vmaf() -> str | None:
    """The system's FFmpeg if it measures VMAF, else the one that came with the peers if that does."""
    find = [str(PYTHON), "-c", "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"]
    environment = {name: value for name, value in os.environ.items() if name != "IMAGEIO_FFMPEG_EXE"}
    bundled = subprocess.run(find, env=environment, capture_output=True, text=True, check=False).stdout.strip()
    return next((ffmpeg for ffmpeg in ("ffmpeg", bundled) if ffmpeg and has_vmaf(ffmpeg)), None)

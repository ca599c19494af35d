"""How close a video is to its lossless reference, frame by frame.

`part` is a filter that cuts out what is looked at. Scores of different pictures say little about each other: letters
alone lift VMAF by several points. What all videos show alike is the background above the captions.
"""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench.render.floor import FFMPEG

ABOVE_CAPTIONS = "crop=iw:900:0:0"
WHOLE = "null"
_VMAF_EVERY = 5  # frames


def ssim(video: Path, reference: Path, part: str) -> float:
    """The mean over all frames and planes, 1.0 for the same."""
    said = _compare("ffmpeg", video, reference, part, "ssim")
    found = re.search(r"All:([\d.]+)", said)
    if found is None:
        raise SystemExit(f"FFmpeg measured no SSIM: {said[-300:]}")
    return float(found[1])


def vmaf(video: Path, reference: Path, part: str, ffmpeg: str) -> float:
    """The mean over every fifth frame, 100 at most."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "vmaf.json"
        options = f"n_threads=2:n_subsample={_VMAF_EVERY}:log_fmt=json:log_path={log}"
        _compare(ffmpeg, video, reference, part, f"libvmaf={options}")
        return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])


def has_vmaf(ffmpeg: str) -> bool:
    listed = subprocess.run([ffmpeg, "-hide_banner", "-filters"], capture_output=True, text=True, check=True).stdout
    return " libvmaf " in listed


def frame_count(video: Path) -> int:
    argv = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries"]
    argv += ["stream=nb_read_packets", "-of", "csv=p=0", str(video)]
    return int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip(",\n"))


def require_frames(videos: Iterable[Path], count: int) -> None:
    """Raises SystemExit unless each video has so many frames: whoever encodes others does other work."""
    for video in videos:
        if frame_count(video) != count:
            raise SystemExit(f"{video.name} has {frame_count(video)} frames instead of {count}: nothing to compare.")


def _compare(ffmpeg: str, video: Path, reference: Path, part: str, measure: str) -> str:
    if frame_count(video) != frame_count(reference):
        raise SystemExit(f"{video.name} has {frame_count(video)} frames, {reference.name} {frame_count(reference)}.")
    # Numbered anew, since two files may begin a fraction of a frame apart.
    looked_at = f"setpts=N/30/TB,{part}"
    graph = f"[0:v]{looked_at}[video];[1:v]{looked_at}[reference];[video][reference]{measure}"
    argv = [ffmpeg, *FFMPEG[1:], "-loglevel", "info", "-nostats", "-i", str(video), "-i", str(reference)]
    done = subprocess.run([*argv, "-lavfi", graph, "-f", "null", "-"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{measure} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stderr

"""The floor: the same background, frames, sound and encoder settings, and nothing drawn."""

import subprocess
from pathlib import Path

from bench.render.product import COVER, FRAME_RATE_HZ, Film, VideoEncoder

# What everybody does with the background, whose rate may be another than the video's.
COVERED = f"fps={FRAME_RATE_HZ},{COVER}"
FFMPEG = ("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y")


def transcode(film: Film, target: Path, encoder: VideoEncoder) -> None:
    subprocess.run([*FFMPEG, *background_and_sound(film), "-vf", COVERED, *finish(film, target, encoder)], check=True)


def background_and_sound(film: Film) -> list[str]:
    return ["-ss", f"{film.start_seconds:.3f}", "-i", str(film.background), "-i", str(film.sound)]


def finish(film: Film, target: Path, encoder: VideoEncoder) -> list[str]:
    """What makes the file, alike for the floor and for the peers' graphs."""
    sound = ("-map", "1:a", "-c:a", "aac", "-b:a", "160k", "-ac", "2")
    length = ("-t", f"{film.seconds:.6f}")
    return ["-map", "0:v", *sound, *encoder.options, *length, "-movflags", "+faststart", "-f", "mp4", str(target)]

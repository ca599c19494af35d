"""CPU of the one-pass composition over the pure transcode of the same background with the same encoder settings.

    .venv/bin/python bench/render.py [ROUNDS]

Both run interleaved in one process tree; what is printed is each round's ratio and their median.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from gpu_runner.captions import write_captions
from gpu_runner.composition import BACKGROUND_FORMATS, Composition, compose_video, place_background
from gpu_runner.encoders import X264
from gpu_runner.ffmpeg import measure_video_seconds
from gpu_runner.fonts import installed_fonts
from gpu_runner.soundtrack import join_lines, normalise_line
from gpu_runner.timeline import SpokenLine, Timeline, build_timeline
from local.samples import make_samples

LINES = 4


def prepare(samples: Path, scratch: Path) -> tuple[Timeline, Composition]:
    """A dialogue of the two sample recordings, with pictures and captions."""
    spoken = {letter: normalise_line(samples / f"voice_{letter}.wav", scratch / f"{letter}.wav") for letter in "ab"}
    speakers = ["ab"[index % 2] for index in range(LINES)]
    lines = [
        SpokenLine(
            speaker=speaker,
            text=(samples / f"voice_{speaker}.txt").read_text().strip(),
            sample_count=spoken[speaker].sample_count,
            voiced=spoken[speaker].voiced,
        )
        for speaker in speakers
    ]
    timeline = build_timeline(lines, picture_counts={"a": 2, "b": 2})
    soundtrack, captions = scratch / "soundtrack.wav", scratch / "captions.ass"
    join_lines([spoken[speaker].path for speaker in speakers], timeline, soundtrack)
    write_captions(timeline, installed_fonts(), captions)
    pictures = {letter: sorted(samples.glob(f"{letter}_*.png")) for letter in "ab"}
    background = samples / "background_001.mp4"
    return timeline, Composition(timeline, pictures, captions, soundtrack, background, start_seconds=3.0)


def cpu_seconds() -> float:
    """What ended child processes have used so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def transcode(composition: Composition, target: Path) -> None:
    """The same background, frames and encoder settings, and nothing drawn on it."""
    seconds = measure_video_seconds(composition.background, formats=BACKGROUND_FORMATS)
    cut = place_background(
        composition.start_seconds, background_seconds=seconds, video_seconds=composition.timeline.duration_seconds
    )
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-stream_loop", "-1", "-ss", f"{cut.start_seconds:.3f}"]
    argv += ["-i", str(composition.background), "-i", str(composition.audio), "-map", "0:v", "-map", "1:a"]
    argv += ["-frames:v", str(composition.timeline.frame_count), *X264.options, "-c:a", "aac", "-b:a", "160k"]
    subprocess.run([*argv, "-movflags", "+faststart", str(target)], check=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    samples = ROOT / ".local" / "samples"
    make_samples(samples)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        timeline, composition = prepare(samples, scratch)
        print(f"{timeline.duration_seconds:.1f} s of 1080x1920 in {LINES} lines, libx264, {rounds} rounds")
        ratios = []
        for number in range(1, rounds + 1):
            before = cpu_seconds()
            transcode(composition, scratch / "transcode.mp4")
            between = cpu_seconds()
            compose_video(composition, scratch / "composed.mp4", encoder=X264, timeout_seconds=1200)
            pure, composed = between - before, cpu_seconds() - between
            ratios.append(composed / pure)
            print(
                f"  round {number}: composed {composed:.1f} CPU s / pure {pure:.1f} CPU s = {ratios[-1]:.3f}",
                flush=True,
            )
    print(f"median ratio {statistics.median(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()

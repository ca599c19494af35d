"""A minute of video by the product, over the pure transcode of its background, and beside how others do it.

    .venv/bin/python bench/render [--encoder h264_nvenc] [--background FILE] [--most-rounds 12]

1. The whole dialogue, 8 lines, in one piece and in a piece a line: CPU and wall over the floor, until the interval of
   CPU's median ratio is under 2 % wide.
2. Its first two lines, also by MoviePy 2 and by one FFmpeg graph with a drawtext per text; and how good the videos are.
3. How much memory FFmpeg takes for other lengths and numbers of lines.

Every round renders each once, one after another, in alternating order. What is made once stays in .local/bench.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from bench.render import tables
from bench.render.cost import Cost, cost_of, interval_of_median, ratios
from bench.render.dialogue import MINUTE, Line, portions, record
from bench.render.drawtext import draw
from bench.render.floor import transcode
from bench.render.ground import ground
from bench.render.memory import peak_mib
from bench.render.peers import compose_with_moviepy, ensure_peers, ffmpeg_with_vmaf, start_moviepy
from bench.render.plan import plan_of
from bench.render.product import LOSSLESS, Film, VideoEncoder, compose, compose_by_line, encoder_of, prepare
from bench.render.quality import ABOVE_CAPTIONS, WHOLE, require_frames, ssim, vmaf
from bench.render.tables import BY_LINE, FLOOR, GRAPH, MOVIEPY, MOVIEPY_START, PRODUCT, Peak, Picture
from bench.report import machine
from local.samples import make_samples

FEWEST_ROUNDS = 6  # the fewest that say anything about a median with a confidence of 95 %
PEER_ROUNDS = 5
EXCERPT_LINES = 2
WIDEST_INTERVAL = 0.02
SECONDS = (58, 62)
MEMORY_SHAPES = ((8, 10), (8, 30), (8, 60), (2, 60), (32, 60), (100, 60))  # lines, seconds

Work = Callable[[], None]


class Studio:
    """Where films are made of lines."""

    def __init__(self, background: Path, scratch: Path) -> None:
        samples = ROOT / ".local" / "samples"
        make_samples(samples)
        self._pictures = {letter: sorted(samples.glob(f"{letter}_*.png")) for letter in "ab"}
        self._background = background
        self._scratch = scratch

    def film(self, name: str, lines: tuple[Line, ...] | list[Line]) -> Film:
        recordings = record(lines, self._scratch / f"{name}_voice")
        return prepare(recordings, self._pictures, self._background, self._scratch / name)


def rounds_of(works: Mapping[str, Work], is_enough: Callable[[dict[str, list[Cost]]], bool]) -> dict[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    while not is_enough(costs):
        # Backwards every other time, so that neither always has the machine as the other left it.
        done = len(costs[FLOOR])
        for name in list(works) if done % 2 == 0 else list(works)[::-1]:
            costs[name].append(cost_of(works[name]))
        said = ", ".join(f"{name} {each[-1].cpu_seconds:.1f}" for name, each in costs.items())
        print(f"  round {done + 1}, CPU s: {said}", file=sys.stderr, flush=True)
    return costs


def is_known(costs: dict[str, list[Cost]], most_rounds: int) -> bool:
    """Whether the composition's CPU over the floor is known well enough, or never will be."""
    found = ratios(costs[PRODUCT], costs[FLOOR], lambda cost: cost.cpu_seconds)
    interval = interval_of_median(found) if len(found) >= FEWEST_ROUNDS else None
    return len(found) >= most_rounds or (interval is not None and interval.width < WIDEST_INTERVAL)


def pictures_of(videos: Mapping[str, Path], film: Film, scratch: Path) -> dict[str, Picture]:
    """How good they are: the floor against its own lossless reference, all others against the product's."""
    references = {FLOOR: scratch / "floor.lossless.mp4", PRODUCT: scratch / "product.lossless.mp4"}
    transcode(film, references[FLOOR], LOSSLESS)
    compose(film, references[PRODUCT], LOSSLESS)
    ffmpeg = ffmpeg_with_vmaf()
    found = {}
    for name, video in videos.items():
        reference = references.get(name, references[PRODUCT])
        found[name] = Picture(
            megabits=video.stat().st_size * 8 / 1e6 / film.seconds,
            ssim=ssim(video, reference, WHOLE),
            background_ssim=ssim(video, reference, ABOVE_CAPTIONS),
            background_vmaf=vmaf(video, reference, ABOVE_CAPTIONS, ffmpeg) if ffmpeg else None,
        )
        print(f"  {name}: {found[name]}", file=sys.stderr, flush=True)
    return found


def peaks(studio: Studio, encoder: VideoEncoder, target: Path) -> list[Peak]:
    found = []
    for line_count, seconds in MEMORY_SHAPES:
        film = studio.film(f"memory_{line_count}_{seconds}", portions(line_count, seconds))
        ours, by_line, pure = (
            peak_mib(partial(work, film, target, encoder)) for work in (compose, compose_by_line, transcode)
        )
        found.append(Peak(film.line_count, film.seconds, ours, by_line, pure))
        print(f"  {found[-1]}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Renders a minute, over the pure transcode of its background.")
    parser.add_argument("--encoder", choices=("libx264", "h264_nvenc"), default="libx264")
    parser.add_argument("--background", type=Path, help="a video of 75 s or more; else one is made")
    parser.add_argument("--most-rounds", type=int, default=12, help=f"of the whole minute, at least {FEWEST_ROUNDS}")
    asked = parser.parse_args()
    encoder = encoder_of(asked.encoder)
    ensure_peers()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        studio = Studio(asked.background or ground(), scratch)
        minute, excerpt = studio.film("minute", MINUTE), studio.film("excerpt", MINUTE[:EXCERPT_LINES])
        if not SECONDS[0] <= minute.seconds <= SECONDS[1]:
            raise SystemExit(f"The dialogue lasts {minute.seconds:.1f} s: espeak-ng speaks otherwise than expected.")
        minutes = {name: scratch / f"minute_{index}.mp4" for index, name in enumerate((FLOOR, PRODUCT, BY_LINE))}
        whole = rounds_of(
            {
                FLOOR: partial(transcode, minute, minutes[FLOOR], encoder),
                PRODUCT: partial(compose, minute, minutes[PRODUCT], encoder),
                BY_LINE: partial(compose_by_line, minute, minutes[BY_LINE], encoder),
            },
            lambda costs: is_known(costs, asked.most_rounds),
        )
        require_frames(minutes.values(), minute.frame_count)
        videos = {name: scratch / f"{name.split()[0]}.mp4" for name in (FLOOR, PRODUCT, GRAPH, MOVIEPY)}
        plan = plan_of(excerpt, encoder)
        works: dict[str, Work] = {
            FLOOR: partial(transcode, excerpt, videos[FLOOR], encoder),
            PRODUCT: partial(compose, excerpt, videos[PRODUCT], encoder),
            GRAPH: partial(draw, excerpt, plan, videos[GRAPH], encoder),
            MOVIEPY: partial(compose_with_moviepy, plan, videos[MOVIEPY]),
            MOVIEPY_START: start_moviepy,
        }
        beside = rounds_of(works, lambda costs: len(costs[FLOOR]) == PEER_ROUNDS)
        require_frames(videos.values(), excerpt.frame_count)
        pictures = pictures_of(videos, excerpt, scratch)
        memory = peaks(studio, encoder, scratch / "peak.mp4")
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    print(f"## Rendering a video ({encoder.name})\n\n{machine(f'FFmpeg {version}')}\n")
    tables.print_whole(minute, whole, WIDEST_INTERVAL)
    tables.print_beside(excerpt, beside, pictures)
    tables.print_memory(memory)


if __name__ == "__main__":
    main()

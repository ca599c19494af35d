"""The benchmark's section of docs/performance.md."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.render.cost import CONFIDENCE, Cost, interval_of_median, ratios
from bench.render.product import Film
from bench.report import spread

FLOOR = "pure transcode"
PRODUCT = "Duologue"
BY_LINE = "Duologue, a piece a line"
GRAPH = "drawtext graph"
MOVIEPY = "MoviePy 2"
MOVIEPY_START = "of it, Python and imports"

Costs = dict[str, list[Cost]]
_SAME_SSIM = 0.0005  # less than anybody sees


@dataclass(frozen=True)
class Picture:
    """What a video's picture takes and how close it is to its reference."""

    megabits: float
    ssim: float
    background_ssim: float
    background_vmaf: float | None
    """None where no FFmpeg measures it."""


@dataclass(frozen=True)
class Peak:
    """The most memory of the composition, in one piece and in a piece a line, and of the pure transcode as long."""

    line_count: int
    seconds: float
    mib: float
    by_line_mib: float
    pure_mib: float


def cpu(cost: Cost) -> float:
    return cost.cpu_seconds


def wall(cost: Cost) -> float:
    return cost.wall_seconds


def print_whole(film: Film, costs: Costs, widest_interval: float) -> None:
    print(
        f"The whole dialogue, {len(costs[FLOOR])} rounds. A video of which no line has to be spoken is one piece; in a "
        "new one, what is ready while the next line is spoken is a piece, often a single line.\n"
    )
    _table(_whole(film, costs))
    print(_certainty(costs, widest_interval))


def print_beside(film: Film, costs: Costs, pictures: dict[str, Picture]) -> None:
    print(f"\nThe first {film.line_count} lines, {film.seconds:.1f} s, {len(costs[FLOOR])} rounds:\n")
    _table(_beside(costs))
    _table(_scores(pictures))
    print("\n".join([_quality(pictures), *_peers(costs)]))


def print_memory(memory: Sequence[Peak]) -> None:
    print("\nThe most memory that FFmpeg takes:\n")
    _table(_memory(memory))
    ours = [mib for peak in memory for mib in (peak.mib, peak.by_line_mib)]
    share = max(max(peak.mib, peak.by_line_mib) / peak.pure_mib for peak in memory)
    print(
        f"The largest of {PRODUCT}'s peaks is {max(ours) / min(ours):.2f} times its smallest, and none is more than "
        f"{share:.2f} times the {FLOOR}'s of the same length."
    )


def _table(rows: Iterator[Sequence[str]]) -> None:
    header = next(rows)
    print("\n".join(f"| {' | '.join(row)} |" for row in (header, ["---", *["---:"] * (len(header) - 1)], *rows)))
    print()


def _whole(film: Film, costs: Costs) -> Iterator[Sequence[str]]:
    yield f"{film.line_count} lines, {film.seconds:.1f} s of 1080x1920", "CPU s", "wall s", "CPU ratio", "wall ratio"
    for name, found in costs.items():
        over = [spread(ratios(found, costs[FLOOR], of), 3) for of in (cpu, wall)]
        seconds = [spread(map(of, found), 1) for of in (cpu, wall)]
        yield name, *seconds, *(over if name != FLOOR else ("1", "1"))


def _certainty(costs: Costs, widest: float) -> str:
    parts = []
    for name, of in (("CPU", cpu), ("wall time", wall)):
        found = ratios(costs[PRODUCT], costs[FLOOR], of)
        interval = interval_of_median(found)
        if interval is None:
            parts.append(f"Too few rounds to know the {name} ratio.")
            continue
        known = "" if interval.width < widest else f", which is wider than {100 * widest:.0f} %: inconclusive"
        parts.append(
            f"{PRODUCT}'s median {name} ratio of {len(found)} rounds is {statistics.median(found):.3f}, in an interval "
            f"from {interval.low:.3f} to {interval.high:.3f}{known}."
        )
    parts.append(
        f"The intervals are the sign test's, with {CONFIDENCE:.0%} confidence if the number of rounds had been fixed "
        f"before. It was not: they end once CPU's interval is narrower than {100 * widest:.0f} %, so that the true "
        "median lies outside more often."
    )
    return " ".join(parts)


def _beside(costs: Costs) -> Iterator[Sequence[str]]:
    over = (f"over {FLOOR}", f"over {PRODUCT}")
    yield "", *(f"CPU {each}" for each in over), *(f"wall {each}" for each in over)
    for name, found in costs.items():
        yield name, *(spread(ratios(found, costs[other], of)) for of in (cpu, wall) for other in (FLOOR, PRODUCT))


def _scores(pictures: dict[str, Picture]) -> Iterator[Sequence[str]]:
    yield "", "Mbit/s", "SSIM", "SSIM above the captions", "VMAF above the captions"
    for name, found in pictures.items():
        vmaf = "not measured" if found.background_vmaf is None else f"{found.background_vmaf:.2f}"
        yield name, f"{found.megabits:.2f}", f"{found.ssim:.4f}", f"{found.background_ssim:.4f}", vmaf


def _quality(pictures: dict[str, Picture]) -> str:
    better = pictures[PRODUCT].background_ssim - pictures[FLOOR].background_ssim
    verdict = "equal to" if abs(better) <= _SAME_SSIM else "better than" if better > 0 else "worse than"
    peers = ", ".join(f"{name} has an SSIM of {pictures[name].ssim:.4f}" for name in (GRAPH, MOVIEPY))
    return (
        f"{PRODUCT} and the {FLOOR} are held against lossless references of their own, and the peers against "
        f"{PRODUCT}'s: to that, {peers}, and {PRODUCT} of {pictures[PRODUCT].ssim:.4f}. Above the captions, "
        f"where nobody draws, {PRODUCT}'s quality is {verdict} the {FLOOR}'s by SSIM "
        f"({pictures[PRODUCT].background_ssim:.4f} and {pictures[FLOOR].background_ssim:.4f})."
    )


def _peers(costs: Costs) -> Iterator[str]:
    for name in (GRAPH, MOVIEPY):
        times = [statistics.median(ratios(costs[name], costs[PRODUCT], of)) for of in (cpu, wall)]
        yield f"{name} takes {times[0]:.2f} times {PRODUCT}'s CPU and {times[1]:.2f} times its wall time."
    started = [
        Cost(each.cpu_seconds - start.cpu_seconds, each.wall_seconds - start.wall_seconds)
        for each, start in zip(costs[MOVIEPY], costs[MOVIEPY_START], strict=True)
    ]
    times = [statistics.median(ratios(started, costs[PRODUCT], of)) for of in (cpu, wall)]
    yield (
        f"Without the start of Python and the imports, which a longer video pays no more often, {MOVIEPY} takes "
        f"{times[0]:.2f} and {times[1]:.2f} times as much."
    )


def _memory(memory: Sequence[Peak]) -> Iterator[Sequence[str]]:
    yield "lines", "seconds", f"MiB of the {FLOOR}", PRODUCT, "ratio", BY_LINE, "ratio"
    for peak in memory:
        cells = [
            f"{cell:{form}}"
            for mib in (peak.mib, peak.by_line_mib)
            for cell, form in ((mib, ".0f"), (mib / peak.pure_mib, ".2f"))
        ]
        yield str(peak.line_count), f"{peak.seconds:.1f}", f"{peak.pure_mib:.0f}", *cells

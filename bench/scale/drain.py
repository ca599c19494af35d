"""A long queue drained on the local cloud with stub renders: what a job costs at its beginning and at its end.

    .venv/bin/python bench/scale/drain.py [JOBS]

JOBS (1,000) videos are queued, as the start's own transaction writes them, and then the queue is let go: the real
queue, leases, triggers and minute function, and a runner that draws nothing (stub_runner). Everybody's Firestore calls
pass a meter, and those of the minute function are a job's too. A job counts as done when its hold is captured. The
drain is cut into tenths, after some jobs that warm the processes up. Exits with 1 when a job of the second half reads
or writes more than one of the first.
"""

import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from bench.report import machine, spread
from bench.scale.metered_cloud import MeteredCloud, Sample, say

JOBS = 1_000
LEAST_JOBS = 500  # a tenth of fewer is over before anybody has looked
WARM_UP = 50
TENTHS = 10
# A transaction that is tried again reads and writes again; this much more is no growth.
SLACK = 1.05
_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 1_500.0
# The columns, and what the report says of the second half over the first.
GROWTH = {
    "reads": "documents read",
    "writes": "documents written",
    "calls": "calls of Firestore",
    "functions CPU ms": "CPU of the functions' processes",
    "runner CPU ms": "CPU of the runner",
    "emulators CPU ms": "CPU of Google's emulators, which no deployment has",
    "wall ms": "wall time",
}


@dataclass(frozen=True)
class Tenth:
    """What all its jobs cost together."""

    first: Sample
    last: Sample

    def cost(self) -> dict[str, float]:
        """Of one job, by the column's name."""
        spent = {name: after - self.first.cpu_seconds[name] for name, after in self.last.cpu_seconds.items()}
        asked = {name: after - self.first.operations[name] for name, after in self.last.operations.items()}
        clock = asked["clock"]
        everybody = asked["triggers"] + asked["runner"] + clock
        costs = {
            "wall ms": (self.last.at - self.first.at) * 1000,
            **{f"{name} CPU ms": seconds * 1000 for name, seconds in spent.items()},
            "calls": everybody.calls,
            "reads": everybody.reads,
            "writes": everybody.writes,
            "of them the clock's reads": clock.reads,
            "of them the clock's writes": clock.writes,
        }
        return {name: cost / (self.last.done - self.first.done) for name, cost in costs.items()}


def drain(cloud: MeteredCloud, jobs: int) -> list[Tenth]:
    """The queue is empty but for what the last jobs leave behind."""
    marks = [WARM_UP + jobs * tenth // TENTHS for tenth in range(TENTHS + 1)]
    samples: list[Sample] = []
    began = time.monotonic()
    with cloud.draining():
        while len(samples) < len(marks):
            if time.monotonic() - began > _PATIENCE_SECONDS:
                raise SystemExit(f"{len(cloud.done)} of {marks[-1]} jobs are done after {_PATIENCE_SECONDS:.0f} s")
            if len(cloud.done) >= marks[len(samples)]:
                samples.append(cloud.sample())
                say(f"  {samples[-1].done} jobs are done after {time.monotonic() - began:.0f} s")
                cloud.require_runner()
            time.sleep(_LOOK_SECONDS)
    return [Tenth(first, last) for first, last in pairwise(samples)]


def growth(costs: list[dict[str, float]], column: str) -> list[float]:
    """Each tenth of the second half over that of the first half which has the same place."""
    half = len(costs) // 2
    return [later[column] / earlier[column] for earlier, later in zip(costs[:half], costs[half:], strict=True)]


def has_grown(costs: list[dict[str, float]]) -> bool:
    """Whether a job of the second half reads or writes more than one of the first, all of each half together."""
    half = len(costs) // 2
    sums = [
        [sum(row[column] for row in rows) for column in ("reads", "writes")] for rows in (costs[:half], costs[half:])
    ]
    return any(later > SLACK * earlier for earlier, later in zip(*sums, strict=True))


def print_report(costs: list[dict[str, float]], jobs: int) -> None:
    print(f"## {jobs:,} queued jobs drain\n\n{machine()}\n")
    print("What a job costs, in each tenth of the drain:\n")
    print(f"| tenth | {' | '.join(costs[0])} |\n|{'---:|' * (len(costs[0]) + 1)}")
    for number, row in enumerate(costs, start=1):
        print(f"| {number} | {' | '.join(f'{value:.1f}' for value in row.values())} |")
    print("\nThe second half of the drain over the first, for a job: the median of five pairs of tenths.\n")
    print("| cost | second half over first | last tenth over first |\n|---|---:|---:|")
    for column, name in GROWTH.items():
        print(f"| {name} | {spread(growth(costs, column))} | {costs[-1][column] / costs[0][column]:.2f} |")
    reads, writes = (statistics.median(row[name] for row in costs) for name in ("reads", "writes"))
    looks, changes = (max(row[f"of them the clock's {name}"] for row in costs) for name in ("reads", "writes"))
    said = (
        "Later jobs read or write more"
        if has_grown(costs)
        else "No job reads or writes more for its place in the queue"
    )
    print(
        f"\n{said}: from its dispatch to its settlement one reads {reads:.1f} documents and writes {writes:.1f} (the "
        f"median of the tenths). The minute function's part, which looks at jobs that wait too, is up to {looks:.1f} "
        f"reads and {changes:.1f} writes for a job of one tenth. Wall time is that of everything on these cores, the "
        "emulators included, and no measure of the product."
    )


def main() -> int:
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else JOBS
    if jobs < LEAST_JOBS:
        raise SystemExit(f"at least {LEAST_JOBS} jobs")
    # Where whoever started this ignores Ctrl-C, or ends it: the cloud is stopped with it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder, MeteredCloud.started(Path(folder)) as cloud:
        cloud.queue_jobs(WARM_UP + jobs)
        costs = [tenth.cost() for tenth in drain(cloud, jobs)]
    print_report(costs, jobs)
    return int(has_grown(costs))


if __name__ == "__main__":
    sys.exit(main())

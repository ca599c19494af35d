"""Queue wait, time to the file and cost of a video, over loads, bursts, instances and batching; and what follows.

    .venv/bin/python bench/scale/simulate.py [BOUND_SECONDS]

A simulation: its figures are those of bench/scale/figures.json, which says of each whether it was measured. What is
printed is the same on every machine. Recommended is, by one rule, the simplest of the cheapest policies under which 95
of 100 jobs wait no longer than BOUND_SECONDS (300), and is compared with Terraform's defaults. That is the section on
stdout; the tables on the way to it go to stderr.
"""

import contextlib
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from bench.report import spread
from bench.scale.arrivals import DAY_SECONDS
from bench.scale.choice import AS_CHEAP, Trial, differences, terraform_most_instances, terraform_policy
from bench.scale.figures import Figures, read_entries
from bench.scale.loads import LOADS, MONTH_DAYS, SEEDS, describe, recommend_for, sweep, try_seeds, wakes
from bench.scale.questions import (
    BURSTS,
    print_bounds,
    print_bursts,
    print_capacity,
    print_holding,
    print_rate,
    print_sensitivity,
)
from bench.scale.queue_model import Policy
from contracts.video_job import DEADLINE

# A new deployment's: about ten videos a day are what the default monthly_budget pays for.
DEFAULT_LOAD = 10
BOUND_SECONDS = 300.0


def main() -> None:
    bound = float(sys.argv[1]) if len(sys.argv) > 1 else BOUND_SECONDS
    figures = Figures.read()
    with contextlib.redirect_stdout(sys.stderr):
        found = {load: sweep(figures, load) for load in LOADS}
        print_sweeps(figures, found)
        print_holding(found)
        print_bounds(figures, found)
        passed = print_bursts(figures)
        print_rate(figures)
        print_capacity(figures, bound)
        print_sensitivity(figures, bound)
    print("## How many instances, by simulation\n")
    print_figures(figures)
    print_recommendation(figures, found, bound)
    print(f"\n{deadlines(passed)}")


def print_figures(figures: Figures) -> None:
    entries = read_entries()
    kinds = [str(entry["kind"]) for entry in entries.values()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    print(f"Waits and dollars are worth what is put in. Of the {len(kinds)} figures, {counted}:\n")
    print("| figure | value | | source |\n|---|---:|---|---|")
    for name, entry in entries.items():
        value = entry["value"]
        shown = " ".join(map(str, value)) if isinstance(value, list) else f"{value:.7f}".rstrip("0").rstrip(".")
        print(f"| {name} | {shown} | {entry['kind']} | {entry['source']} |")
    floor = figures.mean_render_seconds * figures.dollars_per_second
    print(
        f"\nSo a video of the mean length takes an instance {figures.mean_render_seconds:.1f} s, which cost "
        f"{floor:.4f} dollars: the floor, with a wait of 0. An instance that is up all month costs "
        f"{figures.dollars_per_second * MONTH_DAYS * DAY_SECONDS:.0f}. In the busiest hour {figures.busiest_hour:.1f} "
        "times as many videos come as on average. Costs are the runner's; the rest of a video costs the same under "
        "every policy (docs/costs.md)."
    )


def print_sweeps(figures: Figures, found: dict[int, list[Trial]]) -> None:
    for load, trials in found.items():
        print(f"\n## {load:,} videos a day, {load * figures.mean_render_seconds / DAY_SECONDS:.2f} instances' work\n")
        print(
            "| instances at most | always up | wakes | wait p50 s | p95 s | file p95 s | $ a video | over floor | GPU |"
        )
        print("|---:|---:|---|---:|---:|---:|---:|---:|---:|")
        for trial in trials:
            policy = trial.policy
            print(
                f"| {policy.max_instances} | {policy.min_instances} | {wakes(policy)} | {trial.wait_p50:.0f} "
                f"| {trial.wait_p95:.0f} | {trial.file_p95:.0f} | {trial.dollars_a_video:.4f} "
                f"| {trial.over_floor:.2f} | {trial.utilisation:.0%} |"
            )


def print_recommendation(figures: Figures, found: dict[int, list[Trial]], bound: float) -> None:
    default = terraform_policy()
    print(
        f"\nOf the policies that wake at once, with a p95 wait of at most {bound:.0f} s and no wait as long as the "
        f"deadline: the cheapest; or, of those that cost up to {AS_CHEAP:.0%} more, the one with the "
        f"fewest instances always up, then the fewest at most. Terraform's defaults are {describe(default)}. "
        f"The bound is kept with each of {len(SEEDS)} seeds; figures are their median, with the least and the most.\n"
    )
    print("| videos a day | policy | wait p95 s | $ a video | over floor |\n|---:|---|---|---|---|")
    verdicts = []
    for load, trials in found.items():
        best = recommend_for(figures, load, trials, bound_seconds=bound)
        print_policies(figures, load, {"defaults": default} | ({"recommended": best} if best else {}))
        verdicts.append(verdict(load, default, best))
    print("\n" + "\n".join(verdicts))


def print_policies(figures: Figures, load: int, named: dict[str, Policy]) -> None:
    for name, policy in named.items():
        head = f"| {load:,} | {name}: {describe(policy)}"
        if policy.max_instances * DAY_SECONDS <= load * figures.mean_render_seconds:
            print(f"{head} | without end | | |")
            continue
        trials = try_seeds(figures, load, policy)
        waits = spread([trial.wait_p95 for trial in trials], 0)
        dollars = spread([trial.dollars_a_video for trial in trials], 4)
        print(f"{head} | {waits} | {dollars} | {spread([trial.over_floor for trial in trials], 2)} |")


def verdict(load: int, default: Policy, best: Policy | None) -> str:
    what = f"- {load:,} a day" + (", the default load" if load == DEFAULT_LOAD else "")
    if best is None:
        return f"{what}: no policy that was tried keeps the bound."
    changes = differences(default, best)
    if not changes:
        return f"{what}: Terraform's defaults are what is recommended."
    note = ""
    if best.max_instances > terraform_most_instances():
        note = f", which is more than the {terraform_most_instances()} that variables.tf takes"
    return f"{what}: set {', '.join(changes)}{note}."


def deadlines(passed: dict[int, float]) -> str:
    """What becomes of the largest burst, by the number of instances at most."""
    enough = min((most for most, share in passed.items() if share == 0), default=None)
    hours = DEADLINE.total_seconds() / 3_600
    told = [f"with {most} at most, {share:.0%} of them" for most, share in passed.items() if share > 0]
    rest = f"none with {enough} or more" if enough is not None else "some with any number that was tried"
    return (
        f"Of {BURSTS[-1]:,} videos within a minute on a quiet day, these pass their deadline of {hours:.0f} hours and "
        f"are failed: {', '.join([*told, rest])}."
    )


if __name__ == "__main__":
    started_at = time.perf_counter()
    main()
    print(f"  simulated in {time.perf_counter() - started_at:.0f} s", file=sys.stderr)

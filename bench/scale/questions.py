"""What an operator asks besides: bursts, the queue's rate, how far instances go, shorter waits, wrong assumptions."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.scale.arrivals import DAY_SECONDS, draw_arrivals
from bench.scale.choice import SEED, Trial, platform_of, recommend, terraform_most_instances, try_policy
from bench.scale.figures import Figures
from bench.scale.loads import INSTANCES, LOADS, MONTH_DAYS, arrivals_of, describe, recommend_for, sweep, try_seeds
from bench.scale.queue_model import Policy, simulate
from contracts.video_job import DEADLINE

BOUNDS_SECONDS = (30.0, 300.0, 1_800.0)
FEWER_JOBS = 3_000
QUIET_LOAD = 10
BURSTS = (100, 1_000)
BURST_COUNT = 10
BURST_EVERY_DAYS = 2
LONGEST_IDLE = "the longest idle instance serves"
CAPACITIES = (1, 2, 4, 8, 16, 32, 64, 100)
# Parts of the day's seconds that instances would be busy, tried for how far they go.
SHARES = [percent / 100 for percent in range(4, 100, 4)]


def print_bursts(figures: Figures) -> dict[int, float]:
    """The part of the largest burst that passes its deadline, by the number of instances at most."""
    passed: dict[int, float] = {}
    for burst in BURSTS:
        days = BURST_COUNT * BURST_EVERY_DAYS
        quiet = draw_arrivals(figures, videos_a_day=QUIET_LOAD, days=days, seed=SEED)
        sudden = draw_arrivals(
            figures, videos_a_day=QUIET_LOAD, days=days, seed=SEED, burst=burst, burst_every_days=BURST_EVERY_DAYS
        )
        pairs = zip(sudden.render_seconds, sudden.in_burst, strict=True)
        alone = sum(seconds for seconds, is_sudden in pairs if is_sudden)
        print(f"\n## {burst:,} videos within a minute, on a day of {QUIET_LOAD}\n")
        print("Waits and files are the burst's; its cost is what it adds to that of the quiet day, whose own videos")
        print("then find instances that are up.\n")
        print("| instances at most | wait p50 s | p95 s | all files min | past the deadline | $ a video | over floor |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
        for most in [count for count in INSTANCES if count <= terraform_most_instances()]:
            outcome = simulate(sudden, Policy(most), platform_of(figures), seed=SEED)
            without = simulate(quiet, Policy(most), platform_of(figures), seed=SEED)
            chosen = np.array(sudden.in_burst)
            waits = np.array(outcome.wait_seconds)[chosen]
            overdue = float(np.mean(waits >= DEADLINE.total_seconds()))
            passed |= {most: overdue} if burst == BURSTS[-1] else {}
            last = np.array(outcome.file_seconds)[chosen].reshape(BURST_COUNT, burst).max(axis=1)
            seconds = outcome.billed_seconds - without.billed_seconds
            dollars = figures.dollars_per_second * seconds / (burst * BURST_COUNT)
            print(
                f"| {most} | {np.percentile(waits, 50):.0f} | {np.percentile(waits, 95):.0f} "
                f"| {statistics.median(last) / 60:.0f} | {overdue:.0%} | {dollars:.4f} | {seconds / alone:.2f} |"
            )
    return passed


def print_rate(figures: Figures) -> None:
    """Whether the queue's dispatches in a second, and not the instances, are what jobs wait for."""
    given = platform_of(figures)
    most = terraform_most_instances()
    busy = arrivals_of(figures, LOADS[-1])
    sudden = draw_arrivals(figures, videos_a_day=QUIET_LOAD, days=1, seed=SEED, burst=BURSTS[-1])
    print(f"\n## Dispatches in a second: {given.dispatches_per_second:g} as in queue.json, or 500\n")
    print("| load | instances at most | p95 s | with 500 |\n|---|---:|---:|---:|")
    for name, arrivals, count in (
        (f"{LOADS[-1]:,} a day", busy, INSTANCES[-1]),
        (f"{BURSTS[-1]:,} within a minute", sudden, most),
    ):
        fast = replace(given, dispatches_per_second=500.0, dispatch_burst=500)
        waits = [try_policy(figures, arrivals, Policy(count), platform).wait_p95 for platform in (given, fast)]
        print(f"| {name} | {count} | {waits[0]:.0f} | {waits[1]:.0f} |")


def print_capacity(figures: Figures, bound: float) -> None:
    """Up to how many videos a day some instances keep the bound, none of them always up."""
    print(f"\n## How far instances go: the most videos a day with a p95 wait of at most {bound:.0f} s\n")
    print("| instances at most | videos a day | wait p95 s | $ a video | $ a month | GPU |")
    print("|---:|---:|---:|---:|---:|---:|")
    for most in CAPACITIES:
        trials: dict[int, Trial] = {}
        low, high = 0, len(SHARES)  # the first `low` keep the bound, those from `high` on do not
        while low < high:
            middle = (low + high) // 2
            load = int(SHARES[middle] * most * DAY_SECONDS / figures.mean_render_seconds)
            arrivals = arrivals_of(figures, load, jobs=FEWER_JOBS)
            trial = try_policy(figures, arrivals, Policy(most), platform_of(figures))
            if trial.keeps(bound):
                low, trials[load] = middle + 1, trial
            else:
                high = middle
        if not trials:
            print(f"| {most} | none | | | | |")
            continue
        load, trial = max(trials.items())
        month = trial.dollars_a_video * load * MONTH_DAYS
        print(
            f"| {most} | {load:,} | {trial.wait_p95:.0f} | {trial.dollars_a_video:.4f} | {month:,.0f} "
            f"| {trial.utilisation:.0%} |"
        )


def print_holding(found: Mapping[int, Sequence[Trial]]) -> None:
    """What a queue that is held while everything sleeps would save; no such thing is in the product."""
    print("\n## What holding the queue would save, beside the cheapest that wakes at once\n")
    print("| videos a day | p95 s at most | at once | $ a video | held | p95 s | $ a video | longest wait s | saves |")
    print("|---:|---:|---|---:|---|---:|---:|---:|---:|")
    for load, trials in found.items():
        for bound in BOUNDS_SECONDS[1:]:
            kept = sorted((trial for trial in trials if trial.keeps(bound)), key=lambda trial: trial.dollars_a_video)
            held = next((trial for trial in kept if trial.policy.hold_jobs > 1), None)
            at_once = next((trial for trial in kept if trial.policy.hold_jobs == 1), None)
            if held is not None and at_once is not None:
                saved = 1 - held.dollars_a_video / at_once.dollars_a_video
                print(
                    f"| {load:,} | {bound:.0f} | {describe(at_once.policy)} | {at_once.dollars_a_video:.4f} "
                    f"| {describe(held.policy)} | {held.wait_p95:.0f} | {held.dollars_a_video:.4f} "
                    f"| {held.longest_wait:.0f} | {saved:.0%} |"
                )


def print_bounds(figures: Figures, found: Mapping[int, Sequence[Trial]]) -> None:
    print("\n## What waiting less costs: the policy recommended for a p95 wait of at most\n")
    print("| videos a day |" + "".join(f" {bound:.0f} s | $ a video | $ a month |" for bound in BOUNDS_SECONDS))
    print("|---:|" + "---|---:|---:|" * len(BOUNDS_SECONDS))
    for load, trials in found.items():
        cells = []
        for bound in BOUNDS_SECONDS:
            best = recommend_for(figures, load, trials, bound_seconds=bound)
            if best is None:
                cells.append("none tried | | ")
                continue
            dollars = statistics.median(trial.dollars_a_video for trial in try_seeds(figures, load, best))
            cells.append(f"{describe(best)} | {dollars:.4f} | {dollars * load * MONTH_DAYS:,.0f}")
        print(f"| {load:,} | {' | '.join(cells)} |")


def print_sensitivity(figures: Figures, bound: float) -> None:
    """What is recommended if an assumption is wrong."""
    loads = [load for load in LOADS if load <= 10_000]
    print(f"\n## If an assumption is wrong: what is recommended for a p95 wait of at most {bound:.0f} s, by one seed\n")
    print("| changed |" + "".join(f" {load:,} a day |" for load in loads) + "\n|---|" + "---|" * len(loads))
    for name, changed in (
        ("nothing", figures),
        ("a start takes 60 s", replace(figures, start_seconds=60.0)),
        ("a start takes 240 s", replace(figures, start_seconds=240.0)),
        ("idle instances stay for 900 s", replace(figures, idle_seconds=900.0)),
        ("a line takes 1 s", replace(figures, speech_seconds_per_line=1.0)),
        ("a line takes 6 s", replace(figures, speech_seconds_per_line=6.0)),
        ("speech and encode overlap: 0.65 of their sum", replace(figures, job_over_speech_and_encode=0.65)),
        ("5 % of the tries lose their machine", replace(figures, interrupted_share=0.05)),
        (LONGEST_IDLE, figures),
        ("as many at every hour", replace(figures, hour_weights=(1.0,) * 24)),
    ):
        platform = replace(platform_of(changed), longest_idle_serves=name == LONGEST_IDLE)
        swept = [sweep(changed, load, jobs=FEWER_JOBS, is_thorough=False, platform=platform) for load in loads]
        best = [recommend(trials, bound_seconds=bound) for trials in swept]
        cells = [
            f"{describe(trial.policy)}, {trial.dollars_a_video:.3f} $" if trial else "none tried" for trial in best
        ]
        print(f"| {name} | {' | '.join(cells)} |")

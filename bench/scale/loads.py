"""The loads and policies that are tried, and how they are called in tables."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from bench.scale.arrivals import DAY_SECONDS, Arrivals, draw_arrivals
from bench.scale.choice import SEED, Trial, platform_of, recommend, try_policy
from bench.scale.figures import Figures
from bench.scale.queue_model import Platform, Policy

LOADS = (10, 100, 1_000, 10_000, 100_000)  # videos a day
INSTANCES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100, 128, 192, 256)
INSTANCES_TRIED = 5  # for each load: those from the first that can do the day's work in a day
HOLDS = ((5, 120.0), (10, 600.0), (20, 1_800.0))
JOBS = 10_000  # at least, for each load
DAYS = 5  # at least, but for no more than MORE times as many jobs
MORE = 5
SEEDS = range(1, 6)
MONTH_DAYS = 365 / 12


@lru_cache(maxsize=32)  # some hundred megabytes would be all
def arrivals_of(figures: Figures, load: int, *, jobs: int = JOBS, seed: int = SEED) -> Arrivals:
    """So many jobs, and so many days where that is not MORE times as many: a busiest hour differs by the day."""
    days = max(-(-jobs // load), min(DAYS, MORE * jobs // load), 1)
    return draw_arrivals(figures, videos_a_day=load, days=days, seed=seed)


def policies(figures: Figures, load: int, *, is_thorough: bool) -> Iterator[Policy]:
    """Those that can do the work at all; where the queue is ever empty for long, with instances that stay, and holds.

    Elsewhere some are up day and night anyway. Less thorough is without holds, and with one that stays.
    """
    offered = load * figures.mean_render_seconds / DAY_SECONDS
    quietest = load * min(figures.hour_weights) / sum(figures.hour_weights)
    is_ever_asleep = quietest * figures.idle_seconds / 3_600 < 10
    always_up = (2 if is_thorough else 1) if is_ever_asleep else 0
    for most in [count for count in INSTANCES if count > offered][:INSTANCES_TRIED]:
        for least in range(min(always_up, most) + 1):
            yield Policy(most, least)
        for hold_jobs, hold_seconds in HOLDS if is_thorough and is_ever_asleep else ():
            yield Policy(most, 0, hold_jobs, hold_seconds)


def sweep(
    figures: Figures, load: int, *, jobs: int = JOBS, is_thorough: bool = True, platform: Platform | None = None
) -> list[Trial]:
    arrivals, given = arrivals_of(figures, load, jobs=jobs), platform or platform_of(figures)
    return [try_policy(figures, arrivals, policy, given) for policy in policies(figures, load, is_thorough=is_thorough)]


@cache
def try_seeds(figures: Figures, load: int, policy: Policy) -> tuple[Trial, ...]:
    """The policy under the load as every seed draws it."""
    return tuple(
        try_policy(figures, arrivals_of(figures, load, seed=seed), policy, platform_of(figures), seed=seed)
        for seed in SEEDS
    )


def recommend_for(figures: Figures, load: int, swept: Sequence[Trial], *, bound_seconds: float) -> Policy | None:
    """As choice.recommend, but passing over policies that keep the bound by the luck of the sweep's seed."""
    trials = list(swept)
    while (best := recommend(trials, bound_seconds=bound_seconds)) is not None:
        if all(trial.keeps(bound_seconds) for trial in try_seeds(figures, load, best.policy)):
            return best.policy
        trials.remove(best)
    return None


def describe(policy: Policy) -> str:
    held = "" if policy.hold_jobs == 1 else f", wakes {wakes(policy)}"
    return f"{policy.min_instances} to {policy.max_instances}{held}"


def wakes(policy: Policy) -> str:
    if policy.hold_jobs == 1:
        return "at once"
    return f"at {policy.hold_jobs} jobs or {policy.hold_seconds / 60:.0f} min"

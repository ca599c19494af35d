"""How policies are compared, which of them is recommended, and which Terraform has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.scale.arrivals import Arrivals
from bench.scale.figures import Figures
from bench.scale.queue_model import Outcome, Platform, Policy, simulate
from contracts.video_job import DEADLINE
from local.tasks_emulator.queue_settings import compute_backoff, read_queue_file

TERRAFORM = Path(__file__).resolve().parent.parent.parent / "terraform"
# Policies that cost less than this part more than the cheapest are taken for as cheap.
AS_CHEAP = 0.05
SEED = 1


@dataclass(frozen=True)
class Trial:
    """A policy under a load. Waits are from the button to the start of the render, files to its end, in seconds."""

    policy: Policy
    wait_p50: float
    wait_p95: float
    longest_wait: float
    file_p95: float
    dollars_a_video: float
    over_floor: float  # the cost over that of the render seconds alone
    utilisation: float  # of the seconds paid for, those in which something was rendered

    def keeps(self, bound_seconds: float) -> bool:
        """True when 95 of 100 jobs wait no longer than that, and none until its deadline."""
        return self.wait_p95 <= bound_seconds and self.longest_wait < DEADLINE.total_seconds()


def try_policy(figures: Figures, arrivals: Arrivals, policy: Policy, platform: Platform, *, seed: int = SEED) -> Trial:
    return measure(figures, arrivals, policy, simulate(arrivals, policy, platform, seed=seed))


def measure(figures: Figures, arrivals: Arrivals, policy: Policy, outcome: Outcome) -> Trial:
    p50, p95, longest = np.percentile(outcome.wait_seconds, [50, 95, 100]).tolist()
    return Trial(
        policy=policy,
        wait_p50=p50,
        wait_p95=p95,
        longest_wait=longest,
        file_p95=float(np.percentile(outcome.file_seconds, 95)),
        dollars_a_video=figures.dollars_per_second * outcome.billed_seconds / len(arrivals.pressed_at),
        over_floor=outcome.billed_seconds / sum(arrivals.render_seconds),
        utilisation=outcome.busy_seconds / outcome.billed_seconds,
    )


def recommend(trials: Iterable[Trial], *, bound_seconds: float) -> Trial | None:
    """The simplest of the cheapest that keep the bound; None when none does.

    Simple is fewer instances that are always up, then fewer at most. The queue is not held: the product cannot do that.
    """
    kept = [trial for trial in trials if trial.policy.hold_jobs == 1 and trial.keeps(bound_seconds)]
    least = min((trial.dollars_a_video for trial in kept), default=0.0)
    as_cheap = [trial for trial in kept if trial.dollars_a_video <= least * (1 + AS_CHEAP)]
    return min(as_cheap, key=_machinery, default=None)


def _machinery(trial: Trial) -> tuple[int, int]:
    return trial.policy.min_instances, trial.policy.max_instances


def terraform_policy() -> Policy:
    """What a deployment has that says nothing else: variables.tf, and queue.json where that says null."""
    queue = read_queue_file(TERRAFORM / "queue.json", location="projects/p/locations/l")
    most = _variable_default("gpu_max_instances")
    return Policy(
        max_instances=queue.rate_limits.max_concurrent_dispatches if most == "null" else int(most),
        min_instances=int(_variable_default("runner_min_instances")),
    )


def terraform_most_instances() -> int:
    """The largest gpu_max_instances that variables.tf takes."""
    found = re.search(r"gpu_max_instances <= (\d+)", (TERRAFORM / "variables.tf").read_text())
    assert found is not None, "variables.tf bounds gpu_max_instances"
    return int(found[1])


def _variable_default(name: str) -> str:
    found = re.search(
        rf'^variable "{name}" \{{$.*?^  default +?= (\w+)$',
        (TERRAFORM / "variables.tf").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    assert found is not None, f"variables.tf has a default for {name}"
    return found[1]


def platform_of(figures: Figures) -> Platform:
    """Cloud Run as the figures have it, and Cloud Tasks as queue.json has them."""
    queue = read_queue_file(TERRAFORM / "queue.json", location="projects/p/locations/l")
    tries = range(1, queue.retry_config.max_attempts)
    return Platform(
        start_seconds=figures.start_seconds,
        idle_seconds=figures.idle_seconds,
        interrupted_share=figures.interrupted_share,
        dispatches_per_second=queue.rate_limits.max_dispatches_per_second,
        dispatch_burst=queue.rate_limits.max_burst_size,
        backoff_seconds=tuple(compute_backoff(queue.retry_config, attempts=tried).total_seconds() for tried in tries),
    )


def differences(default: Policy, chosen: Policy) -> list[str]:
    """What a deployer writes into the tfvars to come from one to the other."""
    changes = []
    if chosen.max_instances != default.max_instances:
        changes.append(f"gpu_max_instances = {chosen.max_instances}")
    if chosen.min_instances != default.min_instances:
        changes.append(f"runner_min_instances = {chosen.min_instances}")
    return changes

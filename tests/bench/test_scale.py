"""The simulation of bench/scale: what it must keep, schedules by hand, and queues whose theory is known."""

import json
import math
import random
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from bench.scale.arrivals import DAY_SECONDS, Arrivals, draw_arrivals
from bench.scale.choice import Trial, platform_of, recommend, terraform_most_instances, terraform_policy
from bench.scale.figures import Figures, read_entries
from bench.scale.queue_model import Outcome, Platform, Policy, simulate

ROOT = Path(__file__).resolve().parents[2]
CALM = Platform(
    start_seconds=100.0,
    idle_seconds=600.0,
    interrupted_share=0.0,
    dispatches_per_second=500.0,
    dispatch_burst=500,
    backoff_seconds=(5.0, 10.0, 20.0, 40.0, 60.0),
)


def jobs_at(*pressed_at: float, seconds: float = 50.0) -> Arrivals:
    return Arrivals(list(pressed_at), [seconds] * len(pressed_at), [False] * len(pressed_at), days=1)


def began(outcome: Outcome) -> list[float]:
    return [run.began_at for run in outcome.runs]


@pytest.fixture(
    params=[Policy(1), Policy(8), Policy(8, 2), Policy(64), Policy(8, 0, 20, 1_800.0)],
    ids=["one", "eight", "two always", "many", "held"],
    scope="module",
)
def policy(request: pytest.FixtureRequest) -> Policy:
    assert isinstance(request.param, Policy)
    return request.param


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    return draw_arrivals(Figures.read(), videos_a_day=300, days=3, seed=7, burst=100)


@pytest.fixture(scope="module")
def outcome(arrivals: Arrivals, policy: Policy) -> Outcome:
    """A load with bursts, of which one try in ten loses its machine."""
    return simulate(arrivals, policy, replace(CALM, interrupted_share=0.1, dispatches_per_second=5.0), seed=7)


def test_every_job_is_rendered_once_and_for_as_long_as_it_takes(arrivals: Arrivals, outcome: Outcome) -> None:
    finished = [run for run in outcome.runs if not run.was_interrupted]

    assert sorted(run.job for run in finished) == list(range(len(arrivals.pressed_at)))
    assert [run.ended_at - run.began_at for run in finished] == pytest.approx(
        [arrivals.render_seconds[run.job] for run in finished]
    )


def test_no_job_begins_before_its_button_and_no_file_is_there_before_its_render(
    arrivals: Arrivals, outcome: Outcome
) -> None:
    slack = [
        file - wait - render
        for file, wait, render in zip(outcome.file_seconds, outcome.wait_seconds, arrivals.render_seconds, strict=True)
    ]

    assert min(outcome.wait_seconds) >= 0
    assert min(slack) >= -1e-6


def test_no_instance_does_two_at_once_or_works_outside_its_life(outcome: Outcome) -> None:
    for instance in outcome.instances:
        runs = [run for run in outcome.runs if run.instance == instance.number]
        ends = [instance.began_at, *(run.ended_at for run in runs)]

        assert instance.ended_at is not None
        assert all(ended <= run.began_at for ended, run in zip(ends, runs, strict=False))
        assert ends[-1] <= instance.ended_at


def test_no_more_instances_are_up_than_allowed_and_no_fewer_than_stay(policy: Policy, outcome: Outcome) -> None:
    ends = [(instance.ended_at or 0.0, -1) for instance in outcome.instances]
    changes = sorted([(instance.began_at, 1) for instance in outcome.instances] + ends)
    last = max(time for time, _ in changes)
    up, counts = 0, {}
    for time, change in changes:
        up += change
        counts[time] = up  # of one moment, what it leaves behind

    assert max(counts.values()) <= policy.max_instances
    assert min(count for time, count in counts.items() if time < last) >= policy.min_instances


def test_what_is_paid_is_at_least_what_is_rendered(arrivals: Arrivals, outcome: Outcome) -> None:
    assert outcome.billed_seconds >= outcome.busy_seconds >= sum(arrivals.render_seconds)


def test_an_interrupted_try_comes_again_after_the_queues_back_off(outcome: Outcome) -> None:
    tries: dict[int, list[tuple[float, float]]] = {}
    for run in outcome.runs:
        tries.setdefault(run.job, []).append((run.began_at, run.ended_at))
    pauses = [
        later[0] - earlier[1] - CALM.backoff_seconds[number]
        for runs in tries.values()
        for number, (earlier, later) in enumerate(pairwise(runs))
    ]

    assert len(pauses) > 50
    assert min(pauses) >= -1e-6


def test_one_instance_by_hand() -> None:
    outcome = simulate(jobs_at(0.0, 10.0, 1_000.0), Policy(1), CALM, seed=1)

    assert began(outcome) == [100.0, 150.0, 1_100.0]
    assert [(one.began_at, one.ended_at) for one in outcome.instances] == [(0.0, 800.0), (1_000.0, 1_750.0)]
    assert outcome.wait_seconds == [100.0, 140.0, 100.0]
    assert outcome.file_seconds == [150.0, 190.0, 150.0]
    assert outcome.billed_seconds == 1_550.0


def test_a_job_takes_the_instance_that_is_free_before_the_one_that_starts() -> None:
    outcome = simulate(jobs_at(0.0, 120.0), Policy(2), CALM, seed=1)

    assert began(outcome) == [100.0, 150.0]
    assert [(one.began_at, one.ended_at) for one in outcome.instances] == [(0.0, 800.0), (120.0, 820.0)]


def test_an_instance_that_is_always_up_spares_the_start_and_is_paid_all_day() -> None:
    outcome = simulate(jobs_at(0.0, 10.0, 50_000.0), Policy(2, 1), CALM, seed=1)

    assert began(outcome) == [0.0, 50.0, 50_000.0]
    assert [(one.began_at, one.ended_at) for one in outcome.instances] == [(0.0, 700.0), (10.0, DAY_SECONDS)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(1, 0, 3, 1_000.0), [120.0, 170.0, 220.0]),
        (Policy(1, 0, 9, 300.0), [400.0, 450.0, 500.0]),
    ],
    ids=["until there are three", "until the first has waited long enough"],
)
def test_a_sleeping_queue_is_held(policy: Policy, expected: list[float]) -> None:
    assert began(simulate(jobs_at(0.0, 10.0, 20.0), policy, CALM, seed=1)) == expected


def test_a_queue_that_is_awake_is_not_held() -> None:
    outcome = simulate(jobs_at(0.0, 10.0, 300.0), Policy(1, 0, 2, 1_000.0), CALM, seed=1)

    assert began(outcome) == [110.0, 160.0, 300.0]


def test_the_queue_sends_no_more_than_its_rate_after_its_burst() -> None:
    slow = replace(CALM, dispatches_per_second=2.0, dispatch_burst=3)

    outcome = simulate(jobs_at(*[1_000.0] * 6), Policy(6, 6), slow, seed=1)

    assert began(outcome) == [1_000.0, 1_000.0, 1_000.0, 1_000.5, 1_001.0, 1_001.5]


@pytest.mark.parametrize(("servers", "share"), [(1, 0.6), (4, 0.7)])
def test_random_renders_wait_as_erlang_says(servers: int, share: float) -> None:
    seconds, chance = 50.0, random.Random(3)
    arrivals = poisson(200_000, rate=share * servers / seconds, chance=chance)
    arrivals = replace(arrivals, render_seconds=[chance.expovariate(1 / seconds) for _ in arrivals.pressed_at])

    waits = simulate(arrivals, Policy(servers, servers), CALM, seed=1).wait_seconds

    offered = share * servers
    queued = offered**servers / math.factorial(servers) / (1 - share)
    delayed = queued / (sum(offered**count / math.factorial(count) for count in range(servers)) + queued)
    assert sum(waits) / len(waits) == pytest.approx(delayed * seconds / (servers - offered), rel=0.05)


def test_equal_renders_on_one_instance_wait_as_pollaczek_and_khinchine_say() -> None:
    seconds, share = 50.0, 0.7
    arrivals = poisson(60_000, rate=share / seconds, chance=random.Random(4))
    arrivals = replace(arrivals, render_seconds=[seconds] * len(arrivals.pressed_at))

    waits = simulate(arrivals, Policy(1, 1), CALM, seed=1).wait_seconds

    assert sum(waits) / len(waits) == pytest.approx(share * seconds / (2 * (1 - share)), rel=0.05)


def poisson(jobs: int, *, rate: float, chance: random.Random) -> Arrivals:
    now, pressed = 0.0, []
    for _ in range(jobs):
        now += chance.expovariate(rate)
        pressed.append(now)
    return Arrivals(pressed, [0.0] * jobs, [False] * jobs, days=1)


def test_the_same_seed_draws_the_same_quiet_jobs_with_bursts_and_without() -> None:
    figures = Figures.read()

    quiet = draw_arrivals(figures, videos_a_day=100, days=4, seed=2)
    sudden = draw_arrivals(figures, videos_a_day=100, days=4, seed=2, burst=30, burst_every_days=2)

    jobs = zip(sudden.pressed_at, sudden.render_seconds, sudden.in_burst, strict=True)
    assert [(at, seconds) for at, seconds, is_sudden in jobs if not is_sudden] == list(
        zip(quiet.pressed_at, quiet.render_seconds, strict=True)
    )
    assert sum(sudden.in_burst) == 60
    assert sudden.pressed_at == sorted(sudden.pressed_at)


def trial(policy: Policy, *, wait: float, dollars: float, longest: float = 1_000.0) -> Trial:
    return Trial(policy, 0.0, wait, longest, wait + 50.0, dollars, 1.0, 0.5)


def test_recommended_is_the_simplest_of_the_cheapest_that_keep_the_bound() -> None:
    trials = [
        trial(Policy(1), wait=301.0, dollars=0.5),  # too slow
        trial(Policy(2), wait=200.0, dollars=1.2),  # too dear
        trial(Policy(4, 1), wait=10.0, dollars=1.0),  # an instance more that is always up
        trial(Policy(8), wait=90.0, dollars=1.04),
        trial(Policy(16), wait=80.0, dollars=1.0),  # more instances
        trial(Policy(4), wait=100.0, dollars=0.9, longest=6 * 3_600.0),  # some past their deadline
        trial(Policy(1, 0, 5, 120.0), wait=250.0, dollars=0.8),  # holds the queue
    ]

    assert recommend(trials, bound_seconds=300.0) == trials[3]
    assert recommend(trials, bound_seconds=1.0) is None


def test_the_defaults_are_those_of_terraform() -> None:
    limits = json.loads((ROOT / "terraform" / "queue.json").read_text())["rateLimits"]

    assert terraform_policy() == Policy(max_instances=limits["maxConcurrentDispatches"], min_instances=0)
    assert terraform_most_instances() == 200
    assert platform_of(Figures.read()).backoff_seconds[:6] == (5.0, 10.0, 20.0, 40.0, 60.0, 60.0)


def test_a_second_costs_what_the_price_list_says() -> None:
    found = re.search(r"= \*\*([0-9.]+)\*\* \(", (ROOT / "docs" / "costs.md").read_text())

    assert found is not None
    assert round(Figures.read().dollars_per_second, 6) == float(found[1])


def test_the_machine_is_the_one_that_terraform_asks_for() -> None:
    figures = Figures.read()

    limits = f'cpu = "{figures.vcpus}", memory = "{figures.memory_gib}Gi"'
    assert limits in (ROOT / "terraform" / "runner.tf").read_text()


def test_no_figure_is_called_measured_without_the_command_that_measured_it() -> None:
    measured = [entry["source"] for entry in read_entries().values() if entry["kind"] == "measured"]

    assert [source for source in measured if "bench/" not in source] == []

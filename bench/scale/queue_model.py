"""The queue and the runner's instances, event by event.

A task goes out when the queue's rate and the number of tasks under way let it; an instance has one at a time. When none
is idle, Cloud Run starts one more and the task waits for whichever is free first. An instance that was idle for long
ends, unless it is one of those that always stay. Billed is from an instance's start to its end. A try that loses its
machine is answered with 503, and its task comes again after the queue's back-off.

Not in the model: a task that is refused with 429, since queue and runner have the same number (terraform/queue.tf), and
a second delivery, which is answered with 409 within a second.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from bench.scale.arrivals import DAY_SECONDS, Arrivals


@dataclass(frozen=True)
class Policy:
    """What a deployer chooses. While no instance is up, the queue is held until it has `hold_jobs`, or one of them has
    waited for `hold_seconds`.
    """

    max_instances: int
    min_instances: int = 0
    hold_jobs: int = 1
    hold_seconds: float = 0.0


@dataclass(frozen=True)
class Platform:
    """What Cloud Run and Cloud Tasks do. `backoff_seconds` follow the first, second, ... try; the last one stays."""

    start_seconds: float
    idle_seconds: float
    interrupted_share: float
    dispatches_per_second: float
    dispatch_burst: int
    backoff_seconds: tuple[float, ...]
    longest_idle_serves: bool = False


class Run(NamedTuple):
    """A try of a job on an instance, both by their numbers from 0."""

    job: int
    instance: int
    began_at: float
    ended_at: float
    was_interrupted: bool


@dataclass
class Instance:
    """`ended_at` is set when it is known; `idle_since` while it is idle; `is_looked_at` while an event will do so."""

    number: int
    began_at: float
    ended_at: float | None = None
    idle_since: float | None = None
    is_looked_at: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of every job and instance. Waits are from the button to the first try, files to the end."""

    wait_seconds: list[float]
    file_seconds: list[float]
    runs: list[Run]
    instances: list[Instance]

    @property
    def busy_seconds(self) -> float:
        return sum(run.ended_at - run.began_at for run in self.runs)

    @property
    def billed_seconds(self) -> float:
        return sum((instance.ended_at or instance.began_at) - instance.began_at for instance in self.instances)


def simulate(arrivals: Arrivals, policy: Policy, platform: Platform, *, seed: int) -> Outcome:
    """Every job is rendered, however long that takes. The same seed interrupts the same tries of equal policies."""
    return _Cloud(arrivals, policy, platform, random.Random(seed)).run()


class _Cloud:
    def __init__(self, arrivals: Arrivals, policy: Policy, platform: Platform, chance: random.Random) -> None:
        self.arrivals, self.policy, self.platform, self.chance = arrivals, policy, platform, chance
        jobs = len(arrivals.pressed_at)
        self.tries, self.first_began, self.last_ended = [0] * jobs, [0.0] * jobs, [0.0] * jobs
        self.runs: list[Run] = []
        self.instances: list[Instance] = []
        self.waiting: deque[int] = deque()  # jobs in the queue
        self.placed: deque[int] = deque()  # jobs that were sent and have no instance yet
        self.idle: deque[Instance] = deque()  # in the order in which they became so
        self.under_way = self.up = self.starting = 0
        self.rate_allows_at = float("-inf")
        self.looks_at: float | None = None
        # Of the same moment, buttons come first, and then what was added first.
        self.pressed = 0  # how many buttons have been
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.added = 0

    def run(self) -> Outcome:
        for _ in range(self.policy.min_instances):
            self.free(self.new_instance(0.0), 0.0)
        events, due = self.events, [*self.arrivals.pressed_at, float("inf")]
        while events or self.pressed < len(self.tries):
            if not events or due[self.pressed] <= events[0][0]:
                now = due[self.pressed]
                self.take_in(self.pressed, now)
                self.pressed += 1
            else:
                now, _, happen = heapq.heappop(events)
                happen(now)
            if self.waiting:
                self.send_tasks(now)
        horizon = max([self.arrivals.days * DAY_SECONDS, *self.last_ended])
        for instance in self.instances:
            if instance.ended_at is None:
                instance.ended_at = horizon
        pressed_at = self.arrivals.pressed_at
        return Outcome(
            wait_seconds=[began - at for began, at in zip(self.first_began, pressed_at, strict=True)],
            file_seconds=[ended - at for ended, at in zip(self.last_ended, pressed_at, strict=True)],
            runs=self.runs,
            instances=self.instances,
        )

    def add(self, at: float, happen: Callable[[float], None]) -> None:
        self.added += 1
        heapq.heappush(self.events, (at, self.added, happen))

    # The queue

    def take_in(self, job: int, _now: float) -> None:
        self.waiting.append(job)

    def send_tasks(self, now: float) -> None:
        """Every task that may go out does; if time alone keeps the next one back, it is looked at again then."""
        while self.waiting and self.under_way < self.policy.max_instances:
            allowed_at = max(self.hold_ends_at(now), self.rate_allows_at)
            if allowed_at > now:
                self.look_again(allowed_at)
                return
            # A bucket of `dispatch_burst` tokens that are filled up at the rate, as the moment of the next token.
            interval = 1 / self.platform.dispatches_per_second
            full = now - (self.platform.dispatch_burst - 1) * interval
            self.rate_allows_at = max(self.rate_allows_at, full) + interval
            self.under_way += 1
            self.place(self.waiting.popleft(), now)

    def hold_ends_at(self, now: float) -> float:
        if self.up > 0 or len(self.waiting) >= self.policy.hold_jobs:
            return now
        return self.arrivals.pressed_at[self.waiting[0]] + self.policy.hold_seconds

    def look_again(self, at: float) -> None:
        if self.looks_at is None or at < self.looks_at:
            self.looks_at = at
            self.add(at, self.look)

    def look(self, now: float) -> None:
        if self.looks_at is not None and now >= self.looks_at:
            self.looks_at = None

    # The instances

    def place(self, job: int, now: float) -> None:
        if self.idle:
            longest_first = self.platform.longest_idle_serves
            self.start_run(job, self.idle.popleft() if longest_first else self.idle.pop(), now)
            return
        self.placed.append(job)
        if self.starting < len(self.placed) and self.up < self.policy.max_instances:
            self.start_instance(now)

    def new_instance(self, now: float) -> Instance:
        self.up += 1
        self.instances.append(Instance(len(self.instances), began_at=now))
        return self.instances[-1]

    def start_instance(self, now: float) -> None:
        self.starting += 1
        self.add(now + self.platform.start_seconds, partial(self.become_ready, self.new_instance(now)))

    def become_ready(self, instance: Instance, now: float) -> None:
        self.starting -= 1
        self.free(instance, now)

    def free(self, instance: Instance, now: float) -> None:
        """The instance serves whoever has waited for one longest, or is idle from now on."""
        if self.placed:
            self.start_run(self.placed.popleft(), instance, now)
            return
        instance.idle_since = now
        self.idle.append(instance)
        if not instance.is_looked_at:
            instance.is_looked_at = True
            self.add(now + self.platform.idle_seconds, partial(self.end_idle, instance))

    def end_idle(self, instance: Instance, now: float) -> None:
        """The instance is looked at once in its idle time, and not for each run that it had meanwhile."""
        instance.is_looked_at = False
        if instance.idle_since is None:
            return
        ends_at = instance.idle_since + self.platform.idle_seconds
        if now < ends_at:
            instance.is_looked_at = True
            self.add(ends_at, partial(self.end_idle, instance))
        elif self.up > self.policy.min_instances:
            self.idle.remove(instance)
            self.end_instance(instance, now)

    def end_instance(self, instance: Instance, now: float) -> None:
        instance.ended_at = now
        self.up -= 1
        if self.up < self.policy.min_instances:
            self.start_instance(now)

    def start_run(self, job: int, instance: Instance, now: float) -> None:
        instance.idle_since = None
        if self.tries[job] == 0:
            self.first_began[job] = now
        self.tries[job] += 1
        seconds = self.arrivals.render_seconds[job]
        is_interrupted = self.chance.random() < self.platform.interrupted_share
        if is_interrupted:
            seconds *= self.chance.random()
        run = Run(job, instance.number, now, now + seconds, is_interrupted)
        self.runs.append(run)
        self.add(run.ended_at, partial(self.end_run, run, instance))

    def end_run(self, run: Run, instance: Instance, now: float) -> None:
        self.under_way -= 1
        if not run.was_interrupted:
            self.last_ended[run.job] = now
            self.free(instance, now)
            return
        backoffs = self.platform.backoff_seconds
        due_in = backoffs[min(self.tries[run.job], len(backoffs)) - 1]
        self.add(now + due_in, partial(self.take_in, run.job))
        self.end_instance(instance, now)

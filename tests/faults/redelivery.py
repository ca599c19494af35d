"""What the platform does afterwards: events and tasks are delivered until each had its 2xx, and clocks go on ticking.

Every event is delivered at least once to every function that listens, every task to a runner, and the scheduled
functions run whenever a document is due, on a clock that is moved there. It ends when nothing is due any more.
"""

import functools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from google.cloud.tasks_v2 import Task

import main
from gcp.deployment import CalledBy
from gpu_runner.server import build_app
from tests.faults.crashes import Process
from tests.faults.world import Event, World

# More than anything needs: what is due again and again is never at rest.
_MOST_ROUNDS = 40
_A_MOMENT = timedelta(seconds=1)
# What is due by a field of its own, and the scheduled function that looks for it.
_DUE = {
    "videoJobs": "repair_video_jobs",
    "mediaDeletions": "finish_deletions",
    "accountDeletions": "finish_deletions",
}


class NeverAtRestError(AssertionError):
    """Something is due again and again."""


class Listener(NamedTuple):
    """A function that Firestore calls: the documents that it listens to, and what it is told of them."""

    name: str
    pattern: tuple[str, ...]
    is_told_creations_only: bool
    is_told_the_time: bool
    handler: Callable[..., None]

    def hears(self, event: Event) -> bool:
        path = event.path.split("/")
        if self.is_told_creations_only and (event.before is not None or event.after is None):
            return False
        return len(path) == len(self.pattern) and all(
            word.startswith("{") or word == part for word, part in zip(self.pattern, path, strict=True)
        )

    def tell(self, event: Event) -> None:
        variables = {
            word.strip("{}"): part
            for word, part in zip(self.pattern, event.path.split("/"), strict=True)
            if word.startswith("{")
        }
        if self.is_told_creations_only:
            self.handler(variables, event.after)
        elif self.is_told_the_time:
            self.handler(variables, event.before, event.after, event.at)
        else:
            self.handler(variables, event.before, event.after)


@functools.cache
def listeners() -> tuple[Listener, ...]:
    """All that the deployment has."""
    return tuple(_listeners())


def _listeners() -> Iterator[Listener]:
    for name in sorted(main.FUNCTIONS):
        function = getattr(main, name)
        called_by, handler = function.deployment.called_by, function.handler
        if called_by in {CalledBy.DOCUMENT_CREATED, CalledBy.DOCUMENT_WRITTEN}:
            yield Listener(
                name,
                tuple(function.deployment.subject.split("/")),
                called_by is CalledBy.DOCUMENT_CREATED,
                handler.__code__.co_argcount == 4,
                handler,
            )


def deliver_events(world: World, process: Process | None = None) -> None:
    """Every event was delivered, and those that followed from it."""
    with world.functions(process):
        while world.events:
            event = world.events.pop(0)
            for listener in listeners():
                if listener.hears(event):
                    listener.tell(event)


def deliver_tasks(world: World) -> bool:
    """Every task of the queue was delivered once. Whether one ended."""
    ended = False
    for task in world.tasks():
        if deliver_task(world, task) < 300:
            world.end_task(task)
            ended = True
    return ended


def deliver_task(world: World, task: Task, process: Process | None = None) -> int:
    """The status with which a runner answers, which takes the queue for who it says it is."""
    app = build_app(world.runner(process), verify_caller=lambda _authorization: None)
    headers = {"X-CloudTasks-TaskRetryCount": str(world.deliveries[task.name])}
    world.deliveries[task.name] += 1
    path = urlsplit(task.http_request.url).path
    return app.test_client().post(path, data=task.http_request.body, headers=headers).status_code


def run_scheduled(world: World, name: str, process: Process | None = None) -> None:
    """The scheduled function of that name runs once."""
    with world.functions(process):
        getattr(main, name).handler()


def settle_down(world: World) -> None:
    """Nothing is due any more. Raises NeverAtRestError."""
    for _ in range(_MOST_ROUNDS):
        deliver_events(world)
        while deliver_tasks(world):
            deliver_events(world)
        due = dict(_due(world))
        moments = [*due.values(), *(_lease_ends(world) if world.tasks() else ())]
        if not moments:
            if world.tasks():
                raise NeverAtRestError(f"the queue keeps {world.tasks()}")
            return
        world.clock.advance_to(min(moments) + _A_MOMENT)
        for name in sorted({_DUE[path.split("/")[0]] for path, moment in due.items() if moment <= world.clock.time}):
            run_scheduled(world, name)
    raise NeverAtRestError(f"still due after {_MOST_ROUNDS} rounds: {dict(_due(world))}")


def sleep_over_it(world: World) -> None:
    """A day later both nightly functions have run, and what followed from that has come to rest."""
    world.clock.advance_to(world.clock.time + timedelta(hours=25))
    for name in ("audit_ledgers", "sweep_media"):
        run_scheduled(world, name)
    settle_down(world)


def _due(world: World) -> Iterator[tuple[str, datetime]]:
    for path, fields in world.documents.items():
        if path.split("/")[0] in _DUE and fields.get("checkAt"):
            yield path, fields["checkAt"]


def _lease_ends(world: World) -> Iterator[datetime]:
    """When a task that a busy runner refused may be taken by another."""
    for path, fields in world.documents.items():
        if path.startswith("videoJobs/") and fields.get("leaseUntil"):
            yield fields["leaseUntil"]

"""What goes wrong at random while people use the system."""

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from google.cloud.tasks_v2 import CloudTasksClient

from local.addresses import QUEUE
from local.cloud import LocalCloud
from tests.end_to_end.test_kills import events_delivered_twice, tasks_delivered_twice

_PAUSE_SECONDS = (6.0, 18.0)
_LASTS_SECONDS = (4.0, 12.0)


@dataclass(eq=False)
class Trouble(threading.Thread):
    """Until `ended`, one fault after the other. Of the parts that `spares` names none is ended while it is set.

    The chance decides what comes next and when; what it hits depends on the machine as well.
    """

    cloud: LocalCloud
    tasks: CloudTasksClient
    chance: random.Random
    ended: threading.Event
    spares_work: threading.Event = field(default_factory=threading.Event)
    done: list[tuple[float, str]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._began = time.monotonic()

    def run(self) -> None:
        try:
            while not self.ended.wait(self.chance.uniform(*_PAUSE_SECONDS)):
                self._cause_one()
        except BaseException as error:  # the test tells it
            self.failures.append(error)
            raise

    def _cause_one(self) -> None:
        always: dict[str, Callable[[], None]] = {
            "SIGKILL voice": lambda: self._kill("voice", signal.SIGKILL),
            "SIGTERM voice": lambda: self._kill("voice", signal.SIGTERM),
            "SIGKILL tasks": lambda: self._kill_tasks(signal.SIGKILL),
            "SIGTERM tasks": lambda: self._kill_tasks(signal.SIGTERM),
            "queue paused": self._pause_queue,
            "events doubled": self._double_events,
            "tasks doubled": self._double_tasks,
        }
        at_work: dict[str, Callable[[], None]] = {
            "SIGKILL runner": lambda: self._kill("gpu_runner", signal.SIGKILL),
            "SIGTERM runner": lambda: self._kill("gpu_runner", signal.SIGTERM),
            "SIGKILL functions": lambda: self.cloud.kill_part("functions", signal.SIGKILL),
            "SIGTERM functions": lambda: self.cloud.kill_part("functions", signal.SIGTERM),
            "SIGKILL clock": lambda: self._kill("scheduled_functions", signal.SIGKILL),
        }
        faults = always if self.spares_work.is_set() else always | at_work
        name = self.chance.choice(sorted(faults))
        self.done.append((time.monotonic() - self._began, name))
        faults[name]()

    def _kill(self, part: str, number: signal.Signals) -> None:
        self.cloud.kill_part(part, number)

    def _kill_tasks(self, number: signal.Signals) -> None:
        """Nothing restarts this part by itself, since in the cloud it does not die."""
        self.cloud.kill_part("tasks", number)
        self.cloud.restart_part("tasks")

    def _pause_queue(self) -> None:
        self.tasks.pause_queue(name=QUEUE)
        try:
            self._last()
        finally:
            self.tasks.resume_queue(name=QUEUE)

    def _double_events(self) -> None:
        with events_delivered_twice(self.cloud):
            self._last()

    def _double_tasks(self) -> None:
        with tasks_delivered_twice(self.cloud):
            self._last()

    def _last(self) -> None:
        self.ended.wait(self.chance.uniform(*_LASTS_SECONDS))

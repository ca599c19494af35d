"""What the health of the platform is made of: database, storage, queue, and what the runner last reported.

The runner is never asked. A question would start a machine with a GPU, and one that sleeps is healthy.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from contracts import log
from contracts.environment import ConfigurationError
from contracts.runner_report import RUNNER, RunnerReport
from gcp.clients import firestore, media_bucket, tasks
from gcp.settings import settings
from health.bounded import Outcome, Question

# A client waits at most a second; what is left of it is for the rest of the request.
_PATIENCE_SECONDS = 0.8
# Nobody waits for a call after this; it is ended so that its thread comes back.
_CALL_SECONDS = 5.0
# An answer serves everybody who asks within so many seconds, so that asking often costs nothing.
_FRESH_SECONDS = 5.0


@dataclass(frozen=True)
class Findings:
    """How the three services answered.

    The database's answer is the runner's last report, if there is one; the queue's, whether it hands its tasks out.
    """

    database: Outcome[RunnerReport | None]
    storage: Outcome[bool]
    queue: Outcome[bool]


class HealthCheck:
    """The platform's health as this process sees it, looked at anew every few seconds and by one request at a time."""

    def __init__(
        self,
        *,
        database: Callable[[], RunnerReport | None],
        storage: Callable[[], bool],
        queue: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Each of the callables asks one service, and may hang or raise."""
        self._database: Question[RunnerReport | None] = Question("database", database)
        self._storage: Question[bool] = Question("storage", storage)
        self._queue: Question[bool] = Question("queue", queue)
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, Findings] | None = None

    def findings(self) -> Findings:
        """What was found within the last seconds, or is found now, within less than a second."""
        with self._lock:
            if self._last is None or self._clock() - self._last[0] > _FRESH_SECONDS:
                self._last = (self._clock(), self._look())
            return self._last[1]

    def _look(self) -> Findings:
        moment = time.monotonic() + _PATIENCE_SECONDS
        database, storage, queue = self._database.begin(), self._storage.begin(), self._queue.begin()
        found = Findings(database=database(moment), storage=storage(moment), queue=queue(moment))
        for name, outcome in (("database", found.database), ("storage", found.storage), ("queue", found.queue)):
            if outcome.error is not None:
                log.warning("health_check_failed", check=name, error=type(outcome.error).__name__)
        return found


@functools.cache
def health_check() -> HealthCheck:
    """The process's own. Its clients are made before anything is asked: their imports take longer than a check may."""
    for make_client in (firestore, media_bucket, tasks):
        # What is missing in the environment is found out, and told, by the check that needs it.
        with contextlib.suppress(ConfigurationError):
            make_client()
    return HealthCheck(database=_read_report, storage=_reach_bucket, queue=_is_queue_running)


def _read_report() -> RunnerReport | None:
    reference = firestore().document("runnerReports", RUNNER)
    fields = reference.get(timeout=_CALL_SECONDS, retry=None).to_dict()
    return RunnerReport.model_validate(fields) if fields else None


def _reach_bucket() -> bool:
    """True when the bucket answers. Any object will do, also a missing one: asking for the bucket needs more rights."""
    media_bucket().blob("health").exists(timeout=_CALL_SECONDS, retry=None)
    return True


def _is_queue_running() -> bool:
    # Deferred: the generated types of Cloud Tasks, which the client has loaded.
    from google.cloud.tasks_v2 import Queue

    queue = tasks().get_queue(name=settings().require("RENDER_QUEUE"), timeout=_CALL_SECONDS, retry=None)
    return bool(queue.state == Queue.State.RUNNING)

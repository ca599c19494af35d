"""What the runner tells of itself in Firestore, so that nobody has to ask it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from google.cloud.firestore import Client

from contracts import log
from contracts.runner_report import RUNNER, RunnerReport, RunnerStatus

_TIMEOUT_SECONDS = 5.0


class Reports:
    """The runner's one report, overwritten when it takes up work and when it has laid down the last of it."""

    def __init__(
        self,
        db: Client,
        find_troubles: Callable[[], tuple[str, ...]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`find_troubles` looks at what the runner depends on, in bounded time, and names what does not work."""
        self._db = db
        self._find_troubles = find_troubles
        self._now = now
        self._lock = threading.Lock()
        self._works = 0

    @contextmanager
    def of_work(self) -> Iterator[None]:
        """The runner is reported busy for as long as the block runs, and afterwards idle, or troubled by what."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        # A task that is delivered twice at once must not report the end of the other's work.
        with self._lock:
            was_idle, self._works = self._works == 0, self._works + change
            if was_idle or self._works == 0:
                self._report()

    def _report(self) -> None:
        try:
            troubles = () if self._works else self._find_troubles()
            idle = RunnerStatus.TROUBLED if troubles else RunnerStatus.IDLE
            status = RunnerStatus.BUSY if self._works else idle
            report = RunnerReport(status=status, troubles=troubles, reported_at=self._now())
            reference = self._db.document("runnerReports", RUNNER)
            reference.set(report.to_document(), timeout=_TIMEOUT_SECONDS, retry=None)
        except Exception as error:  # noqa: BLE001 (a report that is not written must not fail the work)
            log.warning("runner_not_reported", error=type(error).__name__)

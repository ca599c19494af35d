"""A render's progress: in memory at once, in Firestore at most every two seconds, and at a step's end.

Showing it is a courtesy: a write that fails for the moment is logged and passed over, and the render goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from contracts import log
from contracts.video_job import Step, StepName, StepStatus
from gpu_runner.errors import TransientError

# About one write a second is what Firestore sustains on one document; the heartbeat and the triggers need their share.
WRITE_INTERVAL_SECONDS = 2.0

WriteSteps = Callable[[Sequence[Step], StepName], None]


class Report(Protocol):
    """Says how far the running step is, 0 to 100, in words for the user."""

    def __call__(self, progress_percent: float, message: str) -> None: ...


class Progress:
    """The five steps of one render."""

    def __init__(self, write: WriteSteps, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._written_at = float("-inf")
        self.steps = [Step(step_name=name) for name in StepName]

    @contextmanager
    def step(self, name: StepName) -> Iterator[Report]:
        """The step runs inside; it is completed, and written, when the block ends without an error."""
        index = list(StepName).index(name)

        def change(**fields: object) -> None:
            self.steps[index] = self.steps[index].model_copy(update=fields)

        def report(progress_percent: float, message: str) -> None:
            change(progress=round(min(max(progress_percent, 0.0), 100.0), 1), message=message)
            if self._clock() - self._written_at >= WRITE_INTERVAL_SECONDS:
                self._write_now(name)

        change(status=StepStatus.IN_PROGRESS, started_at=datetime.now(UTC))
        report(0.0, "")
        yield report
        change(status=StepStatus.COMPLETED, progress=100.0, completed_at=datetime.now(UTC))
        self._write_now(name)

    def _write_now(self, name: StepName) -> None:
        try:
            self._write(self.steps, name)
        except TransientError as error:
            log.warning("progress_not_written", step=name, reason=str(error))
        self._written_at = self._clock()

"""What happened, as JSON lines on stdout and as the list of dispatches that tests read. Never bodies or tokens."""

import contextlib
import json
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

KEPT_DISPATCHES = 10_000


@dataclass
class Dispatch:
    """One request to a target. `http_status` and `result` stay None until it has ended."""

    queue: str
    task: str
    attempt: int
    duplicate: bool
    dispatch_time: datetime
    end_time: datetime | None = None
    http_status: int | None = None
    result: str | None = None

    def as_json(self) -> dict[str, object]:
        """The dispatch with camelCase names and RFC 3339 times."""
        return {
            "queue": self.queue,
            "task": self.task,
            "attempt": self.attempt,
            "duplicate": self.duplicate,
            "dispatchTime": self.dispatch_time.isoformat(),
            "endTime": self.end_time.isoformat() if self.end_time else None,
            "httpStatus": self.http_status,
            "result": self.result,
        }


@dataclass
class EventLog:
    """The last `KEPT_DISPATCHES` dispatches, oldest first, and a writer of log lines. Safe for threads."""

    _dispatches: deque[Dispatch] = field(default_factory=lambda: deque(maxlen=KEPT_DISPATCHES))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def write(self, event: str, **fields: object) -> None:
        """One JSON line stands on stdout."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(), "event": event, **fields})
        # That nobody reads the log any more must not fail a call or an attempt.
        with self._lock, contextlib.suppress(BrokenPipeError):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def add_dispatch(self, dispatch: Dispatch) -> None:
        """The dispatch is listed; its end is filled in later by `end_dispatch`."""
        with self._lock:
            self._dispatches.append(dispatch)

    def end_dispatch(self, dispatch: Dispatch, *, http_status: int | None, result: str) -> None:
        """The listed dispatch carries its result."""
        with self._lock:
            dispatch.end_time = datetime.now(UTC)
            dispatch.http_status = http_status
            dispatch.result = result

    def list_dispatches(self) -> list[dict[str, object]]:
        """Every kept dispatch, oldest first."""
        with self._lock:
            return [dispatch.as_json() for dispatch in self._dispatches]

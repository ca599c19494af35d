"""Keeps a lease alive while its holder works, and tells it within seconds when the lease is lost."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from contracts import log
from contracts.video_job import HEARTBEAT, LEASE
from gpu_runner.errors import LeaseLostError

# A render must end within 5 s of its cancellation: a look, its read and the shortest wait of whatever works.
LOOK_SECONDS = 2.0


class Heartbeat:
    """Looks at the lease every other second, and extends it now and then, for as long as the block runs.

    The lease is lost when it is another's or its job has ended, and while more than a whole lease has passed since the
    last successful extension began: we stop before our successor starts, also while a look or an extension hangs. A
    look that fails loses nothing. The end of the block waits for a call that hangs until it returns or raises.
    """

    def __init__(
        self,
        *,
        look: Callable[[], None],
        extend: Callable[[], None],
        look_seconds: float = LOOK_SECONDS,
        extend_seconds: float = HEARTBEAT.total_seconds(),
        lease_seconds: float = LEASE.total_seconds(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` and `extend` raise LeaseLostError; what else they raise is logged, and they are called again."""
        self._look = look
        self._extend = extend
        self._look_seconds = look_seconds
        self._extend_seconds = extend_seconds
        self._lease_seconds = lease_seconds
        self._now = now
        self._extended_at = now()
        self._taken = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def is_lost(self) -> bool:
        return self._taken or self._now() - self._extended_at > self._lease_seconds

    def check(self) -> None:
        """Raises LeaseLostError when the lease is lost: nothing more may be written."""
        if self.is_lost():
            raise LeaseLostError

    def _beat(self) -> None:
        while not self._ended.wait(self._look_seconds):
            # A lease counts from some moment within the call that extends it, so ours does from its beginning.
            began_at = self._now()
            is_due = began_at - self._extended_at >= self._extend_seconds
            try:
                if is_due:
                    self._extend()
                    self._extended_at = began_at
                else:
                    self._look()
            except LeaseLostError:
                self._taken = True
                return
            except Exception as error:  # noqa: BLE001 (the thread's outermost handler: it must not end in silence)
                if is_due:
                    log.warning("lease_not_extended", error=type(error).__name__, at=log.frames_of(error))
                else:
                    log.warning("lease_not_looked_at", error=type(error).__name__, at=log.frames_of(error))

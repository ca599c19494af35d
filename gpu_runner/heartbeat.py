"""Keeps a lease alive while its holder works, and tells it when the lease is lost."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from contracts import log
from contracts.video_job import HEARTBEAT, LEASE
from gpu_runner.errors import LeaseLostError


class Heartbeat:
    """Extends the lease every few seconds for as long as the block runs.

    The lease is lost when it is another's, and while more than a whole lease has passed since the last successful
    extension began: we stop before our successor starts, also while an extension hangs. The end of the block waits
    for an extension that hangs until the call returns or raises.
    """

    def __init__(
        self,
        extend_lease: Callable[[], None],
        *,
        interval_seconds: float = HEARTBEAT.total_seconds(),
        lease_seconds: float = LEASE.total_seconds(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._extend_lease = extend_lease
        self._interval_seconds = interval_seconds
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
        while not self._ended.wait(self._interval_seconds):
            # A lease counts from some moment within the call that extends it, so ours does from its beginning.
            began_at = self._now()
            try:
                self._extend_lease()
            except LeaseLostError:
                self._taken = True
                return
            except Exception as error:  # noqa: BLE001 (the thread's outermost handler: it must not end in silence)
                log.warning("lease_not_extended", error=type(error).__name__, at=log.frames_of(error))
            else:
                self._extended_at = began_at

"""Keeps a lease alive while its holder works, and tells it when the lease is lost."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from contracts import log
from contracts.video_job import HEARTBEAT, LEASE
from gpu_runner.errors import LeaseLostError


class Heartbeat:
    """Extends the lease every few seconds for as long as the block runs.

    `lost` is set when the lease is another's, and when none of the extensions that began within a whole lease has
    succeeded: we stop before our successor starts, also while an extension hangs.
    """

    def __init__(
        self,
        extend_lease: Callable[[], None],
        *,
        interval_seconds: float = HEARTBEAT.total_seconds(),
        lease_seconds: float = LEASE.total_seconds(),
    ) -> None:
        self._extend_lease = extend_lease
        self._interval_seconds = interval_seconds
        self._lease_seconds = lease_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.lost = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raises LeaseLostError once the lease is lost: nothing more may be written."""
        if self.lost.is_set():
            raise LeaseLostError

    def _beat(self) -> None:
        expiry = self._expiry()
        while not self._ended.wait(self._interval_seconds):
            # A lease counts from some moment within the call that extends it, so ours does from its beginning.
            next_expiry = self._expiry()
            try:
                self._extend_lease()
            except LeaseLostError:
                self.lost.set()
                return
            except Exception as error:  # noqa: BLE001 (the thread's outermost handler: it must not end in silence)
                log.warning("lease_not_extended", error=type(error).__name__, at=log.frames_of(error))
                next_expiry.cancel()
            else:
                expiry.cancel()
                expiry = next_expiry
        expiry.cancel()

    def _expiry(self) -> threading.Timer:
        """Sets `lost` a whole lease from now, unless it is cancelled."""
        timer = threading.Timer(self._lease_seconds, self.lost.set)
        timer.daemon = True
        timer.start()
        return timer

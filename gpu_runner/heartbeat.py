"""Keeps a lease alive while its holder works, and tells it when the lease is lost."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from google.api_core.exceptions import GoogleAPICallError

from contracts import log
from contracts.video_job import HEARTBEAT
from gpu_runner.errors import LeaseLostError, TransientError


class Heartbeat:
    """Extends the lease every few seconds for as long as the block runs. `lost` is set when it cannot be extended.

    An extension that fails for want of an answer is tried again at the next beat; three of them fit into a lease.
    """

    def __init__(
        self, extend_lease: Callable[[], None], *, interval_seconds: float = HEARTBEAT.total_seconds()
    ) -> None:
        self._extend_lease = extend_lease
        self._interval_seconds = interval_seconds
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
        while not self._ended.wait(self._interval_seconds):
            try:
                self._extend_lease()
            except LeaseLostError:
                self.lost.set()
                return
            except (TransientError, GoogleAPICallError) as error:
                log.warning("lease_not_extended", error=type(error).__name__)

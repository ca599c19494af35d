"""How work is broken off: it asks now and then whether it should go on, and what has no ear is not waited for."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import FrameType
from typing import TypeVar

from gpu_runner.errors import ShutdownError

POLL_SECONDS = 0.5

Check = Callable[[], None]
"""Asked at least every POLL_SECONDS while something is awaited; what it raises ends the waiting."""

Result = TypeVar("Result")


class Shutdown:
    """Whether this process has been told to end, which is for good."""

    def __init__(self) -> None:
        # A plain attribute, since a signal's handler may hold no lock that the code it interrupts holds.
        self.has_begun = False

    def begin(self) -> None:
        self.has_begun = True

    def begin_at_sigterm(self) -> None:
        """SIGTERM begins it, and does what it did before: gunicorn's worker takes no more connections then.

        To be called in the main thread, once the server's own handler is set. gunicorn's worker calls none of its hooks
        at SIGTERM before it has waited for its requests.
        """
        before = signal.getsignal(signal.SIGTERM)

        def begin(number: int, frame: FrameType | None) -> None:
            self.begin()
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGTERM, begin)
        # As gunicorn sets it: no call that waits for the system is broken off.
        signal.siginterrupt(signal.SIGTERM, False)

    def check(self) -> None:
        """Raises ShutdownError once it has begun."""
        if self.has_begun:
            raise ShutdownError


def interruptible(work: Callable[[], Result], check: Check) -> Result:
    """What `work` returns or raises, unless `check` raises first.

    For calls that cannot be told to stop, such as a transfer over a connection that has stalled. One that is left
    behind ends by itself, at its own timeout at the latest, and nobody sees what comes of it.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised again where the result is awaited)
            outcome.set_exception(error)

    # A daemon, and no thread of a pool: those are waited for when the process ends.
    threading.Thread(target=run, name="interruptible", daemon=True).start()
    while not wait([outcome], timeout=POLL_SECONDS).done:
        check()
    return outcome.result()

import signal
import threading
from collections.abc import Iterator

import pytest

from gpu_runner.errors import ShutdownError
from gpu_runner.interruption import Shutdown, interruptible

DEADLINE_SECONDS = 10.0


class StopError(Exception):
    """What a check raises."""


def go_on() -> None:
    """Nothing is to stop."""


@pytest.fixture
def handler_of_before() -> Iterator[list[int]]:
    """The signals that a handler which was there before has seen."""
    seen: list[int] = []
    former = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGTERM, former)


def test_what_work_returns_is_returned() -> None:
    assert interruptible(lambda: 7, go_on) == 7


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_what_work_raises_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        interruptible(fail, go_on)


def test_work_that_hangs_is_left_behind() -> None:
    end, ended = threading.Event(), threading.Event()

    def hang() -> None:
        end.wait(DEADLINE_SECONDS)
        ended.set()

    def stop() -> None:
        raise StopError

    with pytest.raises(StopError):
        interruptible(hang, stop)

    was_left = not ended.is_set()
    end.set()
    assert was_left
    assert ended.wait(DEADLINE_SECONDS)


def test_sigterm_begins_the_shutdown_and_reaches_the_handler_of_before(handler_of_before: list[int]) -> None:
    shutdown = Shutdown()
    shutdown.begin_at_sigterm()
    shutdown.check()

    signal.raise_signal(signal.SIGTERM)

    assert handler_of_before == [signal.SIGTERM]
    with pytest.raises(ShutdownError):
        shutdown.check()

import threading
from collections.abc import Callable

import pytest

from gpu_runner.errors import LeaseLostError, TransientError
from gpu_runner.heartbeat import Heartbeat

DEADLINE_SECONDS = 10.0


class Lease:
    """Answers each extension with the next outcome, and with the last one ever after."""

    def __init__(self, *outcomes: Callable[[], None], expected: int) -> None:
        self.extensions = 0
        self.expected_came = threading.Event()
        self._outcomes = outcomes
        self._expected = expected

    def extend(self) -> None:
        self.extensions += 1
        if self.extensions == self._expected:
            self.expected_came.set()
        self._outcomes[min(self.extensions, len(self._outcomes)) - 1]()


class Clock:
    """A monotonic clock that stands still."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def succeed() -> None:
    """The lease runs from now again."""


@pytest.mark.parametrize(
    "error",
    [
        TransientError("the job document is contended"),
        ValueError("unexpected"),
        OSError("unexpected"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_extension_that_fails_is_tried_again_at_the_next_beat(error: Exception) -> None:
    lease = Lease(raising(error), succeed, expected=3)

    with Heartbeat(lease.extend, interval_seconds=0.001) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        heartbeat.check()


def test_a_lease_that_is_anothers_is_lost_at_once() -> None:
    lease = Lease(raising(LeaseLostError()), expected=1)

    with Heartbeat(lease.extend, interval_seconds=0.001) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert lease.extensions == 1
    with pytest.raises(LeaseLostError):
        heartbeat.check()


def test_a_lease_that_no_extension_reached_for_its_whole_length_is_lost() -> None:
    clock = Clock()
    lease = Lease(raising(TransientError("Firestore does not answer")), expected=2)

    with Heartbeat(lease.extend, interval_seconds=0.001, lease_seconds=30, now=clock.now) as heartbeat:
        clock.seconds = 30.0
        was_lost = heartbeat.is_lost()
        clock.seconds = 30.1
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        assert (was_lost, heartbeat.is_lost()) == (False, True)


def test_a_lease_is_lost_while_its_extension_hangs() -> None:
    clock, answered = Clock(), threading.Event()
    lease = Lease(lambda: assert_in_time(answered), expected=1)

    with Heartbeat(lease.extend, interval_seconds=0.001, lease_seconds=30, now=clock.now) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        clock.seconds = 30.1
        lost = heartbeat.is_lost()
        answered.set()

    assert lost


def test_an_extension_counts_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def succeed_late() -> None:
        clock.seconds += 31

    lease = Lease(succeed_late, expected=1)
    heartbeat = Heartbeat(lease.extend, interval_seconds=0.001, lease_seconds=30, now=clock.now)

    with heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert heartbeat.is_lost()
    assert capsys.readouterr().out == ""


def test_a_lease_that_is_extended_outlives_its_length() -> None:
    lease = Lease(succeed, expected=60)

    with Heartbeat(lease.extend, interval_seconds=0.02, lease_seconds=1.0) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        heartbeat.check()


def test_nothing_is_extended_after_the_block() -> None:
    lease = Lease(succeed, expected=1)

    with Heartbeat(lease.extend, interval_seconds=0.001):
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def assert_in_time(event: threading.Event) -> None:
    assert event.wait(DEADLINE_SECONDS)

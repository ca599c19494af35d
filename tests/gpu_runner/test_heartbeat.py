import threading
from collections.abc import Callable

import pytest

from gpu_runner.errors import LeaseLostError, TransientError
from gpu_runner.heartbeat import Heartbeat

DEADLINE_SECONDS = 10.0

Outcome = Callable[[], None]


class Lease:
    """Answers each look and each extension with the next of their outcomes, and with the last one ever after."""

    def __init__(self, *, looks: tuple[Outcome, ...] = (), extensions: tuple[Outcome, ...] = (), expected: int) -> None:
        self.calls: list[str] = []
        self.expected_came = threading.Event()
        self._outcomes = {"look": looks or (succeed,), "extend": extensions or (succeed,)}
        self._expected = expected

    def look(self) -> None:
        self._call("look")

    def extend(self) -> None:
        self._call("extend")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self._expected:
            self.expected_came.set()
        outcomes = self._outcomes[name]
        outcomes[min(self.calls.count(name), len(outcomes)) - 1]()


class Clock:
    """A monotonic clock that stands still, or goes on by a step whenever it is read."""

    def __init__(self, step: float = 0.0) -> None:
        self.seconds = 0.0
        self._step = step

    def now(self) -> float:
        self.seconds += self._step
        return self.seconds


def raising(error: Exception) -> Outcome:
    def fail() -> None:
        raise error

    return fail


def succeed() -> None:
    """The lease is ours."""


def heartbeat_of(lease: Lease, clock: Clock | None = None, *, extend_seconds: float = 0.0) -> Heartbeat:
    """One that looks every millisecond, and extends at every look unless told otherwise."""
    clock = clock or Clock()
    return Heartbeat(
        look=lease.look,
        extend=lease.extend,
        look_seconds=0.001,
        extend_seconds=extend_seconds,
        lease_seconds=30,
        now=clock.now,
    )


ERRORS = pytest.mark.parametrize(
    "error",
    [
        TransientError("the job document is contended"),
        ValueError("unexpected"),
        OSError("unexpected"),
    ],
    ids=lambda error: type(error).__name__,
)


@ERRORS
def test_an_extension_that_fails_is_tried_again_at_the_next_beat(error: Exception) -> None:
    lease = Lease(extensions=(raising(error), succeed), expected=3)

    with heartbeat_of(lease) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        heartbeat.check()


@ERRORS
def test_an_outage_while_looking_loses_no_lease(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    lease = Lease(looks=(raising(error),), expected=3)

    with heartbeat_of(lease, extend_seconds=10) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        heartbeat.check()

    assert "lease_not_looked_at" in capsys.readouterr().out


def test_a_lease_that_is_anothers_is_lost_at_once() -> None:
    lease = Lease(extensions=(raising(LeaseLostError()),), expected=1)

    with heartbeat_of(lease) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert lease.calls == ["extend"]
    with pytest.raises(LeaseLostError):
        heartbeat.check()


def test_a_lease_that_a_look_finds_lost_is_lost_at_once_and_not_extended() -> None:
    lease = Lease(looks=(succeed, raising(LeaseLostError())), expected=2)

    with heartbeat_of(lease, extend_seconds=10) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert lease.calls == ["look", "look"]
    with pytest.raises(LeaseLostError):
        heartbeat.check()


def test_a_lease_is_looked_at_between_its_extensions() -> None:
    lease = Lease(expected=11)

    # The clock is read once for the start, then once at each beat.
    with heartbeat_of(lease, Clock(step=2.0), extend_seconds=10):
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert lease.calls[:10] == ["look", "look", "look", "look", "extend"] * 2


def test_a_lease_that_no_extension_reached_for_its_whole_length_is_lost() -> None:
    clock = Clock()
    lease = Lease(extensions=(raising(TransientError("Firestore does not answer")),), expected=2)

    with heartbeat_of(lease, clock) as heartbeat:
        clock.seconds = 30.0
        was_lost = heartbeat.is_lost()
        clock.seconds = 30.1
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        assert (was_lost, heartbeat.is_lost()) == (False, True)


@pytest.mark.parametrize(("call", "extend_seconds"), [("extend", 0.0), ("look", 10.0)])
def test_a_lease_is_lost_while_a_call_hangs(call: str, extend_seconds: float) -> None:
    clock, answered = Clock(), threading.Event()
    hang = (lambda: assert_in_time(answered),)
    lease = Lease(looks=hang, extensions=hang, expected=1)

    with heartbeat_of(lease, clock, extend_seconds=extend_seconds) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        clock.seconds = 30.1
        lost = heartbeat.is_lost()
        answered.set()

    assert (lease.calls[0], lost) == (call, True)


def test_an_extension_counts_from_its_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def succeed_late() -> None:
        clock.seconds += 31

    lease = Lease(extensions=(succeed_late,), expected=1)
    heartbeat = heartbeat_of(lease, clock)

    with heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert heartbeat.is_lost()
    assert capsys.readouterr().out == ""


def test_a_lease_that_is_extended_outlives_its_length() -> None:
    lease = Lease(expected=60)

    with heartbeat_of(lease, Clock(step=1.0)) as heartbeat:
        assert lease.expected_came.wait(DEADLINE_SECONDS)
        heartbeat.check()


def test_nothing_is_extended_after_the_block() -> None:
    lease = Lease(expected=1)

    with heartbeat_of(lease):
        assert lease.expected_came.wait(DEADLINE_SECONDS)

    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def assert_in_time(event: threading.Event) -> None:
    assert event.wait(DEADLINE_SECONDS)

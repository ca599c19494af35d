"""Questions that are never answered, and what they may cost."""

import threading
import time
from collections.abc import Iterator

import pytest

from health.bounded import Question


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that nobody sets while the test runs."""
    event = threading.Event()
    yield event
    event.set()


def soon() -> float:
    return time.monotonic() + 0.05


def test_an_answer_comes_with_its_latency() -> None:
    outcome = Question("quick", lambda: 5).begin()(time.monotonic() + 10)

    assert (outcome.answer, outcome.error) == (5, None)
    assert outcome.latency_ms < 5000


def test_what_a_question_raises_is_its_outcome() -> None:
    def refuse() -> int:
        raise ConnectionRefusedError

    outcome = Question("refused", refuse).begin()(time.monotonic() + 10)

    assert isinstance(outcome.error, ConnectionRefusedError)


def test_nobody_waits_longer_than_they_want_to(never: threading.Event) -> None:
    began_at = time.monotonic()

    outcome = Question("hanging", never.wait).begin()(soon())

    assert isinstance(outcome.error, TimeoutError)
    assert time.monotonic() - began_at < 5


def test_a_question_that_hangs_is_not_asked_again(never: threading.Event) -> None:
    asked = []

    def ask() -> bool:
        asked.append(True)
        return never.wait()

    question = Question("hanging", ask)

    outcomes = [question.begin()(soon()) for _ in range(5)]

    assert [type(each.error) for each in outcomes] == [TimeoutError] * 5
    assert len(asked) == 1


def test_a_question_that_came_back_is_asked_anew() -> None:
    answers = iter([1, 2])
    question = Question("counting", lambda: next(answers))

    assert [question.begin()(time.monotonic() + 10).answer for _ in range(2)] == [1, 2]

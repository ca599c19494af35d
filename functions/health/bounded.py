"""Questions to services that may never answer, asked so that whoever asks is answered in time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome(Generic[Answer]):
    """How a question went: its answer unless there is an error, of which a TimeoutError stands for no answer yet."""

    answer: Answer | None
    error: Exception | None
    latency_ms: int


@dataclass
class _Asked(Generic[Answer]):
    """A question under way, in a thread of its own."""

    began_at: float
    ended: threading.Event
    outcome: Outcome[Answer] | None = None


class Question(Generic[Answer]):
    """One kind of question, of which a process never asks two at once.

    A thread cannot be ended from outside. One that hangs in a call is therefore left alone, and nobody asks again
    before it has come back.
    """

    def __init__(self, name: str, ask: Callable[[], Answer]) -> None:
        self.name = name
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: _Asked[Answer] | None = None

    def begin(self) -> Callable[[float], Outcome[Answer]]:
        """The question is under way, this one or the one before; what is returned waits for it until a moment."""
        with self._lock:
            asked = self._under_way
            if asked is None or asked.ended.is_set():
                asked = self._under_way = _Asked(began_at=time.monotonic(), ended=threading.Event())
                threading.Thread(target=self._run, args=(asked,), name=f"health-{self.name}", daemon=True).start()

        def wait_until(moment: float) -> Outcome[Answer]:
            asked.ended.wait(max(0.0, moment - time.monotonic()))
            return asked.outcome or Outcome(None, TimeoutError(), _milliseconds_since(asked.began_at))

        return wait_until

    def _run(self, asked: _Asked[Answer]) -> None:
        try:
            answer = self._ask()
        except Exception as error:  # noqa: BLE001 (the thread's outermost handler: whoever waits is told)
            asked.outcome = Outcome(None, error, _milliseconds_since(asked.began_at))
        else:
            asked.outcome = Outcome(answer, None, _milliseconds_since(asked.began_at))
        finally:
            asked.ended.set()


def _milliseconds_since(began_at: float) -> int:
    return round((time.monotonic() - began_at) * 1000)

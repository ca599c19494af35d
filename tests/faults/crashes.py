"""A process of the product as the outside sees it: calls to Google's services, until it is killed at one of them.

Every call to Firestore, Cloud Storage, Cloud Tasks, Firebase Auth and the voice is counted. At the one that is asked
for the process dies, either before the call is made or when it was made and its answer is lost. From then on nothing
of the process reaches anybody, so that its clean-up and its threads write nothing.

A transaction that the process leaves open is rolled back for it: in production the database does that by itself, and
the emulator keeps its locks for a minute.
"""

import itertools
import threading
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from contracts.job_snapshot import Speaker
from gpu_runner.interruption import Check
from tests.functions.killed import KilledError

Result = TypeVar("Result")
Moment = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")

# What Firestore answers in pieces: the answer is there when all of them are.
_STREAMED = frozenset({"batch_get_documents", "run_query", "run_aggregation_query"})


class Death(NamedTuple):
    """Before or after the n-th call, from 1."""

    number: int
    moment: Moment


# The runner's, in which it does what it may have to leave behind. It waits for them, so that calls have their order.
_AWAITED_THREADS = "interruptible"


class Process:
    """Counts the calls that come in the same order every time. The heartbeat's do not; it only dies with the others."""

    def __init__(self, death: Death | None = None) -> None:
        self.calls: list[str] = []
        self.is_dead = False
        self._death = death
        self._thread = threading.get_ident()
        self._last_acts: list[Callable[[], object]] = []

    @property
    def kinds(self) -> Counter[str]:
        """How many calls went to which service."""
        return Counter(call.partition(".")[0] for call in self.calls)

    def call(self, name: str, act: Callable[[], Result]) -> Result:
        """What the call answers. Raises KilledError where the process dies, and ever after."""
        self.check_alive()
        if not self._is_counted:
            return act()
        self.calls.append(name)
        if self._death is None or len(self.calls) != self._death.number:
            return act()
        try:
            if self._death.moment == "after":
                act()
        finally:
            self.die()
        raise KilledError

    def check_alive(self) -> None:
        """Raises KilledError once the process is dead."""
        if self.is_dead:
            # A thread of its own ends as it likes, but not with what pytest takes for a defect.
            raise KilledError if self._is_counted else ConnectionError

    @property
    def _is_counted(self) -> bool:
        return threading.get_ident() == self._thread or threading.current_thread().name == _AWAITED_THREADS

    def die(self) -> None:
        self.is_dead = True
        for act in self._last_acts:
            act()

    def at_death(self, act: Callable[[], object]) -> None:
        """What the other side does when it hears no more of the process."""
        self._last_acts.append(act)


class WatchedFirestore:
    """A Firestore client's connection. `written` is called with the names of the documents of every commit."""

    def __init__(self, unwatched: Any, process: Process, written: Callable[[list[str]], None]) -> None:
        self.unwatched = unwatched
        self._process, self._written = process, written
        self._open: dict[bytes, dict[str, Any]] = {}
        process.at_death(self._roll_back)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.unwatched, name)
        if name.startswith("_") or not callable(found):
            return found
        return lambda *arguments, **named: self._call(name, found, arguments, named)

    def _call(self, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        request = named.get("request") or (arguments[0] if arguments else {})

        def act() -> Any:
            answer = method(*arguments, **named)
            if name in _STREAMED:
                return iter(list(answer))
            if name == "begin_transaction":
                self._open[answer.transaction] = named
            elif name == "commit":
                self._open.pop(request.get("transaction", b""), None)
                self._written([each.delete or each.update.name for each in request["writes"]])
            return answer

        if name == "rollback":
            # No call of its own account: it changes nothing, and the emulator would keep its locks.
            self._process.check_alive()
            self._open.pop(request["transaction"], None)
            return method(*arguments, **named)
        return self._process.call(f"firestore.{name}", act)

    def _roll_back(self) -> None:
        for transaction, begun in self._open.items():
            request = {"database": begun["request"]["database"], "transaction": transaction}
            self.unwatched.rollback(request=request, metadata=begun.get("metadata", ()))


class Request(NamedTuple):
    """What was asked of Cloud Storage."""

    method: str
    url: str


class WatchedStorage:
    """The HTTP session of a Cloud Storage client."""

    def __init__(self, unwatched: Any, process: Process, requests: list[Request]) -> None:
        self._unwatched, self._process, self._requests = unwatched, process, requests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unwatched, name)

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> Any:
        self._requests.append(Request(method, url))
        return self._process.call(
            f"storage.{method}", lambda: self._unwatched.request(method, url, *arguments, **named)
        )


class WatchedVoice:
    """Speaks every line as a short tone."""

    voice_id = "f5-tts"

    def __init__(self, process: Process) -> None:
        self._process = process

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path, check: Check) -> None:
        assert text
        assert speaker.ref_text
        assert recording.is_file()
        check()
        self._process.call("voice.speak", lambda: write_tone(target, pitch_hz=200 + seed % 100))

    def transcribe(self, recording: Path, *, check: Check) -> str:
        assert recording.is_file()
        check()
        return self._process.call("voice.transcribe", lambda: "Heard words.")


def write_tone(target: Path, *, pitch_hz: int, sample_rate_hz: int = 24_000) -> None:
    """A WAV file of 9,600 samples."""
    tone = np.sin(2 * np.pi * pitch_hz * np.arange(9_600) / sample_rate_hz)
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes((tone * 16_000).astype("<i2").tobytes())


def deaths(calls: int) -> Iterator[Death]:
    """All ways in which a process dies that makes so many calls."""
    return itertools.starmap(Death, itertools.product(range(1, calls + 1), MOMENTS))

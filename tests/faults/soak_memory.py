"""The memory of processes, looked at every few seconds, and whether it grows."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median

import psutil

from local.cloud import LocalCloud

_INTERVAL_SECONDS = 5.0
_MIB = 1024 * 1024
# The share of its work in which a process loads its modules, its fonts and what it keeps of its first requests.
_WARMING_UP = 0.25


@dataclass
class Life:
    """One process: when it was looked at, what it had worked until then, and its resident memory."""

    moments: list[float] = field(default_factory=list)
    worked_seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.moments[-1] - self.moments[0]

    @property
    def growth_mebibytes(self) -> float:
        before, after = self.usual()
        return after - before

    def usual(self) -> tuple[float, float]:
        """The usual memory in the first third and in the last third of its life after it has warmed up.

        By its work and not by the clock: an idle process does not warm up.
        """
        warm_from = self.worked_seconds[0] + _WARMING_UP * (self.worked_seconds[-1] - self.worked_seconds[0])
        warm = [size for size, worked in zip(self.mebibytes, self.worked_seconds, strict=True) if worked >= warm_from]
        third = max(1, len(warm) // 3)
        return median(warm[:third]), median(warm[-third:])


@dataclass(eq=False)
class MemoryWatch(threading.Thread):
    """Until `ended`, the memory of the runner's process and of each that serves a function."""

    cloud: LocalCloud
    ended: threading.Event
    lives: dict[tuple[str, int, float], Life] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        while not self.ended.wait(_INTERVAL_SECONDS):
            for name, process in self._processes():
                with suppress(psutil.Error):
                    life = self.lives.setdefault((name, process.pid, process.create_time()), Life())
                    times = process.cpu_times()
                    size_bytes = process.memory_info().rss
                    life.worked_seconds.append(times.user + times.system)
                    life.mebibytes.append(size_bytes / _MIB)
                    life.moments.append(time.monotonic())

    def long_lived(self, seconds: float) -> dict[str, Life]:
        """The processes that were seen for at least so long; of one name the one that was seen longest."""
        found: dict[str, Life] = {}
        for (name, _, _), life in self.lives.items():
            if life.seconds >= max(seconds, found[name].seconds if name in found else 0):
                found[name] = life
        return found

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for part in ("gpu_runner", "firebase", "scheduled_functions"):
            with suppress(psutil.Error):
                for process in psutil.Process(self.cloud.part_pid(part)).children(recursive=True):
                    if name := _name(process):
                        yield name, process


def _name(process: psutil.Process) -> str | None:
    """What the process serves; None unless it is one of gunicorn's workers, which do the work."""
    with suppress(psutil.Error):
        command, parent = process.cmdline(), process.parent()
        serves = any(argument.endswith(("/gunicorn", "functions-framework")) for argument in command)
        if serves and parent is not None and parent.cmdline() == command:
            return str(process.environ().get("FUNCTION_TARGET", "the runner"))
    return None

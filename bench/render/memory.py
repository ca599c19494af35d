"""How much memory FFmpeg takes at most, whatever the length of the video and the number of its lines."""

import contextlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import psutil

_EVERY_SECONDS = 0.02


def peak_mib(work: Callable[[], None]) -> float:
    """The most that the processes took together which were running at the same time as children of this one.

    Each counts with its own highest mark, which the kernel keeps, so that nothing is missed between two looks.
    """
    with _Watch() as watch:
        work()
    return watch.most_kib / 1024


class _Watch:
    def __init__(self) -> None:
        self.most_kib = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._ended.wait(_EVERY_SECONDS):
            children = [child.pid for child in this.children(recursive=True)]
            self.most_kib = max(self.most_kib, sum(map(_high_water_kib, children)))


def _high_water_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) if found else 0
    return 0

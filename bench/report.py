"""What the benchmarks' reports have in common: the machine by name, and a median with the least and the most."""

import os
import platform
import statistics
from collections.abc import Iterable
from pathlib import Path

_MIB = 1024 * 1024


def machine(*versions: str) -> str:
    """One line that names the processor, how many cores of it, the memory, Python, and the given versions.

    A version is a tool's name with its number, such as "FFmpeg 7.1".
    """
    cores = len(os.sched_getaffinity(0))
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1024 * _MIB)
    python = f"Python {platform.python_version()}"
    return ", ".join([f"{cores} cores of {_processor()}", f"{memory_gib:.0f} GiB of memory", python, *versions])


def spread(values: Iterable[float], digits: int = 2) -> str:
    """The median, with the least and the most: "1.02 (1.00 to 1.05)"."""
    found = sorted(values)
    return f"{statistics.median(found):.{digits}f} ({found[0]:.{digits}f} to {found[-1]:.{digits}f})"


def _processor() -> str:
    """The processor's name and its model's number, since one name may stand for several generations."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "model name" not in named:
        return platform.machine()
    model = f"family {named['cpu family']}, model {named['model']}" if "cpu family" in named else ""
    return f"{named['model name']} ({model})" if model else named["model name"]

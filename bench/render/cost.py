"""What a piece of work costs, and how well a ratio is known after some rounds."""

import math
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cost:
    cpu_seconds: float
    wall_seconds: float


def cost_of(work: Callable[[], None]) -> Cost:
    """The CPU of this process and of all that it started and waited for."""
    cpu, wall = _cpu_seconds(), time.monotonic()
    work()
    return Cost(_cpu_seconds() - cpu, time.monotonic() - wall)


def _cpu_seconds() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)


@dataclass(frozen=True)
class Interval:
    """Where the median of all possible rounds lies, with CONFIDENCE."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """As a share of the middle."""
        return 2 * (self.high - self.low) / (self.high + self.low)


def interval_of_median(values: Sequence[float]) -> Interval | None:
    """By the sign test, which holds whatever the values' distribution is; None while there are too few, below six.

    The k-th least and the k-th greatest of n values miss the median with the chance of fewer than k heads in n tosses,
    on either side.
    """
    count = len(values)
    chances = [math.comb(count, heads) / 2**count for heads in range(count + 1)]
    ranks = [rank for rank in range(count // 2) if 2 * sum(chances[: rank + 1]) <= 1 - CONFIDENCE]
    if not ranks:
        return None
    ordered = sorted(values)
    return Interval(ordered[ranks[-1]], ordered[-1 - ranks[-1]])


def ratios(costs: Sequence[Cost], floors: Sequence[Cost], of: Callable[[Cost], float]) -> list[float]:
    """Each round's cost over the same round's floor."""
    return [of(cost) / of(floor) for cost, floor in zip(costs, floors, strict=True)]

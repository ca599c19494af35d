"""When buttons are pressed, and how long each video takes to render: by chance, and the same for the same seed."""

from dataclasses import dataclass

import numpy as np

from bench.scale.figures import Figures

DAY_SECONDS = 86_400.0
HOUR_SECONDS = 3_600.0
BURST_HOUR = 14
BURST_SECONDS = 60.0


@dataclass(frozen=True)
class Arrivals:
    """Jobs in the order of their buttons, in seconds from the first midnight. `in_burst` says which came in a burst."""

    pressed_at: list[float]
    render_seconds: list[float]
    in_burst: list[bool]
    days: int


def draw_arrivals(
    figures: Figures, *, videos_a_day: float, days: int, seed: int, burst: int = 0, burst_every_days: int = 1
) -> Arrivals:
    """Poisson arrivals at the rate of each hour, and `burst` more within one minute of an afternoon.

    The same seed gives the same quiet jobs with bursts and without.
    """
    chance = np.random.default_rng(seed)

    def draw_lines(jobs: int) -> list[int]:
        lines: list[int] = chance.integers(figures.lines_at_least, figures.lines_at_most, jobs, endpoint=True).tolist()
        return lines

    weights = np.array(figures.hour_weights) / sum(figures.hour_weights)
    counts = chance.poisson(np.tile(weights * videos_a_day, days))
    hours = np.repeat(np.arange(len(counts)), counts)
    quiet = (hours + chance.random(len(hours))) * HOUR_SECONDS
    lines = draw_lines(len(quiet))
    bursts = np.arange(0, days if burst else 0, burst_every_days) * DAY_SECONDS + BURST_HOUR * HOUR_SECONDS
    sudden = np.repeat(bursts, burst) + chance.random(len(bursts) * burst) * BURST_SECONDS
    lines += draw_lines(len(sudden))
    pressed = np.concatenate([quiet, sudden])
    order = np.argsort(pressed, kind="stable")
    return Arrivals(
        pressed_at=pressed[order].tolist(),
        render_seconds=[figures.render_seconds(lines[job]) for job in order],
        in_burst=(order >= len(quiet)).tolist(),
        days=days,
    )

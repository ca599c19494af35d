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
    """Poisson arrivals at the rate of each hour, and `burst` more within one minute of the afternoon."""
    chance = np.random.default_rng(seed)
    weights = np.array(figures.hour_weights) / sum(figures.hour_weights)
    counts = chance.poisson(np.tile(weights * videos_a_day, days))
    hours = np.repeat(np.arange(len(counts)), counts)
    quiet = (hours + chance.random(len(hours))) * HOUR_SECONDS
    bursts = np.arange(0, days, burst_every_days) * DAY_SECONDS + BURST_HOUR * HOUR_SECONDS
    sudden = np.repeat(bursts, burst) + chance.random(len(bursts) * burst) * BURST_SECONDS
    pressed = np.concatenate([quiet, sudden])
    order = np.argsort(pressed, kind="stable")
    lines = chance.integers(figures.lines_at_least, figures.lines_at_most, len(pressed), endpoint=True)
    return Arrivals(
        pressed_at=pressed[order].tolist(),
        render_seconds=[figures.render_seconds(count) for count in lines.tolist()],
        in_burst=(order >= len(quiet)).tolist(),
        days=days,
    )

"""What the simulation is told of renders, machines and prices: figures.json, where each figure has its kind and source.

A figure that a later measurement replaces is changed there, with the kind `measured` and the command that measured it.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

FIGURES_FILE = Path(__file__).with_name("figures.json")
KINDS = {"measured", "documented", "assumed"}


@dataclass(frozen=True)
class Figures:
    """The values of figures.json. `hour_weights` are 24, of which only the proportions count."""

    speech_seconds_per_line: float
    encode_seconds_per_video_second: float
    job_over_speech_and_encode: float
    fixed_seconds_per_job: float
    audio_seconds_per_line: float
    lines_at_least: int
    lines_at_most: int
    start_seconds: float
    idle_seconds: float
    interrupted_share: float
    gpu_dollars_per_second: float
    vcpu_dollars_per_second: float
    gib_dollars_per_second: float
    vcpus: int
    memory_gib: int
    hour_weights: tuple[float, ...]

    @classmethod
    def read(cls) -> Self:
        """Raises ValueError for a figure that is missing, unknown, or has no kind or source."""
        entries = read_entries()
        known = {field.name for field in fields(cls)}
        if set(entries) != known:
            raise ValueError(f"{FIGURES_FILE.name}: {sorted(set(entries) ^ known)} missing or unknown")
        for name, entry in entries.items():
            if entry["kind"] not in KINDS or not entry["source"]:
                raise ValueError(f"{FIGURES_FILE.name}: {name} does not say where it comes from")
        values = {name: entry["value"] for name, entry in entries.items()}
        return cls(**values | {"hour_weights": tuple(values["hour_weights"])})

    @property
    def dollars_per_second(self) -> float:
        """What an instance costs from its start to its end."""
        processor = self.vcpu_dollars_per_second * self.vcpus
        return self.gpu_dollars_per_second + processor + self.gib_dollars_per_second * self.memory_gib

    def render_seconds(self, lines: float) -> float:
        """How long an instance works on a video of that many lines."""
        speech = self.speech_seconds_per_line * lines
        encode = self.encode_seconds_per_video_second * self.audio_seconds_per_line * lines
        return self.fixed_seconds_per_job + self.job_over_speech_and_encode * (speech + encode)

    @property
    def mean_render_seconds(self) -> float:
        return self.render_seconds((self.lines_at_least + self.lines_at_most) / 2)

    @property
    def busiest_hour(self) -> float:
        """How many times the mean of the day come in its busiest hour."""
        return max(self.hour_weights) * len(self.hour_weights) / sum(self.hour_weights)


def read_entries() -> dict[str, dict[str, Any]]:
    """Each figure's value, kind and source, by its name."""
    entries: dict[str, dict[str, Any]] = json.loads(FIGURES_FILE.read_text())
    return entries

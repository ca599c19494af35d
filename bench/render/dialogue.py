"""The dialogues that are rendered: eight written lines of a minute, or their words in other portions."""

import itertools
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.render.product import Recording
from local.espeak import SAMPLE_RATE_HZ, speak

PITCHES_HZ = {"a": 110.0, "b": 205.0}
_WORDS_PER_SECOND = 2.6
_PAUSE_SECONDS = 0.25
_TAIL_SECONDS = 0.3


@dataclass(frozen=True)
class Line:
    speaker: str
    text: str
    seconds: float


# The first two are short: the excerpt that slow peers render too.
MINUTE = (
    Line("a", "Have you ever wondered why the tide comes twice a day?", 4.7),
    Line("b", "I thought the moon just pulls the water, and that is all.", 4.7),
    Line(
        "a",
        "It does pull, but the earth is pulled as well, a little more on the near side than on the far side, so the"
        " water is left behind there.",
        8.0,
    ),
    Line(
        "b",
        "Wait, so there is a hill of water on the side that faces away? Nobody told me that at school, and I had"
        " two teachers for it.",
        8.0,
    ),
    Line(
        "a",
        "Two hills, exactly. The coast turns under both of them in about a day, and so the harbour fills and empties"
        " two times.",
        8.0,
    ),
    Line(
        "b",
        "Then why does the sea behind my house barely move, while in Canada the boats lie on the mud every afternoon?",
        8.0,
    ),
    Line(
        "a",
        "Because a bay is like a bathtub. If the water swings in it at the right pace, every push of the tide makes"
        " the next wave higher.",
        8.0,
    ),
    Line(
        "b",
        "So the moon is a child on a swing, and the ocean is the bath. I will never look at my rubber duck in the"
        " same way again.",
        8.0,
    ),
)


def portions(line_count: int, seconds: float) -> list[Line]:
    """As many lines of equal length as asked for, with pauses together as long as asked for."""
    each_seconds = (seconds - _TAIL_SECONDS + _PAUSE_SECONDS) / line_count - _PAUSE_SECONDS
    word_count = max(1, round(each_seconds * _WORDS_PER_SECOND))
    words = itertools.cycle(" ".join(line.text for line in MINUTE).split())
    return [
        Line("ab"[index % 2], " ".join(itertools.islice(words, word_count)), each_seconds)
        for index in range(line_count)
    ]


def record(lines: Sequence[Line], folder: Path) -> list[Recording]:
    """The lines spoken by espeak-ng, as WAV files in `folder`."""
    folder.mkdir()
    recordings = []
    for index, line in enumerate(lines):
        samples = speak(line.text, pitch_hz=PITCHES_HZ[line.speaker], seconds=line.seconds)
        path = folder / f"{index}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes((samples / np.abs(samples).max() * 0.7 * 32767).astype("<i2").tobytes())
        recordings.append(Recording(line.speaker, line.text, path))
    return recordings

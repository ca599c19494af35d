"""When each line of a dialogue is heard and seen, exact to the sample and to the frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

SAMPLE_RATE_HZ = 48_000
FRAME_RATE_HZ = 30
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAME_RATE_HZ  # 1600, without a remainder
PAUSE_SAMPLES = SAMPLE_RATE_HZ // 4  # 0.25 s between two lines
TAIL_SAMPLES = SAMPLE_RATE_HZ * 3 // 10  # 0.3 s after the last line, so that its end is not cut off


class EmptyDialogueError(ValueError):
    """There is no line, or a line holds no sample, so there is nothing to show."""


class Side(StrEnum):
    """The lower corner in which a speaker's pictures stand."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class SampleRange:
    """The samples from start (included) to end (excluded), counted at SAMPLE_RATE_HZ."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line of the dialogue together with what is known of its sound.

    `voiced` are the parts of the sound in which somebody is heard, counted from the line's first sample.
    """

    speaker: str
    text: str
    sample_count: int
    voiced: tuple[SampleRange, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A line placed on the timeline. Samples and frames count from the video's beginning; ends are excluded."""

    speaker: str
    text: str
    side: Side
    picture_index: int | None
    """Which of the speaker's pictures is shown; None for a speaker without pictures."""
    samples: SampleRange
    voiced: tuple[SampleRange, ...]

    @property
    def start_frame(self) -> int:
        """The frame in which the line begins."""
        return self.samples.start // SAMPLES_PER_FRAME

    @property
    def end_frame(self) -> int:
        """The first frame that holds nothing of the line."""
        return -(-self.samples.end // SAMPLES_PER_FRAME)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The whole video: its segments in order and its length, which is a whole number of frames."""

    segments: tuple[Segment, ...]
    frame_count: int

    @property
    def sample_count(self) -> int:
        """The length of the sound."""
        return self.frame_count * SAMPLES_PER_FRAME

    @property
    def duration_seconds(self) -> float:
        """The length of the video."""
        return self.frame_count / FRAME_RATE_HZ

    @property
    def next_start_frame(self) -> int:
        """The frame in which a further line would begin: where the lines end that are known so far."""
        return (self.segments[-1].samples.end + PAUSE_SAMPLES) // SAMPLES_PER_FRAME


def build_timeline(lines: Sequence[SpokenLine], *, picture_counts: Mapping[str, int]) -> Timeline:
    """Lay the lines one after another with PAUSE_SAMPLES between and TAIL_SAMPLES after the last.

    The first speaker stands on the left, the second on the right, further ones alternate; a side never changes.
    A speaker's pictures, as many as `picture_counts` says, take turns over its lines.
    """
    if not lines or any(line.sample_count < 1 for line in lines):
        raise EmptyDialogueError("a dialogue needs at least one line, and every line at least one sample")
    sides: dict[str, Side] = {}
    turns: dict[str, int] = {}
    segments: list[Segment] = []
    start = 0
    for line in lines:
        side = sides.setdefault(line.speaker, Side.RIGHT if len(sides) % 2 else Side.LEFT)
        turn = turns.get(line.speaker, 0)
        turns[line.speaker] = turn + 1
        picture_count = picture_counts.get(line.speaker, 0)
        end = start + line.sample_count
        segments.append(
            Segment(
                speaker=line.speaker,
                text=line.text,
                side=side,
                picture_index=turn % picture_count if picture_count else None,
                samples=SampleRange(start, end),
                voiced=tuple(SampleRange(start + part.start, start + part.end) for part in line.voiced),
            )
        )
        start = end + PAUSE_SAMPLES
    end_sample = segments[-1].samples.end + TAIL_SAMPLES
    return Timeline(segments=tuple(segments), frame_count=-(-end_sample // SAMPLES_PER_FRAME))

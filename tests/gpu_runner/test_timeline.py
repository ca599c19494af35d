from collections.abc import Sequence
from itertools import pairwise

import pytest

from gpu_runner.timeline import (
    PAUSE_SAMPLES,
    SAMPLE_RATE_HZ,
    EmptyDialogueError,
    SampleRange,
    Side,
    SpokenLine,
    Timeline,
    build_timeline,
)


def lines_of(speakers: Sequence[str], *, sample_count: int = 48_001) -> list[SpokenLine]:
    return [
        SpokenLine(speaker=speaker, text="words", sample_count=sample_count, voiced=(SampleRange(100, 200),))
        for speaker in speakers
    ]


def timeline_of(*speakers: str) -> Timeline:
    return build_timeline(lines_of(speakers), picture_counts=dict.fromkeys(speakers, 2))


def test_the_first_line_begins_at_once() -> None:
    assert timeline_of("ada").segments[0].samples == SampleRange(0, 48_001)


def test_a_quarter_of_a_second_lies_between_two_lines() -> None:
    first, second = timeline_of("ada", "bob").segments
    assert second.samples.start - first.samples.end == PAUSE_SAMPLES == SAMPLE_RATE_HZ // 4


def test_voiced_parts_move_with_their_line() -> None:
    second = timeline_of("ada", "bob").segments[1]
    assert second.voiced == (SampleRange(second.samples.start + 100, second.samples.start + 200),)


def test_sides_are_given_in_the_order_of_speaking_and_kept() -> None:
    sides = [segment.side for segment in timeline_of("ada", "bob", "ada", "cyd", "bob", "dan").segments]
    assert sides == [Side.LEFT, Side.RIGHT, Side.LEFT, Side.LEFT, Side.RIGHT, Side.RIGHT]


def test_a_speakers_pictures_take_turns_over_its_own_lines() -> None:
    segments = timeline_of("ada", "bob", "ada", "ada", "bob").segments
    assert [segment.picture_index for segment in segments] == [0, 0, 1, 0, 1]


def test_a_speaker_without_pictures_shows_none() -> None:
    timeline = build_timeline(lines_of(["ada"]), picture_counts={})
    assert timeline.segments[0].picture_index is None


def test_the_video_is_a_whole_number_of_frames_and_ends_after_the_tail() -> None:
    timeline = timeline_of("ada")  # 48,001 + 14,400 samples are 39.0006 frames
    assert (timeline.frame_count, timeline.sample_count) == (40, 64_000)


def test_a_lines_frames_hold_all_of_its_samples() -> None:
    second = timeline_of("ada", "bob").segments[1]  # samples 60,001 to 108,002
    assert (second.start_frame, second.end_frame) == (37, 68)


def test_two_lines_never_share_a_frame() -> None:
    segments = build_timeline(lines_of(["ada", "bob"] * 50, sample_count=777), picture_counts={}).segments
    assert all(left.end_frame < right.start_frame for left, right in pairwise(segments))


@pytest.mark.parametrize("lines", [[], lines_of(["ada"], sample_count=0)], ids=["no line", "an empty line"])
def test_nothing_to_say_is_refused(lines: list[SpokenLine]) -> None:
    with pytest.raises(EmptyDialogueError):
        build_timeline(lines, picture_counts={})


def test_the_next_line_begins_where_those_before_it_say() -> None:
    lines = [SpokenLine("ada", "Hi", count, ()) for count in (1, 48_000, 33_333, 799)]
    whole = build_timeline(lines, picture_counts={})

    told = [build_timeline(lines[:count], picture_counts={}).next_start_frame for count in (1, 2, 3)]

    assert told == [segment.start_frame for segment in whole.segments[1:]]

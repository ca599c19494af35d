"""The finished video, measured: what is seen and heard when, and how it is packed."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gpu_runner.composition import AI_NOTICE, AI_SOURCE_TYPE
from gpu_runner.encoders import X264
from gpu_runner.encoding import EncodedVideo
from gpu_runner.timeline import SAMPLE_RATE_HZ, Side
from tests.gpu_runner.dialogues import BACKGROUND_COLOUR, COLOURS, Work, encode, prepare
from tests.media import (
    FRAME_RATE_HZ,
    Frame,
    caption_ink,
    frames_of,
    level_dbfs,
    loudness_lufs,
    mean_brightness_of_frames,
    mean_colour,
    moov_is_first,
    probe,
    sound_of,
    write_background,
    write_counting_background,
)


def seconds_of(sample: int) -> float:
    return sample / SAMPLE_RATE_HZ


def corner_colour(frame: Frame, side: Side) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The middle of where a picture's figure stands, below the captions."""
    left, right = (0.15, 0.45) if side is Side.LEFT else (0.55, 0.85)
    return mean_colour(frame, left=left, top=0.75, right=right, bottom=0.95)


def is_near(colour: np.ndarray[tuple[int, ...], np.dtype[np.float64]], expected: tuple[int, int, int]) -> bool:
    return bool(np.abs(colour - np.array(expected)).max() < 30)


# One dialogue, looked at from all sides. Its folder's name holds everything that a filter graph gives a meaning to.


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    folder = tmp_path_factory.mktemp("media") / "it's [0:v], \\a;b 100%d=x"
    folder.mkdir()
    lines = [
        ("ada", "Hello there.", 0.7),
        ("bob", "{Nice} 100%", 0.5),
        ("ada", "Bye", 0.43),
        ("cyd", "\u4f60\u597d", 0.4),
    ]
    return prepare(folder, lines)


@pytest.fixture(scope="module")
def video(work: Work) -> EncodedVideo:
    return encode(work, encoder=X264)


@pytest.fixture(scope="module")
def middle_frames(work: Work, video: EncodedVideo) -> list[Frame]:
    """A frame from the middle of every line."""
    middles = [(segment.start_frame + segment.end_frame) // 2 for segment in work.timeline.segments]
    return frames_of(video.path, middles)


@pytest.fixture(scope="module")
def pause_frames(work: Work, video: EncodedVideo) -> list[Frame]:
    """The first and the last frame of every pause, and the video's last frame."""
    indices: list[int] = []
    segments = work.timeline.segments
    for left, right in pairwise(segments):
        indices += [left.end_frame, right.start_frame - 1]
    return frames_of(video.path, [*indices, work.timeline.frame_count - 1])


def test_the_picture_is_what_phones_play(video: EncodedVideo) -> None:
    stream = probe(video.path)["video"]
    keys = ("codec_name", "profile", "width", "height", "pix_fmt", "r_frame_rate", "sample_aspect_ratio")
    assert [stream[key] for key in keys] == ["h264", "High", 1080, 1920, "yuv420p", "30/1", "1:1"]


def test_the_sound_is_stereo_aac_at_48_khz(video: EncodedVideo) -> None:
    stream = probe(video.path)["audio"]
    assert [stream[key] for key in ("codec_name", "sample_rate", "channels")] == ["aac", "48000", 2]


def test_there_is_one_picture_and_one_sound(video: EncodedVideo) -> None:
    assert [stream["codec_type"] for stream in probe(video.path)["streams"]] == ["video", "audio"]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_each_stream_is_as_long_as_the_timeline_within_a_frame(work: Work, video: EncodedVideo, kind: str) -> None:
    duration_seconds = float(probe(video.path)[kind]["duration"])
    assert duration_seconds == pytest.approx(work.timeline.duration_seconds, abs=1 / FRAME_RATE_HZ)


def test_the_sound_is_not_cut_off_with_the_last_picture(tmp_path: Path) -> None:
    # Of the sounds of this length, the encoder still holds two packets when the last picture is done.
    work = prepare(tmp_path, [("ada", "Hello", 0.75)])
    duration_seconds = float(probe(encode(work).path)["audio"]["duration"])
    assert duration_seconds == pytest.approx(work.timeline.duration_seconds, abs=0.002)


def test_it_has_exactly_the_timelines_frames(work: Work, video: EncodedVideo) -> None:
    assert int(probe(video.path)["video"]["nb_frames"]) == work.timeline.frame_count == video.frame_count


def test_it_plays_before_it_has_arrived(video: EncodedVideo) -> None:
    assert moov_is_first(video.path)


def test_it_says_that_it_is_made_by_a_machine(video: EncodedVideo) -> None:
    tags = probe(video.path)["format"]["tags"]
    assert (tags["comment"], tags["description"]) == (AI_NOTICE, AI_SOURCE_TYPE)


def test_it_does_not_say_where_the_background_was_filmed(video: EncodedVideo) -> None:
    assert "location" not in probe(video.path)["format"]["tags"]


def test_speech_is_heard_in_every_line_and_not_between(work: Work, video: EncodedVideo) -> None:
    sound = sound_of(video.path)
    segments = work.timeline.segments
    edge = 0.03  # AAC smears by a block
    in_lines = [
        level_dbfs(sound, seconds_of(one.samples.start) + edge, seconds_of(one.samples.end) - edge) for one in segments
    ]
    in_pauses = [
        level_dbfs(sound, seconds_of(left.samples.end) + edge, seconds_of(right.samples.start) - edge)
        for left, right in pairwise(segments)
    ]
    assert min(in_lines) > -25
    assert max(in_pauses) < -60


def test_both_channels_say_the_same(video: EncodedVideo) -> None:
    left, right = sound_of(video.path).T
    assert np.abs(left - right).max() < 0.01


def test_the_whole_is_as_loud_as_it_should_be(video: EncodedVideo) -> None:
    assert loudness_lufs(video.path) == pytest.approx(-16, abs=1)


@pytest.mark.parametrize(
    ("line", "side", "colour"),
    [
        (0, Side.LEFT, COLOURS["ada"][0]),
        (1, Side.RIGHT, COLOURS["bob"][0]),
        (2, Side.LEFT, COLOURS["ada"][1]),
        (3, Side.LEFT, COLOURS["cyd"][0]),
    ],
)
def test_the_speaker_is_seen_on_its_side_with_the_picture_whose_turn_it_is(
    middle_frames: list[Frame], line: int, side: Side, colour: tuple[int, int, int]
) -> None:
    assert is_near(corner_colour(middle_frames[line], side), colour)


@pytest.mark.parametrize(("line", "side"), [(0, Side.RIGHT), (1, Side.LEFT), (2, Side.RIGHT), (3, Side.RIGHT)])
def test_who_does_not_speak_is_not_seen(middle_frames: list[Frame], line: int, side: Side) -> None:
    assert is_near(corner_colour(middle_frames[line], side), BACKGROUND_COLOUR)


@pytest.mark.parametrize("side", list(Side))
def test_nobody_is_seen_between_the_lines(pause_frames: list[Frame], side: Side) -> None:
    assert all(is_near(corner_colour(frame, side), BACKGROUND_COLOUR) for frame in pause_frames)


def test_a_picture_is_there_from_its_lines_first_frame_to_the_last(work: Work, video: EncodedVideo) -> None:
    segment = work.timeline.segments[1]
    first, last = frames_of(video.path, [segment.start_frame, segment.end_frame - 1])
    assert is_near(corner_colour(first, segment.side), COLOURS["bob"][0])
    assert is_near(corner_colour(last, segment.side), COLOURS["bob"][0])


def test_every_line_has_its_caption(middle_frames: list[Frame]) -> None:
    assert min(caption_ink(frame) for frame in middle_frames) > 1_000


def test_there_is_no_caption_between_the_lines(pause_frames: list[Frame]) -> None:
    assert max(caption_ink(frame) for frame in pause_frames) == 0


def test_the_background_fills_the_whole_picture(pause_frames: list[Frame]) -> None:
    corners = [(0.0, 0.0), (0.97, 0.0), (0.0, 0.97), (0.97, 0.97)]
    colours = [
        mean_colour(pause_frames[0], left=left, top=top, right=left + 0.03, bottom=top + 0.03) for left, top in corners
    ]
    assert all(is_near(colour, BACKGROUND_COLOUR) for colour in colours)


def test_its_size_is_told(video: EncodedVideo) -> None:
    assert video.size_bytes == video.path.stat().st_size


# The background


def test_a_short_background_begins_where_asked_and_goes_on_from_its_beginning(tmp_path: Path) -> None:
    background = write_counting_background(tmp_path / "back.mp4")
    work = prepare(tmp_path, [("eve", "", 2.4)], background=background)
    numbers = np.round(mean_brightness_of_frames(encode(work).path) / 4).astype(int)
    expected = (39 + np.arange(work.timeline.frame_count)) % 60
    assert np.abs(numbers - expected).max() <= 1


@pytest.mark.parametrize("size", ["384x216", "200x200", "90x400"])
def test_a_background_of_any_shape_covers_the_picture(tmp_path: Path, size: str) -> None:
    background = write_background(tmp_path / "back.mp4", seconds=1, size=size)
    work = prepare(tmp_path, [("eve", "", 0.1)], background=background)
    frame = frames_of(encode(work).path, [3])[0]
    edges = [frame[0], frame[-1], frame[:, 0], frame[:, -1]]
    assert all(is_near(edge.astype(np.float64).mean(axis=0), BACKGROUND_COLOUR) for edge in edges)


# Long and short


def test_a_dialogue_of_one_short_word_works(tmp_path: Path) -> None:
    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    assert int(probe(encode(work).path)["video"]["nb_frames"]) == work.timeline.frame_count


def test_a_dialogue_of_a_hundred_lines_works(tmp_path: Path) -> None:
    work = prepare(tmp_path, [(("ada", "bob")[index % 2], f"no {index}", 0.05) for index in range(100)])
    video = encode(work)
    segments = [work.timeline.segments[index] for index in (0, 1, 98, 99)]
    frames = frames_of(video.path, [segment.start_frame for segment in segments])
    colours = [COLOURS["ada"][0], COLOURS["bob"][0], COLOURS["ada"][1], COLOURS["bob"][0]]
    assert all(
        is_near(corner_colour(frame, segment.side), colour)
        for frame, segment, colour in zip(frames, segments, colours, strict=True)
    )
    assert int(probe(video.path)["video"]["nb_frames"]) == work.timeline.frame_count

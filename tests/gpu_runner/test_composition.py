from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpu_runner.captions import write_captions
from gpu_runner.composition import (
    AI_NOTICE,
    AI_SOURCE_TYPE,
    ComposedVideo,
    Composition,
    compose_video,
)
from gpu_runner.encoders import X264, VideoEncoder
from gpu_runner.errors import LeaseLostError
from gpu_runner.ffmpeg import FfmpegError, NotAVideoError, ProgressReport
from gpu_runner.fonts import installed_fonts
from gpu_runner.soundtrack import LineAudio, join_lines, normalise_line
from gpu_runner.timeline import SAMPLE_RATE_HZ, Side, SpokenLine, Timeline, build_timeline
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
    tone,
    write_background,
    write_counting_background,
    write_picture,
    write_wav,
)

DRAFT = VideoEncoder(  # for what does not depend on the encoder
    name="libx264",
    options=("-c:v", "libx264", "-preset", "ultrafast", "-crf", "35", "-pix_fmt", "yuv420p"),
)
COLOURS = {"ada": [(220, 30, 30), (230, 120, 20)], "bob": [(30, 30, 220)], "cyd": [(200, 20, 200)]}
BACKGROUND_COLOUR = (32, 128, 32)


@dataclass(frozen=True, slots=True)
class Work:
    """A composition whose files lie in one folder."""

    folder: Path
    composition: Composition

    @property
    def timeline(self) -> Timeline:
        return self.composition.timeline


def prepare(folder: Path, lines: Sequence[tuple[str, str, float]], *, background: Path | None = None) -> Work:
    """Each line is a speaker, a text and the seconds of its sound."""
    paths: list[Path] = []
    spoken: list[SpokenLine] = []
    normalised: dict[float, LineAudio] = {}
    for speaker, text, seconds in lines:
        if seconds not in normalised:
            voice = write_wav(folder / "voice.wav", tone(seconds, sample_rate_hz=24_000), sample_rate_hz=24_000)
            normalised[seconds] = normalise_line(voice, folder / f"line-{seconds}.wav")
        line = normalised[seconds]
        paths.append(line.path)
        spoken.append(SpokenLine(speaker=speaker, text=text, sample_count=line.sample_count, voiced=line.voiced))
    pictures = {
        speaker: [
            write_picture(folder / f"{speaker}-%d-{index}.png", colour)
            for index, colour in enumerate(COLOURS.get(speaker, []))
        ]
        for speaker in {line.speaker for line in spoken}
    }
    timeline = build_timeline(spoken, picture_counts={speaker: len(files) for speaker, files in pictures.items()})
    join_lines(paths, timeline, folder / "all.wav")
    write_captions(timeline, installed_fonts(), folder / "captions.ass")
    return Work(
        folder=folder,
        composition=Composition(
            timeline=timeline,
            pictures=pictures,
            captions=folder / "captions.ass",
            audio=folder / "all.wav",
            background=background or write_background(folder / "background.mp4", seconds=2),
            start_seconds=1.3,
        ),
    )


def compose(work: Work, *, encoder: VideoEncoder = DRAFT, name: str = "video.mp4") -> ComposedVideo:
    return compose_video(work.composition, work.folder / name, encoder=encoder, timeout_seconds=120)


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
def video(work: Work) -> ComposedVideo:
    return compose(work, encoder=X264)


@pytest.fixture(scope="module")
def middle_frames(work: Work, video: ComposedVideo) -> list[Frame]:
    """A frame from the middle of every line."""
    middles = [(segment.start_frame + segment.end_frame) // 2 for segment in work.timeline.segments]
    return frames_of(video.path, middles)


@pytest.fixture(scope="module")
def pause_frames(work: Work, video: ComposedVideo) -> list[Frame]:
    """The first and the last frame of every pause, and the video's last frame."""
    indices: list[int] = []
    segments = work.timeline.segments
    for left, right in pairwise(segments):
        indices += [left.end_frame, right.start_frame - 1]
    return frames_of(video.path, [*indices, work.timeline.frame_count - 1])


def test_the_picture_is_what_phones_play(video: ComposedVideo) -> None:
    stream = probe(video.path)["video"]
    keys = ("codec_name", "profile", "width", "height", "pix_fmt", "r_frame_rate", "sample_aspect_ratio")
    assert [stream[key] for key in keys] == ["h264", "High", 1080, 1920, "yuv420p", "30/1", "1:1"]


def test_the_sound_is_stereo_aac_at_48_khz(video: ComposedVideo) -> None:
    stream = probe(video.path)["audio"]
    assert [stream[key] for key in ("codec_name", "sample_rate", "channels")] == ["aac", "48000", 2]


def test_there_is_one_picture_and_one_sound(video: ComposedVideo) -> None:
    assert [stream["codec_type"] for stream in probe(video.path)["streams"]] == ["video", "audio"]


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_each_stream_is_as_long_as_the_timeline_within_a_frame(work: Work, video: ComposedVideo, kind: str) -> None:
    duration_seconds = float(probe(video.path)[kind]["duration"])
    assert duration_seconds == pytest.approx(work.timeline.duration_seconds, abs=1 / FRAME_RATE_HZ)


def test_the_sound_is_not_cut_off_with_the_last_picture(tmp_path: Path) -> None:
    # Of the sounds of this length, the encoder still holds two packets when the last picture is done.
    work = prepare(tmp_path, [("ada", "Hello", 0.75)])
    duration_seconds = float(probe(compose(work).path)["audio"]["duration"])
    assert duration_seconds == pytest.approx(work.timeline.duration_seconds, abs=0.002)


def test_a_start_between_two_of_the_backgrounds_frames_adds_no_frame(tmp_path: Path) -> None:
    background = write_background(tmp_path / "background.mp4", seconds=3)
    work = prepare(tmp_path, [("ada", "Hello", 0.75)], background=background)
    between = replace(work, composition=replace(work.composition, start_seconds=0.9139))
    assert int(probe(compose(between).path)["video"]["nb_frames"]) == work.timeline.frame_count


def test_it_has_exactly_the_timelines_frames(work: Work, video: ComposedVideo) -> None:
    assert int(probe(video.path)["video"]["nb_frames"]) == work.timeline.frame_count == video.frame_count


def test_it_plays_before_it_has_arrived(video: ComposedVideo) -> None:
    assert moov_is_first(video.path)


def test_it_says_that_it_is_made_by_a_machine(video: ComposedVideo) -> None:
    tags = probe(video.path)["format"]["tags"]
    assert (tags["comment"], tags["description"]) == (AI_NOTICE, AI_SOURCE_TYPE)


def test_it_does_not_say_where_the_background_was_filmed(video: ComposedVideo) -> None:
    assert "location" not in probe(video.path)["format"]["tags"]


def test_speech_is_heard_in_every_line_and_not_between(work: Work, video: ComposedVideo) -> None:
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


def test_both_channels_say_the_same(video: ComposedVideo) -> None:
    left, right = sound_of(video.path).T
    assert np.abs(left - right).max() < 0.01


def test_the_whole_is_as_loud_as_it_should_be(video: ComposedVideo) -> None:
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


def test_a_picture_is_there_from_its_lines_first_frame_to_the_last(work: Work, video: ComposedVideo) -> None:
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


def test_nothing_but_the_video_is_left_behind(work: Work, video: ComposedVideo) -> None:
    assert [path.name for path in work.folder.iterdir() if path.suffix == ".part"] == []
    assert video.size_bytes == video.path.stat().st_size


# The background


def test_a_short_background_begins_where_asked_and_goes_on_from_its_beginning(tmp_path: Path) -> None:
    background = write_counting_background(tmp_path / "back.mp4")
    work = prepare(tmp_path, [("eve", "", 2.4)], background=background)
    numbers = np.round(mean_brightness_of_frames(compose(work).path) / 4).astype(int)
    expected = (39 + np.arange(work.timeline.frame_count)) % 60
    assert np.abs(numbers - expected).max() <= 1


@pytest.mark.parametrize("size", ["384x216", "200x200", "90x400"])
def test_a_background_of_any_shape_covers_the_picture(tmp_path: Path, size: str) -> None:
    background = write_background(tmp_path / "back.mp4", seconds=1, size=size)
    work = prepare(tmp_path, [("eve", "", 0.1)], background=background)
    frame = frames_of(compose(work).path, [3])[0]
    edges = [frame[0], frame[-1], frame[:, 0], frame[:, -1]]
    assert all(is_near(edge.astype(np.float64).mean(axis=0), BACKGROUND_COLOUR) for edge in edges)


def test_a_background_that_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "back.mp4").write_text("no video")
    work = prepare(tmp_path, [("ada", "a", 0.1)], background=tmp_path / "back.mp4")
    with pytest.raises(NotAVideoError):
        compose(work)


# Long, short, broken and stopped


def test_a_dialogue_of_one_short_word_works(tmp_path: Path) -> None:
    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    assert int(probe(compose(work).path)["video"]["nb_frames"]) == work.timeline.frame_count


def test_a_dialogue_of_a_hundred_lines_works(tmp_path: Path) -> None:
    work = prepare(tmp_path, [(("ada", "bob")[index % 2], f"no {index}", 0.05) for index in range(100)])
    video = compose(work)
    segments = [work.timeline.segments[index] for index in (0, 1, 98, 99)]
    frames = frames_of(video.path, [segment.start_frame for segment in segments])
    colours = [COLOURS["ada"][0], COLOURS["bob"][0], COLOURS["ada"][1], COLOURS["bob"][0]]
    assert all(
        is_near(corner_colour(frame, segment.side), colour)
        for frame, segment, colour in zip(frames, segments, colours, strict=True)
    )
    assert int(probe(video.path)["video"]["nb_frames"]) == work.timeline.frame_count


def test_an_encoder_that_fails_is_replaced_by_x264_once(tmp_path: Path) -> None:
    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    broken = VideoEncoder(name="h264_broken", options=("-c:v", "h264_broken"))
    assert compose(work, encoder=broken).encoder == "libx264"


def test_a_second_encoder_gets_the_time_that_the_first_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, given = [1_000.0], []

    def fail_late(*_: object, timeout_seconds: float, **__: object) -> None:
        given.append(timeout_seconds)
        clock[0] += 70
        raise FfmpegError(["ffmpeg"], 1, "no encoder")

    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    monkeypatch.setattr("gpu_runner.composition.time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr("gpu_runner.composition.run_ffmpeg", fail_late)
    broken = VideoEncoder(name="h264_broken", options=())

    with pytest.raises(FfmpegError):
        compose_video(work.composition, tmp_path / "video.mp4", encoder=broken, timeout_seconds=100)

    assert given == [100, 30]


def test_a_failure_of_x264_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    work.composition.captions.unlink()
    with pytest.raises(FfmpegError, match=r"captions\.ass"):
        compose(work, encoder=X264)
    assert [path for path in tmp_path.iterdir() if "video" in path.name] == []


def test_a_stopped_encode_ends_at_once_and_leaves_no_file(tmp_path: Path) -> None:
    work = prepare(tmp_path, [("ada", "Hi", 20.0)])
    reports: list[ProgressReport] = []

    def stop_once_it_encodes() -> None:
        if reports:
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        compose_video(
            work.composition,
            tmp_path / "video.mp4",
            encoder=X264,
            timeout_seconds=120,
            on_progress=reports.append,
            check=stop_once_it_encodes,
        )
    assert reports[-1].progress_percent < 100
    assert [path for path in tmp_path.iterdir() if "video" in path.name] == []

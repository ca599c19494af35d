from pathlib import Path

import pytest

from gpu_runner.composition import (
    AI_NOTICE,
    AI_SOURCE_TYPE,
    Piece,
    Scene,
    Sound,
    join_argv,
    list_pieces,
    piece_argv,
    place_background,
)
from gpu_runner.encoders import NVENC, X264
from gpu_runner.timeline import SpokenLine, build_timeline

COVER = (
    "scale=trunc(iw*sar/2)*2:ih,scale=1080:1920:force_original_aspect_ratio=increase,crop=1080:1920,"
    "setsar=1,format=yuv420p"
)
LINES = [SpokenLine(speaker=speaker, text="Hi", sample_count=48_000, voiced=()) for speaker in ("ada", "bob", "ada")]


def scene(*, background_seconds: float, start_frame: int, pictures: int = 1) -> Scene:
    return Scene(
        pictures={name: [Path(f"/scratch/{name}{index}.png") for index in range(pictures)] for name in ("ada", "bob")},
        background=Path("/scratch/back.mp4"),
        background_seconds=background_seconds,
        start_frame=start_frame,
    )


def second_line() -> Piece:
    """The second of three lines, from 37.5 to 75 frames after the beginning."""
    timeline = build_timeline(LINES, picture_counts={"ada": 1, "bob": 1})
    return Piece(timeline.segments[1:2], start_frame=37, end_frame=timeline.segments[2].start_frame)


@pytest.mark.parametrize(
    ("start_seconds", "background_seconds", "expected_frame"),
    [
        pytest.param(7.0, 60.0, 210, id="room"),
        pytest.param(57.0, 60.5, 210, id="folded so that there is room"),
        pytest.param(7.0, 12.0, 210, id="no room: it goes on from its beginning"),
        pytest.param(14.0, 12.0, 60, id="folded into a short one"),
        pytest.param(0.9139, 60.0, 27, id="between two frames"),
    ],
)
def test_a_start_is_folded_into_the_background(
    start_seconds: float, background_seconds: float, expected_frame: int
) -> None:
    assert place_background(start_seconds, background_seconds=background_seconds, video_seconds=10.0) == expected_frame


def test_the_command_of_a_piece_is_exactly_this() -> None:
    argv = piece_argv(
        scene(background_seconds=60.0, start_frame=100),
        second_line(),
        Path("/scratch/piece.mp4"),
        captions=Path("/scratch/captions.ass"),
        encoder=NVENC,
        sound=None,
    )

    # 137 frames after the background's beginning: 4.4 s and, from there, 5.
    graph = (
        f"[1:v:0]fps=30:start_time=0,trim=start_frame=5,setpts=PTS-STARTPTS,{COVER}[base0];"
        "[0:v:0]format=rgba,scale=720:860:force_original_aspect_ratio=decrease:force_divisible_by=2"
        ":flags=lanczos:out_color_matrix=bt709,setsar=1,format=yuva420p[picture0];"
        "[base0][picture0]overlay=x=W-w-30:y=H-h:enable='between(n,0,30)'[base1];"
        "[base1]trim=end_frame=38,settb=1/30,setpts=N+37,ass=filename=/scratch/captions.ass:shaping=complex,"
        "setpts=N[video]"
    )
    assert argv == [
        *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-progress", "pipe:1", "-nostats"),
        *("-threads", "1", "-protocol_whitelist", "file,pipe", "-format_whitelist", "png_pipe", "-f", "png_pipe"),
        *("-i", "/scratch/bob0.png", "-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,matroska"),
        *("-an", "-sn", "-dn", "-ss", "4.4", "-i", "/scratch/back.mp4", "-filter_complex", graph),
        *("-map", "[video]", *NVENC.options, "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-video_track_timescale", "30", "-f", "mp4", "/scratch/piece.mp4"),
    ]


def test_the_last_piece_makes_the_sound_too() -> None:
    argv = piece_argv(
        scene(background_seconds=60.0, start_frame=100),
        second_line(),
        Path("/scratch/piece.mp4"),
        captions=Path("/scratch/captions.ass"),
        encoder=X264,
        sound=Sound(Path("/scratch/all.wav"), Path("/scratch/sound.m4a")),
    )

    graph = argv[argv.index("-filter_complex") + 1]
    sound = argv[argv.index("[sound]") - 1 : argv.index("[video]") - 1]
    assert graph.endswith(";[2:a:0]pan=stereo|c0=c0|c1=c0[sound]")
    assert sound == [
        *("-map", "[sound]", "-c:a", "aac", "-b:a", "160k", "-ar", "48000", "-f", "mp4"),
        "/scratch/sound.m4a",
    ]


@pytest.mark.parametrize(("start_frame", "inputs"), [(100, 2), (1_743, 3)])
def test_a_piece_that_goes_past_the_backgrounds_end_reads_it_twice(start_frame: int, inputs: int) -> None:
    argv = piece_argv(
        scene(background_seconds=60.0, start_frame=start_frame),
        second_line(),
        Path("/scratch/piece.mp4"),
        captions=Path("/scratch/captions.ass"),
        encoder=X264,
        sound=None,
    )

    assert argv.count("-i") == inputs


def test_the_graph_grows_with_the_pictures_and_not_with_the_lines() -> None:
    timeline = build_timeline([SpokenLine("ada", "Hi", 4_800, ())] * 100, picture_counts={"ada": 2})

    argv = piece_argv(
        scene(background_seconds=60.0, start_frame=0, pictures=2),
        Piece(timeline.segments, 0, timeline.frame_count),
        Path("/scratch/piece.mp4"),
        captions=Path("/scratch/captions.ass"),
        encoder=X264,
        sound=Sound(Path("/scratch/all.wav"), Path("/scratch/sound.m4a")),
    )

    assert argv.count("-i") == 4  # two pictures, the background, the sound


def test_every_line_begins_with_a_key_frame() -> None:
    timeline = build_timeline(LINES, picture_counts={})

    argv = piece_argv(
        scene(background_seconds=60.0, start_frame=0),
        Piece(timeline.segments[1:], start_frame=37, end_frame=timeline.frame_count),
        Path("/scratch/piece.mp4"),
        captions=Path("/scratch/captions.ass"),
        encoder=X264,
        sound=None,
    )

    # The third line begins at 120,000 samples, which is frame 75: the piece's 38th.
    assert argv[argv.index("-force_key_frames") + 1] == "1.266667"


def test_the_pieces_are_listed_with_their_lengths() -> None:
    assert list_pieces([(Path("/scratch/piece_0.mp4"), 37), (Path("/scratch/piece_1.mp4"), 60)]) == (
        "ffconcat version 1.0\nfile piece_0.mp4\nduration 1.233333\nfile piece_1.mp4\nduration 2.000000\n"
    )


def test_the_command_that_joins_is_exactly_this() -> None:
    assert join_argv(Path("/scratch/pieces.txt"), Path("/scratch/sound.m4a"), Path("/scratch/video.mp4")) == [
        *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-protocol_whitelist", "file,pipe"),
        *("-format_whitelist", "concat,mov,matroska", "-f", "concat", "-i", "/scratch/pieces.txt"),
        *("-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,matroska", "-i", "/scratch/sound.m4a"),
        *("-map", "0:v:0", "-map", "1:a:0", "-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-metadata", f"comment={AI_NOTICE}", "-metadata", f"description={AI_SOURCE_TYPE}"),
        *("-movflags", "+faststart", "-f", "mp4", "/scratch/video.mp4"),
    ]

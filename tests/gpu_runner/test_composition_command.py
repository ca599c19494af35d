from pathlib import Path

import pytest

from gpu_runner.composition import (
    AI_NOTICE,
    AI_SOURCE_TYPE,
    BackgroundCut,
    Composition,
    build_argv,
    place_background,
)
from gpu_runner.encoders import NVENC, X264
from gpu_runner.timeline import SpokenLine, build_timeline


@pytest.mark.parametrize(
    ("start_seconds", "background_seconds", "expected"),
    [
        (7.0, 60.0, BackgroundCut(start_seconds=7.0, wraps=False)),
        (57.0, 60.5, BackgroundCut(start_seconds=7.0, wraps=False)),
        (7.0, 12.0, BackgroundCut(start_seconds=7.0, wraps=True)),
        (14.0, 12.0, BackgroundCut(start_seconds=2.0, wraps=True)),
        (1.0, 12.0, BackgroundCut(start_seconds=1.0, wraps=False)),
        (5.0, 3.0, BackgroundCut(start_seconds=2.0, wraps=True)),
    ],
)
def test_a_start_is_folded_into_the_background(
    start_seconds: float, background_seconds: float, expected: BackgroundCut
) -> None:
    assert place_background(start_seconds, background_seconds=background_seconds, video_seconds=10.0) == expected


def test_the_command_is_exactly_this() -> None:
    line = SpokenLine(speaker="ada", text="Hi", sample_count=48_000, voiced=())
    composition = Composition(
        timeline=build_timeline([line], picture_counts={"ada": 1}),
        pictures={"ada": [Path("/scratch/ada.png")]},
        captions=Path("/scratch/captions.ass"),
        audio=Path("/scratch/all.wav"),
        background=Path("/scratch/back.mp4"),
        start_seconds=0.0,
    )
    argv = build_argv(
        composition, Path("/scratch/out"), encoder=NVENC, cut=BackgroundCut(start_seconds=1.25, wraps=False)
    )
    graph = (
        "[0:a:0]pan=stereo|c0=c0|c1=c0[sound];"
        "[2:v:0]fps=30,scale=trunc(iw*sar/2)*2:ih,scale=1080:1920:force_original_aspect_ratio=increase,"
        "crop=1080:1920,setsar=1,format=yuv420p[base0];"
        "[1:v:0]format=rgba,scale=720:860:force_original_aspect_ratio=decrease:force_divisible_by=2"
        ":flags=lanczos:out_color_matrix=bt709,setsar=1,format=yuva420p[picture0];"
        "[base0][picture0]overlay=x=30:y=H-h:enable='between(n,0,29)'[base1];"
        "[base1]trim=end_frame=39,setpts=N/30/TB[cut];[cut]ass=filename=/scratch/captions.ass:shaping=complex[video]"
    )
    assert argv == [
        *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-progress", "pipe:1", "-nostats"),
        *("-protocol_whitelist", "file,pipe", "-format_whitelist", "wav", "-f", "wav", "-i", "/scratch/all.wav"),
        *("-threads", "1", "-protocol_whitelist", "file,pipe", "-format_whitelist", "png_pipe", "-f", "png_pipe"),
        *("-i", "/scratch/ada.png", "-protocol_whitelist", "file,pipe", "-format_whitelist", "mov,matroska"),
        *("-an", "-sn", "-dn", "-ss", "1.250", "-i", "/scratch/back.mp4", "-filter_complex", graph),
        *("-map", "[video]", "-map", "[sound]", *NVENC.options),
        *("-c:a", "aac", "-b:a", "160k", "-ar", "48000", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-metadata", f"comment={AI_NOTICE}", "-metadata", f"description={AI_SOURCE_TYPE}"),
        *("-movflags", "+faststart", "-f", "mp4", "/scratch/out"),
    ]


def test_the_graph_grows_with_the_pictures_and_not_with_the_lines(tmp_path: Path) -> None:
    lines = [SpokenLine("ada", "Hi", 4_800, ())] * 100
    composition = Composition(
        timeline=build_timeline(lines, picture_counts={"ada": 2}),
        pictures={"ada": [tmp_path / "a.png", tmp_path / "b.png"]},
        captions=tmp_path / "captions.ass",
        audio=tmp_path / "all.wav",
        background=tmp_path / "back.mp4",
        start_seconds=0.0,
    )
    argv = build_argv(composition, tmp_path / "out", encoder=X264, cut=BackgroundCut(start_seconds=0, wraps=True))
    assert argv.count("-i") == 5  # the sound, two pictures, the background twice
    assert max(len(argument) for argument in argv) < 4_000

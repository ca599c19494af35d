import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from gpu_runner.ffmpeg import (
    GLOBAL_OPTIONS,
    FfmpegError,
    FfmpegTimeoutError,
    NotAVideoError,
    ProgressReport,
    capture_ffmpeg,
    measure_video_seconds,
    run_ffmpeg,
)
from tests.media import tone, write_background, write_playlist, write_wav

ENDLESS = (
    *("ffmpeg", *GLOBAL_OPTIONS, "-progress", "pipe:1", "-stats_period", "0.1"),
    *("-re", "-f", "lavfi", "-i", "color=s=64x64:r=30", "-f", "null", "-"),
)


class StopError(Exception):
    """What a check raises."""


def processes_with_argument(argument: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:  # ended while we looked
                continue
            if argument.encode() in arguments:
                found.append(int(folder.name))
    return found


def test_success_is_silent(tmp_path: Path) -> None:
    argv = ["ffmpeg", *GLOBAL_OPTIONS, "-f", "lavfi", "-i", "sine=d=0.1", str(tmp_path / "out.wav")]
    run_ffmpeg(argv, total_frames=1, timeout_seconds=30)
    assert (tmp_path / "out.wav").exists()


def test_a_failure_tells_the_command_its_code_and_what_it_said() -> None:
    argv = ["ffmpeg", *GLOBAL_OPTIONS, "-i", "/nowhere/at-all.mp4", "-f", "null", "-"]
    with pytest.raises(FfmpegError) as failure:
        run_ffmpeg(argv, total_frames=1, timeout_seconds=30)
    assert failure.value.argv == tuple(argv)
    assert failure.value.exit_code == 1
    assert "/nowhere/at-all.mp4: No such file or directory" in failure.value.stderr_tail


def test_only_the_end_of_a_long_complaint_is_kept() -> None:
    argv = ["sh", "-c", "i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3"]
    with pytest.raises(FfmpegError) as failure:
        run_ffmpeg(argv, total_frames=1, timeout_seconds=30)
    assert failure.value.stderr_tail.splitlines()[-1] == "line 4999"
    assert len(failure.value.stderr_tail) < 1_000


def test_progress_rises_to_the_frame_count() -> None:
    reports: list[ProgressReport] = []
    argv = [*ENDLESS[:-3], "-frames:v", "30", *ENDLESS[-3:]]
    run_ffmpeg(argv, total_frames=30, timeout_seconds=30, on_progress=reports.append)
    frames = [report.frame for report in reports]
    assert len(frames) >= 2
    assert frames == sorted(set(frames))
    assert 0 < reports[0].progress_percent < reports[-1].progress_percent <= 100


@pytest.mark.parametrize("run", [capture_ffmpeg, partial(run_ffmpeg, total_frames=1)], ids=["capture", "run"])
def test_what_a_check_raises_ends_it_and_takes_its_whole_group_along(run: Callable[..., object]) -> None:
    # The shell's child would live on if only the shell were killed.
    nap = f"{4_000 + os.getpid()}"
    seen: list[int] = []

    def stop_once_it_naps() -> None:
        seen.extend(processes_with_argument(nap))
        if seen:
            raise StopError

    with pytest.raises(StopError):
        run(["sh", "-c", f"sleep {nap}; true"], timeout_seconds=60, check=stop_once_it_naps)

    assert processes_with_argument(nap) == []


def test_it_ends_at_its_timeout() -> None:
    started = time.monotonic()
    with pytest.raises(FfmpegTimeoutError):
        run_ffmpeg(ENDLESS, total_frames=1_000_000, timeout_seconds=0.4)
    assert time.monotonic() - started < 3


def test_what_the_progress_listener_raises_ends_it() -> None:
    class LeaseLostError(Exception):
        pass

    def lose_the_lease(report: ProgressReport) -> None:
        raise LeaseLostError(report.frame)

    with pytest.raises(LeaseLostError):
        run_ffmpeg(ENDLESS, total_frames=1_000_000, timeout_seconds=60, on_progress=lose_the_lease)


def test_a_captured_command_fails_with_its_complaint() -> None:
    with pytest.raises(FfmpegError, match="No such file"):
        capture_ffmpeg(["ffmpeg", *GLOBAL_OPTIONS, "-i", "/nowhere/at-all.wav", "-f", "null", "-"], timeout_seconds=30)


@pytest.mark.parametrize("start", [capture_ffmpeg, partial(run_ffmpeg, total_frames=1)], ids=["capture", "run"])
def test_a_missing_ffmpeg_is_an_ffmpeg_error(start: Callable[..., object]) -> None:
    with pytest.raises(FfmpegError, match="cannot be started"):
        start(["/nowhere/ffmpeg"], timeout_seconds=1)


def test_a_captured_command_ends_at_its_timeout() -> None:
    with pytest.raises(FfmpegTimeoutError):
        capture_ffmpeg(["sleep", "60"], timeout_seconds=0.1)


def test_the_length_of_a_video_is_measured(tmp_path: Path) -> None:
    path = write_background(tmp_path / "back.mp4", seconds=1.5)
    assert measure_video_seconds(path, formats="mov,matroska") == pytest.approx(1.5, abs=0.04)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "sound.wav", tone(0.2))
    with pytest.raises(NotAVideoError):
        measure_video_seconds(path, formats="wav")


@pytest.mark.attacks
def test_a_playlist_that_calls_itself_a_video_is_not_followed(tmp_path: Path) -> None:
    disguised = write_playlist(tmp_path / "back.mp4")
    with pytest.raises(NotAVideoError, match=r"Invalid data|whitelist"):
        measure_video_seconds(disguised, formats="mov,matroska")

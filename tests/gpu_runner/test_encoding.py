"""A video that is encoded while its lines come in: the same as one of one piece, whatever happens on the way."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from gpu_runner import encoding as encoding_module
from gpu_runner.encoders import NVENC, X264, VideoEncoder, encodes_a_frame
from gpu_runner.encoding import EncodedVideo, Encoding
from gpu_runner.errors import LeaseLostError
from gpu_runner.ffmpeg import FfmpegError, FfmpegTimeoutError, ProgressReport, run_ffmpeg
from gpu_runner.timeline import FRAME_RATE_HZ
from tests.gpu_runner.dialogues import DRAFT, Work, encode, encoding_of, prepare
from tests.media import (
    caption_ink,
    frames_of,
    mean_brightness_of_frames,
    run_tool,
    sound_of,
    write_counting_background,
)

LINES = [("ada", "Hello there.", 0.7), ("bob", "Nice.", 0.53), ("ada", "Bye", 0.43), ("cyd", "So long", 0.9)]
LOSSLESS = VideoEncoder(
    name="libx264", options=("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p")
)
BROKEN = VideoEncoder(name="h264_broken", options=("-c:v", "h264_broken"))


class Runs:
    """The FFmpeg commands that were run."""

    def __init__(self) -> None:
        self.argvs: list[Sequence[str]] = []
        self._ended = threading.Condition()
        self._ended_count = 0

    def run(self, argv: Sequence[str], **named: Any) -> None:
        self.argvs.append(argv)
        try:
            run_ffmpeg(argv, **named)
        finally:
            with self._ended:
                self._ended_count += 1
                self._ended.notify()

    def wait_for(self, count: int) -> None:
        with self._ended:
            assert self._ended.wait_for(lambda: self._ended_count >= count, timeout=60)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    runs = Runs()
    monkeypatch.setattr(encoding_module, "run_ffmpeg", runs.run)
    return runs


@pytest.fixture
def encode_by_line(runs: Runs) -> Callable[..., EncodedVideo]:
    """A function that encodes a work with every line in a piece of its own."""

    def encode_by_line(work: Work, *, encoder: VideoEncoder = DRAFT) -> EncodedVideo:
        before = len(runs.argvs)
        with encoding_of(work, encoder=encoder, name=f"by-line-{encoder.name}") as encoding:
            for count in range(1, len(work.lines)):
                encoding.add(work.timeline_of(count))
                runs.wait_for(before + count)
            return encoding.finish(work.timeline, work.soundtrack, on_progress=lambda _: None)

    return encode_by_line


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return prepare(tmp_path, LINES)


@pytest.fixture
def working_encoders() -> list[VideoEncoder]:
    """x264, and NVENC where there is one."""
    return [encoder for encoder in (X264, NVENC) if encodes_a_frame(encoder)]


def ssim(first: Path, second: Path) -> float:
    """Of the worst frame."""
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(first), "-i", str(second)]
    report = run_tool([*argv, "-filter_complex", "ssim=stats_file=-", "-f", "null", "-"]).stdout.decode()
    return min(float(value) for value in re.findall(r"All:([\d.]+)", report))


def packets(path: Path) -> list[int]:
    """When each frame is shown, in ticks, in that order."""
    argv = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts", "-of", "csv=p=0"]
    return sorted(int(line) for line in run_tool([*argv, str(path)]).stdout.split())


def test_every_line_becomes_a_piece_while_the_next_is_awaited(
    work: Work, encode_by_line: Callable[..., EncodedVideo], runs: Runs
) -> None:
    encode_by_line(work)

    assert len(runs.argvs) == len(LINES) + 1  # the last one joins


def test_lines_that_are_there_at_once_become_one_piece(work: Work, runs: Runs) -> None:
    encode(work)

    assert len(runs.argvs) == 2


def test_pieces_look_as_one_does(work: Work, encode_by_line: Callable[..., EncodedVideo]) -> None:
    assert ssim(encode_by_line(work, encoder=X264).path, encode(work, encoder=X264).path) > 0.99


def test_pieces_sound_as_one_does(work: Work, encode_by_line: Callable[..., EncodedVideo]) -> None:
    assert np.array_equal(sound_of(encode_by_line(work).path), sound_of(encode(work).path))


def test_no_frame_is_early_or_late_where_pieces_meet(
    work: Work, encode_by_line: Callable[..., EncodedVideo], working_encoders: list[VideoEncoder]
) -> None:
    for encoder in working_encoders:
        shown = packets(encode_by_line(work, encoder=encoder).path)

        assert len(shown) == work.timeline.frame_count
        assert shown[0] == 0
        assert set(np.diff(shown)) == {shown[1]}


def test_pieces_are_decoded_without_a_complaint(work: Work, encode_by_line: Callable[..., EncodedVideo]) -> None:
    video = encode_by_line(work, encoder=X264)

    decoded = run_tool(["ffmpeg", "-nostdin", "-v", "warning", "-i", str(video.path), "-f", "null", "-"])

    assert decoded.stderr == b""


def test_all_pieces_are_described_alike(
    work: Work, encode_by_line: Callable[..., EncodedVideo], working_encoders: list[VideoEncoder]
) -> None:
    # A file has one description for all of its frames: one of another piece would be decoded wrongly.
    argv = ["ffprobe", "-v", "error", "-show_data_hash", "md5", "-show_entries", "stream=extradata_hash"]
    for encoder in working_encoders:
        pieces = list(encode_by_line(work, encoder=encoder).path.parent.glob("piece_*.mp4"))

        found = {run_tool([*argv, "-of", "csv", str(path)]).stdout for path in pieces}

        assert (len(pieces), len(found)) == (len(LINES), 1)


def test_a_later_pieces_caption_is_there_from_its_lines_first_frame_to_the_last(
    tmp_path: Path, encode_by_line: Callable[..., EncodedVideo]
) -> None:
    # Frame 123 lies at 4.1 s, which no number with a point is exactly; the pause before it is 12,000 samples.
    work = prepare(tmp_path, [("eve", "", (123 * 1_600 - 12_000) / 48_000), ("eve", "Hello", 0.5), ("eve", "", 0.3)])
    line = work.timeline.segments[1]

    frames = frames_of(
        encode_by_line(work).path, [line.start_frame - 1, line.start_frame, line.end_frame - 1, line.end_frame]
    )

    assert line.start_frame == 123
    assert [caption_ink(frame) > 500 for frame in frames] == [False, True, True, False]


# The background


def write_background_at(path: Path, rate: str) -> Path:
    """Eight seconds that brighten steadily."""
    source = f"nullsrc=s=108x192:r={rate}:d=8,geq=lum='16+25*T':cb=128:cr=128"
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264"]
    run_tool([*argv, "-preset", "ultrafast", "-bf", "2", "-g", "50", "-pix_fmt", "yuv420p", str(path)])
    return path


@pytest.mark.parametrize("rate", ["30", "25", "24000/1001", "30000/1001", "60", "10"])
def test_the_background_goes_on_over_the_pieces_as_in_one(
    tmp_path: Path, encode_by_line: Callable[..., EncodedVideo], rate: str
) -> None:
    background = write_background_at(tmp_path / "back.mp4", rate)
    work = prepare(tmp_path, [("eve", "", each[2]) for each in LINES], background=background).starting_at(1.1)

    pieces = mean_brightness_of_frames(encode_by_line(work, encoder=LOSSLESS).path)

    assert np.array_equal(pieces, mean_brightness_of_frames(encode(work, encoder=LOSSLESS).path))
    assert pieces[-1] - pieces[0] > 60


@pytest.mark.parametrize("start_frame", range(0, 60, 17))
def test_pieces_of_a_short_background_go_on_from_its_beginning(
    tmp_path: Path, encode_by_line: Callable[..., EncodedVideo], start_frame: int
) -> None:
    background = write_counting_background(tmp_path / "back.mp4")
    work = prepare(tmp_path, [("eve", "", 0.8), ("eve", "", 0.7), ("eve", "", 1.4)], background=background)
    work = work.starting_at(start_frame / FRAME_RATE_HZ)

    numbers = np.round(mean_brightness_of_frames(encode_by_line(work).path) / 4).astype(int)

    expected = (start_frame + np.arange(work.timeline.frame_count)) % 60
    assert np.abs(numbers - expected).max() <= 1


def test_a_background_of_no_whole_number_of_frames_goes_on_over_the_pieces_as_in_one(
    tmp_path: Path, encode_by_line: Callable[..., EncodedVideo]
) -> None:
    # 61 frames of 40 ms, which are 73.2 of the video's: gone through three times, in pieces and in one.
    background = tmp_path / "back.mp4"
    source = "nullsrc=s=108x192:r=25:d=2.44,geq=lum='16+3.5*N':cb=128:cr=128"
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264"]
    run_tool([*argv, "-preset", "ultrafast", "-g", "20", "-pix_fmt", "yuv420p", str(background)])
    work = prepare(tmp_path, [("eve", "", 1.3)] * 5, background=background).starting_at(0.7)

    pieces = mean_brightness_of_frames(encode_by_line(work, encoder=LOSSLESS).path)
    one = mean_brightness_of_frames(encode(work, encoder=LOSSLESS).path)

    # A frame earlier or later is as good, and where the background begins anew that is everything.
    either_side = np.minimum.reduce(
        [np.abs(pieces[1:-1] - one[1 + shift : len(one) - 1 + shift]) for shift in (-1, 0, 1)]
    )
    assert either_side.max() <= 4


# Broken and stopped


def test_an_encoder_that_fails_is_replaced_by_x264_from_the_beginning(
    work: Work, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = VideoEncoder(name="h264_failing", options=DRAFT.options)

    def fail_at_the_third(argv: Sequence[str], **named: Any) -> None:
        if len(runs.argvs) == 2:
            runs.argvs.append(argv)
            raise FfmpegError(argv, 1, "no device")
        runs.run(argv, **named)

    monkeypatch.setattr(encoding_module, "run_ffmpeg", fail_at_the_third)
    with encoding_of(work, encoder=failing) as encoding:
        for count in (1, 2):
            encoding.add(work.timeline_of(count))
            runs.wait_for(count)
        video = encoding.finish(work.timeline, work.soundtrack, on_progress=lambda _: None)

    assert video.encoder == "libx264"
    assert len(packets(video.path)) == work.timeline.frame_count
    assert [argv[-1].rpartition("/")[2] for argv in runs.argvs] == [
        *("piece_0.mp4", "piece_1.mp4", "piece_2.mp4"),
        *("piece_0.mp4", "video.mp4"),
    ]


def test_x264_gets_the_time_that_another_encoder_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, given = [1_000.0], []

    def fail_late(*_: object, timeout_seconds: float, **__: object) -> None:
        given.append(timeout_seconds)
        clock[0] += 70
        raise FfmpegError(["ffmpeg"], 1, "no encoder")

    work = prepare(tmp_path, [("ada", "Hi", 0.05)])
    monkeypatch.setattr(encoding_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(encoding_module, "run_ffmpeg", fail_late)

    with (
        Encoding(work.scene, tmp_path, encoder=BROKEN, check=lambda: None, ends_at=1_100.0) as encoding,
        pytest.raises(FfmpegError),
    ):
        encoding.finish(work.timeline, work.soundtrack, on_progress=lambda _: None)

    assert given == [100, 30]


def test_what_failed_is_told_with_the_next_line(work: Work, runs: Runs) -> None:
    work.scene.background.write_text("no video")
    with encoding_of(work, encoder=X264) as encoding:
        encoding.add(work.timeline_of(1))
        runs.wait_for(1)
        encoding._thread.join()

        with pytest.raises(FfmpegError, match="Invalid data"):
            encoding.add(work.timeline_of(2))


def test_what_x264_refuses_is_told(work: Work) -> None:
    work.scene.background.write_text("no video")

    with pytest.raises(FfmpegError, match="Invalid data"):
        encode(work, encoder=X264)


@pytest.fixture
def long_work(tmp_path: Path) -> Work:
    return prepare(tmp_path, [("ada", "Hi", 20.0), ("bob", "Ho", 20.0)])


def test_an_encode_that_is_past_its_time_is_told(long_work: Work, tmp_path: Path) -> None:
    with (
        Encoding(long_work.scene, tmp_path, encoder=DRAFT, check=lambda: None, ends_at=time.monotonic()) as encoding,
        pytest.raises(FfmpegTimeoutError),
    ):
        encoding.finish(long_work.timeline, long_work.soundtrack, on_progress=lambda _: None)


@pytest.fixture
def ffmpegs() -> Callable[[], list[psutil.Process]]:
    """A function that tells this process's FFmpegs."""
    this = psutil.Process()
    return lambda: [child for child in this.children(recursive=True) if child.name() == "ffmpeg"]


def test_an_encode_that_nobody_waits_for_any_more_is_over_with_its_block(
    long_work: Work, ffmpegs: Callable[[], list[psutil.Process]], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_encoding = threading.Event()

    def run_and_tell(argv: Sequence[str], *, on_progress: Callable[[ProgressReport], None], **named: Any) -> None:
        def tell(done: ProgressReport) -> None:
            is_encoding.set()
            on_progress(done)

        run_ffmpeg(argv, on_progress=tell, **named)

    monkeypatch.setattr(encoding_module, "run_ffmpeg", run_and_tell)

    def encode_and_leave() -> None:
        with encoding_of(long_work, encoder=X264) as encoding:
            encoding.add(long_work.timeline_of(1))
            assert is_encoding.wait(60)
            raise LeaseLostError

    with pytest.raises(LeaseLostError):
        encode_and_leave()

    assert ffmpegs() == []
    assert "encoding" not in {thread.name for thread in threading.enumerate()}


def test_a_stopped_encode_ends_at_once(
    long_work: Work, tmp_path: Path, ffmpegs: Callable[[], list[psutil.Process]]
) -> None:
    reports: list[ProgressReport] = []

    def stop_once_it_encodes() -> None:
        if reports and reports[-1].frame:
            raise LeaseLostError

    with (
        Encoding(
            long_work.scene, tmp_path, encoder=X264, check=stop_once_it_encodes, ends_at=time.monotonic() + 120
        ) as encoding,
        pytest.raises(LeaseLostError),
    ):
        encoding.finish(long_work.timeline, long_work.soundtrack, on_progress=reports.append)

    assert 0 < reports[-1].progress_percent < 100
    assert ffmpegs() == []

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_runner.encoders import NVENC, X264, VideoEncoder, choose_encoder, encodes_a_frame


@pytest.fixture(autouse=True)
def nothing_chosen_yet() -> Iterator[None]:
    choose_encoder.cache_clear()
    yield
    choose_encoder.cache_clear()


def put_ffmpeg_in_path(folder: Path, monkeypatch: pytest.MonkeyPatch, *, exit_code: int) -> Path:
    """An FFmpeg that lists every encoder, ends as told and writes down how it was called."""
    calls = folder / "calls"
    script = folder / "ffmpeg"
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexit {exit_code}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return calls


def test_x264_works_with_all_of_its_options() -> None:
    assert encodes_a_frame(X264)


def test_an_encoder_that_is_not_there_does_not_work() -> None:
    assert not encodes_a_frame(VideoEncoder(name="h264_absent", options=("-c:v", "h264_absent")))


def test_nvenc_is_chosen_when_its_trial_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_ffmpeg_in_path(tmp_path, monkeypatch, exit_code=0)
    assert choose_encoder() == NVENC


def test_x264_is_chosen_when_the_trial_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_ffmpeg_in_path(tmp_path, monkeypatch, exit_code=1)
    assert choose_encoder() == X264


def test_the_trial_is_made_once_per_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = put_ffmpeg_in_path(tmp_path, monkeypatch, exit_code=1)
    choose_encoder()
    choose_encoder()
    assert len(calls.read_text().splitlines()) == 1


def test_the_trial_uses_every_option_of_the_real_encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = put_ffmpeg_in_path(tmp_path, monkeypatch, exit_code=0)
    choose_encoder()
    assert " ".join(NVENC.options) in calls.read_text()


def test_nvenc_is_told_exactly_this() -> None:
    assert " ".join(NVENC.options) == (
        "-c:v h264_nvenc -preset p5 -tune hq -profile:v high -rc vbr -cq 21 -b:v 0 -maxrate 12M -bufsize 24M"
        " -multipass qres -spatial-aq 1 -temporal-aq 1 -rc-lookahead 20 -bf 3 -b_ref_mode middle -g 60 -forced-idr 1"
        " -pix_fmt yuv420p"
    )

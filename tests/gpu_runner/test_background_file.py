"""Which files can be a background and what becomes of them, on real files and the real FFmpeg."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gpu_runner import background_file
from gpu_runner.background_file import LIMITED, UnfitFileError, look_at, prepare_background
from gpu_runner.composition import place_background
from gpu_runner.errors import TransientError
from tests.media import frames_of, mean_colour, probe, write_background, write_playlist

MakeVideo = Callable[..., Path]
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


def run_ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True, timeout=120)


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """A function that writes a silent green video."""

    def make(
        name: str, *, size: str = "270x480", rate: int = 30, seconds: float = 2, encoder: Sequence[str] = X264
    ) -> Path:
        path = tmp_path / name
        source = f"color=0x208020:s={size}:r={rate}:d={seconds}"
        run_ffmpeg("-f", "lavfi", "-i", source, *encoder, str(path))
        return path

    return make


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_fitting_video_is_copied_without_its_sound_and_what_it_tells_of_itself(tmp_path: Path, scratch: Path) -> None:
    source = write_background(tmp_path / "sea.mp4", seconds=2, size="270x480")

    prepared = prepare_background(source, scratch)

    found = probe(prepared.copy)
    assert [stream["codec_name"] for stream in found["streams"]] == ["h264"]
    assert "location" not in found["format"]["tags"]
    assert (prepared.width, prepared.height) == (270, 480)
    assert prepared.seconds == pytest.approx(2, abs=0.05)
    assert look_at(source).fits


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("fast.mp4", {"size": "1080x1920", "rate": 60}),
        ("small.webm", {"size": "320x240", "encoder": ("-c:v", "libvpx", "-deadline", "realtime")}),
        ("deep.mkv", {"encoder": ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")}),
    ],
    ids=["too many pixels a second", "another codec", "another pixel format"],
)
def test_any_other_video_is_converted_to_what_a_render_needs(
    make_video: MakeVideo, scratch: Path, name: str, described: dict[str, Any]
) -> None:
    source = make_video(name, seconds=1.2, **described)
    assert not look_at(source).fits

    prepared = prepare_background(source, scratch)

    video = probe(prepared.copy)["video"]
    assert (video["codec_name"], video["pix_fmt"], video["width"], video["height"]) == ("h264", "yuv420p", 1080, 1920)
    assert video["r_frame_rate"] == "30/1"
    assert prepared.seconds == pytest.approx(1.2, abs=0.05)
    assert look_at(prepared.copy).fits


def test_a_video_that_is_filmed_on_its_side_is_turned_upright(make_video: MakeVideo, scratch: Path) -> None:
    lying = make_video("lying.mp4", size="480x270", seconds=1.2)
    turned = lying.with_name("turned.mp4")
    run_ffmpeg("-i", str(lying), "-c", "copy", "-metadata:s:v:0", "rotate=90", str(turned))

    assert look_at(lying).fits
    assert not look_at(turned).fits
    assert look_at(prepare_background(turned, scratch).copy).fits


def test_the_thumbnail_shows_the_video(make_video: MakeVideo, scratch: Path) -> None:
    prepared = prepare_background(make_video("green.mp4"), scratch)

    frame = frames_of(prepared.thumbnail, [0])[0]
    red, green, blue = mean_colour(frame, left=0, top=0, right=1, bottom=1)
    assert frame.shape == (480, 270, 3)
    assert green > 2 * max(red, blue)


def text_file(folder: Path, _make: MakeVideo) -> Path:
    path = folder / "text.mp4"
    path.write_text("This is no video. " * 1000)
    return path


def empty_file(folder: Path, _make: MakeVideo) -> Path:
    path = folder / "empty.mp4"
    path.touch()
    return path


def playlist(folder: Path, _make: MakeVideo) -> Path:
    return write_playlist(folder / "playlist.mp4")


def concat_list(folder: Path, make: MakeVideo) -> Path:
    path = folder / "list.mp4"
    path.write_text(f"ffconcat version 1.0\nfile {make('other.mp4')}\n")
    return path


def truncated_at_the_end(folder: Path, make: MakeVideo) -> Path:
    path = folder / "cut.mp4"
    path.write_bytes(make("whole.mp4").read_bytes()[:-2000])
    return path


def broken_off(folder: Path, make: MakeVideo) -> Path:
    whole = make("index_first.mp4", seconds=10, encoder=(*X264, "-g", "15", "-movflags", "+faststart"))
    path = folder / "broken_off.mp4"
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def sound_alone(folder: Path, _make: MakeVideo) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "sine=d=3", str(folder / "sound.m4a"))
    return folder / "sound.m4a"


def sound_with_a_cover(folder: Path, _make: MakeVideo) -> Path:
    path = folder / "cover.mp4"
    inputs = ("-f", "lavfi", "-i", "sine=d=3", "-f", "lavfi", "-i", "color=s=300x300:d=0.04")
    cover = ("-c:v", "mjpeg", "-frames:v", "1", "-disposition:v", "attached_pic", "-strict", "unofficial")
    run_ffmpeg(*inputs, "-map", "0:a", "-map", "1:v", *cover, "-pix_fmt", "yuvj420p", str(path))
    return path


def picture(folder: Path, _make: MakeVideo) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "color=s=300x300:d=0.04", "-frames:v", "1", "-f", "image2", str(folder / "a.png"))
    return (folder / "a.png").rename(folder / "picture.mp4")


def one_pixel(folder: Path, _make: MakeVideo) -> Path:
    path = folder / "pixel.mkv"
    one = "format=gray,crop=1:1,format=yuv444p"
    run_ffmpeg("-f", "lavfi", "-i", "color=s=64x64:d=2", "-vf", one, "-c:v", "libvpx-vp9", "-cpu-used", "8", str(path))
    return path


def too_wide(_folder: Path, make: MakeVideo) -> Path:
    return make("wide.mp4", size="8192x256", seconds=1)


def too_short(_folder: Path, make: MakeVideo) -> Path:
    return make("short.mp4", seconds=0.5)


def too_long(_folder: Path, make: MakeVideo) -> Path:
    return make("long.mp4", size="240x240", rate=1, seconds=1801, encoder=(*X264, "-g", "600"))


def another_demuxer(folder: Path, _make: MakeVideo) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "color=s=270x480:d=2", "-c:v", "mpeg4", "-f", "avi", str(folder / "old.mp4"))
    return folder / "old.mp4"


def another_decoder(folder: Path, _make: MakeVideo) -> Path:
    run_ffmpeg("-f", "lavfi", "-i", "color=s=270x480:d=2", "-c:v", "ffv1", str(folder / "lossless.mkv"))
    return folder / "lossless.mkv"


def noise_for_pictures(folder: Path, make: MakeVideo) -> Path:
    """An index that is in order, over pictures that are none."""
    content = bytearray(make("index_last.mp4").read_bytes())
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    content[start:end] = bytes((each * 37) % 251 for each in range(end - start))
    path = folder / "noise.mp4"
    path.write_bytes(content)
    return path


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("make_file", "reason"),
    [
        (text_file, "no MP4, MOV, MKV or WebM"),
        (empty_file, "no MP4, MOV, MKV or WebM"),
        (playlist, "no MP4, MOV, MKV or WebM"),
        (concat_list, "no MP4, MOV, MKV or WebM"),
        (another_demuxer, "no MP4, MOV, MKV or WebM"),
        (picture, "no MP4, MOV, MKV or WebM"),
        (truncated_at_the_end, "no MP4, MOV, MKV or WebM"),
        (broken_off, "ends early: it says 10 s"),
        (sound_alone, "no video that can be read"),
        (sound_with_a_cover, "no video that can be read"),
        (one_pixel, "1 x 1 pixels; 240 to 4320 a side"),
        (too_wide, "8192 x 256 pixels"),
        (too_short, "lasts 0.5 s; 1 s to 30 minutes"),
        (too_long, "lasts 1801.0 s"),
        (another_decoder, "read|decoded"),
        (noise_for_pictures, "read|decoded"),
    ],
    ids=lambda each: each.__name__ if callable(each) else "",
)
def test_a_file_that_is_no_background_is_refused_with_the_reason(
    tmp_path: Path, make_video: MakeVideo, scratch: Path, make_file: Callable[[Path, MakeVideo], Path], reason: str
) -> None:
    source = make_file(tmp_path, make_video)

    with pytest.raises(UnfitFileError, match=reason):
        prepare_background(source, scratch)


def test_the_length_that_a_files_header_states_is_not_believed(make_video: MakeVideo, scratch: Path) -> None:
    source = make_video("boast.mp4", seconds=2)
    content = bytearray(source.read_bytes())
    for name, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        at = content.index(name) + offset
        content[at : at + 4] = (0x7FFFFFFF).to_bytes(4, "big")
    source.write_bytes(content)

    assert prepare_background(source, scratch).seconds == pytest.approx(2, abs=0.05)


def test_a_conversion_that_takes_too_long_is_the_files_fault(
    make_video: MakeVideo, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_file, "CONVERSION_SECONDS", 0.0)

    with pytest.raises(UnfitFileError, match="takes too long"):
        prepare_background(make_video("fast.mp4", size="1080x1920", rate=60), scratch)


def test_a_machine_without_ffmpeg_is_not_the_files_fault(
    make_video: MakeVideo, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_video("green.mp4")
    monkeypatch.setenv("PATH", str(scratch))

    with pytest.raises(TransientError):
        prepare_background(source, scratch)


@pytest.mark.attacks
def test_ffmpeg_runs_with_limits_on_memory_and_on_what_it_writes() -> None:
    shown = subprocess.run([*LIMITED, "sh", "-c", "ulimit -d; ulimit -f; ulimit -c"], capture_output=True, check=True)

    data_kib, file_blocks, core = map(int, shown.stdout.split())
    assert (data_kib, file_blocks, core) == (3 * 1024**2, 2 * 1024**3 // 512, 0)


def test_a_copy_can_be_placed_under_a_video(make_video: MakeVideo, scratch: Path) -> None:
    prepared = prepare_background(make_video("green.mp4"), scratch)

    start_frame = place_background(100.3, background_seconds=prepared.seconds, video_seconds=5)

    assert 0 <= start_frame < prepared.seconds * 30

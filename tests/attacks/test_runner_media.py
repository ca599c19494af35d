"""Playlists that call themselves recordings, lines or videos, at every place where the runner opens a file."""

import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from gpu_runner.background_file import UnfitFileError, prepare_background
from gpu_runner.composition import BACKGROUND_FORMATS
from gpu_runner.ffmpeg import FfmpegError, NotAVideoError, measure_video_seconds
from gpu_runner.soundtrack import normalise_line
from tests.attacks.conftest import Canary
from tests.attacks.playlists import PLAYLISTS, WriteText, hls_of_a_file, hls_of_a_server
from tests.media import tone, write_background, write_wav

pytestmark = pytest.mark.attacks


@pytest.fixture
def another_tenants(tmp_path: Path) -> Path:
    """A recording that lies within reach."""
    folder = tmp_path / "another_tenant"
    folder.mkdir()
    return write_wav(folder / "recording.wav", tone(2.0))


def open_as_line(path: Path, scratch: Path) -> None:
    normalise_line(path, scratch / "line.wav")


def open_as_background(path: Path, scratch: Path) -> None:
    prepare_background(path, scratch)


def open_for_a_video(path: Path, _scratch: Path) -> None:
    measure_video_seconds(path, formats=BACKGROUND_FORMATS)


OPENED = [(open_as_line, "spoken.wav"), (open_as_background, "sea.mp4"), (open_for_a_video, "copy.mp4")]


@pytest.mark.parametrize("write", PLAYLISTS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(("open_it", "name"), OPENED, ids=["line", "background", "video"])
def test_a_file_that_names_other_files_leads_nowhere(
    *,
    tmp_path: Path,
    another_tenants: Path,
    canary: Canary,
    write: WriteText,
    open_it: Callable[[Path, Path], None],
    name: str,
) -> None:
    disguised, scratch = tmp_path / name, tmp_path / "scratch"
    scratch.mkdir()
    disguised.write_text(write(another_tenants, canary))

    with pytest.raises((FfmpegError, UnfitFileError, NotAVideoError)):
        open_it(disguised, scratch)

    assert list(scratch.iterdir()) == []


def test_ffmpeg_alone_follows_what_is_refused_above(tmp_path: Path, another_tenants: Path) -> None:
    """Or the playlists would prove nothing."""
    server = Canary()
    to_file, to_server = tmp_path / "a.wav", tmp_path / "b.wav"
    to_file.write_text(hls_of_a_file(another_tenants, server))
    to_server.write_text(hls_of_a_server(another_tenants, server))
    unguarded = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-allowed_extensions", "ALL"]
    unguarded += ["-extension_picky", "0"] if knows("extension_picky") else []

    for source in (to_file, to_server):
        opened = ("-protocol_whitelist", "file,http,tcp", "-i", str(source), str(tmp_path / "copied.wav"))
        subprocess.run([*unguarded, *opened], capture_output=True, timeout=60, check=False)

    server.close()
    with wave.open(str(tmp_path / "copied.wav")) as copied:
        assert copied.getnframes() / copied.getframerate() == pytest.approx(2.0, abs=0.1)
    assert server.hits[0].startswith(b"GET /segment.ts")


def knows(option: str) -> bool:
    told = subprocess.run(["ffmpeg", "-hide_banner", "-h", "demuxer=hls"], capture_output=True, text=True, check=True)
    return option in told.stdout


# What a shell, a filter graph or an option parser might take for something else than a name.
NAMES = (
    "-i.mp4",
    "--help.mp4",
    "a b.mp4",
    "a'b.mp4",
    'a"b.mp4',
    "a;touch x.mp4",
    "$(touch x).mp4",
    "`touch x`.mp4",
    "a:b.mp4",
    "a,b[c].mp4",
    "a%02d.mp4",
    "a\nb.mp4",
    "http:a.mp4",
    "concat:a.mp4",
    "é\u202e.mp4",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sea: Path, name: str
) -> None:
    folder, scratch = tmp_path / "library", tmp_path / "scratch"
    for each in (folder, scratch):
        each.mkdir()
    (folder / name).write_bytes(sea.read_bytes())
    monkeypatch.chdir(folder)

    prepared = prepare_background(Path(name), scratch)

    assert prepared.seconds == pytest.approx(1.5, abs=0.1)
    assert [each.name for each in folder.iterdir()] == [name]


@pytest.fixture(scope="module")
def sea(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_background(tmp_path_factory.mktemp("sea") / "sea.mp4", seconds=1.5, size="270x480")

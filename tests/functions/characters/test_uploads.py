"""Decoding in a process of its own: what it gives back, and what it withstands."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from characters import decoding, uploads
from characters.limits import MAX_PICTURE_PIXELS
from characters.uploads import Uploads, decode_uploads, find_recording, require_one_recording
from gcp.errors import ValidationFailed
from local.addresses import ROOT
from tests.functions.characters import uploaded_files as files

MIB = 1024 * 1024
SPEECH = files.wav(files.voice(2.0))


def refusals(given: Uploads) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as refused:
        decode_uploads(given)
    return {".".join(map(str, each["loc"])): each["msg"] for each in refused.value.details}


def with_pictures(*pictures: bytes, recording: bytes | None = None) -> Uploads:
    return Uploads(recording=recording, pictures=pictures, pictures_field="imageFiles")


def test_a_form_comes_back_as_wav_and_png() -> None:
    decoded = decode_uploads(with_pictures(files.picture("JPEG"), files.picture("WEBP"), recording=SPEECH))

    assert decoded.recording is not None
    assert files.samples_of(decoded.recording.wav).size == 2 * files.RATE_HZ
    assert (decoded.recording.duration_seconds, decoded.recording.was_cut) == (2.0, False)
    assert [files.opened(each).size for each in decoded.pictures] == [(60, 80), (60, 80)]


def test_nothing_is_started_for_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")

    assert decode_uploads(with_pictures()) == (None, ())


def test_every_refused_file_is_named() -> None:
    given = with_pictures(files.picture(), b"GIF89a", files.picture(), b"", recording=b"text")

    # The empty one is seen before anything is decoded.
    assert refusals(given) == {"body.imageFiles.3": "The picture is empty."}


def test_every_undecodable_file_is_named() -> None:
    given = with_pictures(files.picture(), b"GIF89a", files.picture(), recording=b"text")

    assert refusals(given) == {
        "body.audioFile": "The recording is none of WAV, MP3, M4A, FLAC, OGG or WebM.",
        "body.imageFiles.1": "The picture is none of PNG, JPEG or WebP.",
    }


@pytest.mark.parametrize(
    ("given", "found"),
    [
        pytest.param(
            with_pictures(bytes(5 * MIB + 1)),
            {"body.imageFiles.0": "The picture is 5.1 MB; at most 5 MB."},
            id="picture",
        ),
        pytest.param(
            with_pictures(recording=bytes(20 * MIB + 1)),
            {"body.audioFile": "The recording is 20.1 MB; at most 20 MB."},
            id="recording",
        ),
        pytest.param(with_pictures(recording=b""), {"body.audioFile": "The recording is empty."}, id="empty"),
    ],
)
def test_a_size_is_refused_before_anything_is_decoded(
    given: Uploads, found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere")

    assert refusals(given) == found


def test_the_largest_recording_is_taken() -> None:
    long = files.wav(files.voice(440.0))[: 20 * MIB]

    decoded = decode_uploads(with_pictures(recording=long))

    assert (len(long), decoded.recording and decoded.recording.duration_seconds) == (20 * MIB, 12.0)


def test_media_of_many_kinds_needs_no_file_that_can_no_longer_be_opened(tmp_path: Path) -> None:
    spoken = files.spoken(tmp_path, "There are many kinds of files, and each of them is decoded in the same way.")
    exif = Image.Exif()
    exif[0x0112] = 6
    moving = [Image.new("P", (50, 40), colour) for colour in (1, 2)]
    pictures = (
        files.picture("JPEG", exif=exif),
        files.picture("MPO"),
        files.picture("PNG", mode="P", transparency=3),
        files.picture("PNG", mode="LA", colour=(9, 99)),
        files.saved(moving[0], "WEBP", save_all=True, append_images=moving[1:]),
        files.picture("JPEG", mode="CMYK"),
    )

    decoded = [
        decode_uploads(with_pictures(*pictures, recording=files.encoded(spoken, "a.m4a"))),
        decode_uploads(with_pictures(recording=files.encoded(spoken, "a.mp3", "-metadata", "title=Grüße"))),
        decode_uploads(with_pictures(recording=files.encoded(spoken, "a.webm", *_WITH_VIDEO))),
        decode_uploads(with_pictures(recording=files.encoded(spoken, "a.ogg"))),
        decode_uploads(with_pictures(recording=files.encoded(spoken, "a.flac"))),
        decode_uploads(with_pictures(recording=files.wav(files.voice(15.0)))),
        decode_uploads(with_pictures(recording=files.wav(files.voice(9.0), files.silence(1.0), files.voice(5.0)))),
    ]

    assert len(decoded[0].pictures) == len(pictures)
    assert all(each.recording is not None for each in decoded)


_WITH_VIDEO = ("-f", "lavfi", "-i", "color=size=64x64:duration=1", "-map", "0:a", "-map", "1:v")


def test_a_file_on_which_the_decoder_dies_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = decoding.pack_frame({"refusal": None}, b"png")
    dying = f"import sys; sys.stdout.buffer.write({answered!r}); sys.stdout.flush(); import os; os.abort()"
    monkeypatch.setattr(uploads, "_ARGV", ("-c", dying))

    given = with_pictures(files.picture(), files.picture(), files.picture())

    assert refusals(given) == {"body.imageFiles.1": "The file cannot be decoded within the limits of time and memory."}


def test_a_decoder_that_hangs_is_ended_and_its_file_named(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = decoding.pack_frame({"refusal": None}, b"png")
    hanging = f"import sys, time; sys.stdout.buffer.write({answered!r}); sys.stdout.flush(); time.sleep(60)"
    monkeypatch.setattr(uploads, "_ARGV", ("-c", hanging))
    monkeypatch.setattr(uploads, "WALL_SECONDS", 1)

    assert list(refusals(with_pictures(files.picture(), files.picture()))) == ["body.imageFiles.1"]


def test_a_decoder_that_never_stops_writing_is_ended_by_its_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = f"decoding.pack_frame({{'refusal': None}}, bytes({MIB}))"
    endless = f"while True: sys.stdout.buffer.write({answer})"
    monkeypatch.setattr(
        uploads, "_ARGV", ("-c", f"import sys; from characters import decoding\ndecoding.limit_process()\n{endless}")
    )

    decoded = decode_uploads(with_pictures(files.picture(), files.picture()))

    # What comes beyond an answer to each file is not read.
    assert [len(each) for each in decoded.pictures] == [MIB, MIB]
    assert '"event": "decoder_failed"' in capsys.readouterr().out


@pytest.mark.parametrize("descriptor", [1, 2])
def test_the_decoder_fills_neither_of_its_outputs_beyond_the_limit(tmp_path: Path, descriptor: int) -> None:
    endless = f"import os\nwhile True: os.write({descriptor}, bytes({MIB}))"
    script = f"from characters.decoding import limit_process\nlimit_process()\n{endless}"
    with (tmp_path / "1").open("wb") as output, (tmp_path / "2").open("wb") as errors:
        subprocess.run(
            [sys.executable, "-P", "-c", script],
            env={"PYTHONPATH": str(ROOT / "functions"), "OPENBLAS_NUM_THREADS": "1"},
            stdout=output,
            stderr=errors,
            timeout=60,
            check=False,
        )

    assert (tmp_path / str(descriptor)).stat().st_size == decoding.OUTPUT_BYTES


def in_decoder(statement: str) -> subprocess.CompletedProcess[str]:
    """What a statement does in a process with the decoder's limits."""
    script = f"from characters.decoding import limit_process\nlimit_process()\n{statement}"
    environment = {"PYTHONPATH": str(ROOT / "functions"), "OPENBLAS_NUM_THREADS": "1"}
    argv = [sys.executable, "-P", "-c", script]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("open('/etc/hosts')", "OSError: [Errno 24] Too many open files"),
        ("import socket; socket.socket()", "Too many open files"),
        ("import os; os.posix_spawn('/bin/true', ['true'], {}) if os.pipe() else None", "Too many open files"),
        ("import os, socket; os.close(0); socket.socket()", "Too many open files"),
        ("import os; os.close(1); open('/etc/hosts')", "Too many open files"),
        ("bytes(800 * 1024 * 1024)", "MemoryError"),
    ],
)
def test_the_decoder_can_open_nothing_and_has_little_memory(statement: str, error: str) -> None:
    assert error in in_decoder(statement).stderr


@pytest.mark.parametrize("has_alpha", [False, True], ids=["opaque", "transparent"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_picture_of_the_largest_size_is_taken_in_every_format(kind: str, has_alpha: bool) -> None:
    width = 6000
    mode = "RGBA" if has_alpha and kind != "JPEG" else "RGB"
    picture = io.BytesIO()
    colour = (200, 30, 30, 128)[: len(mode)]
    Image.new(mode, (width, MAX_PICTURE_PIXELS // width), colour).save(picture, kind)

    assert len(decode_uploads(with_pictures(picture.getvalue())).pictures) == 1


def test_the_decoder_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "secret")
    frame = "decoding.pack_frame({'refusal': ' '.join(sorted(os.environ))})"
    telling = f"import os, sys; from characters import decoding; sys.stdout.buffer.write({frame})"
    monkeypatch.setattr(uploads, "_ARGV", ("-c", telling))

    told = refusals(with_pictures(files.picture()))["body.imageFiles.0"]

    assert set(told.split()) <= {*uploads._PASSED_ON, "PYTHONPATH", "OPENBLAS_NUM_THREADS", "LC_CTYPE"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="half a length"),
        pytest.param(decoding.pack_frame({"kind": "picture"}, b"12345")[:-1], id="content cut short"),
        pytest.param(decoding.pack_frame({"kind": "picture"})[:9], id="header cut short"),
    ],
)
def test_an_unfinished_frame_is_none(content: bytes) -> None:
    assert list(decoding.read_frames(io.BytesIO(content))) == []


def test_frames_follow_each_other() -> None:
    packed = decoding.pack_frame({"kind": "a"}, b"1") + decoding.pack_frame({"kind": "b"}, b"")

    frames = [(header["kind"], content) for header, content in decoding.read_frames(io.BytesIO(packed))]

    assert frames == [("a", b"1"), ("b", b"")]


@pytest.mark.parametrize(("given", "found"), [({}, None), ({"audioFile": []}, None), ({"audioFile": [b"a"]}, b"a")])
def test_a_form_has_at_most_one_recording(given: dict[str, Any], found: bytes | None) -> None:
    assert find_recording(given) == found


def test_two_recordings_are_refused() -> None:
    with pytest.raises(ValidationFailed, match="exactly one"):
        find_recording({"audioFile": [b"a", b"b"]})


def test_a_missing_recording_is_refused() -> None:
    with pytest.raises(ValidationFailed, match="audioFile"):
        require_one_recording({"imageFiles": [b"a"]})

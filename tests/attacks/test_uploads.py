"""Hostile files through the operation that takes them: what is stored is ours, whatever was sent.

What becomes of each kind of file by itself is in tests/functions/characters (test_clip, test_picture, test_uploads).
"""

import io
import json
import re
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Response
from PIL import Image, PngImagePlugin

from contracts.media_paths import api_path
from tests.attacks.conftest import Ask, Canary, Forms, MakeUser, Send
from tests.attacks.playlists import PLAYLISTS, WriteText, hls_of_a_file, hls_of_a_server
from tests.functions.characters import uploaded_files as files
from tests.functions.killed import everything

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

SPEECH = files.wav(files.voice(2.0))
PATH = "/api/characters/complete"
SCRIPT = b"<script>alert(document.domain)</script><?php system($_GET[0]); ?>"
OBJECT_NAME = re.compile(r"(recordings/ann/[0-9a-f]{32}\.wav|images/ann/[0-9a-f]{32}\.png)")


def create(send: Send, *, recording: bytes = SPEECH, pictures: tuple[bytes, ...]) -> Response:
    uploads = [("audioFile", recording), *(("imageFiles", each) for each in pictures)]
    return send("POST", PATH, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads)


def refusals(response: Response) -> dict[str, str]:
    return {".".join(map(str, each["loc"][1:])): each["msg"] for each in response.get_json()["detail"]}


def stored_media(bucket: "Bucket") -> dict[str, bytes]:
    return {blob.name: blob.download_as_bytes() for blob in bucket.list_blobs()}


# Recordings


def id3(text: bytes) -> bytes:
    """An empty tag, after which a decoder looks for what comes."""
    return b"ID3\x04\x00\x00\x00\x00\x00\x00" + text


def riff(text: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(text) + 4) + b"WAVE" + text


DISGUISES: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "in a WAV": riff,
    "behind an MP3's tag": id3,
    "behind an OGG's mark": lambda text: b"OggS" + text,
    "behind an MP4's mark": lambda text: b"\0\0\0\x18ftypM4A \0\0\0\0" + text,
    "behind a FLAC's mark": lambda text: b"fLaC" + text,
    "behind a WebM's mark": lambda text: b"\x1a\x45\xdf\xa3" + text,
}


@pytest.mark.parametrize(
    ("write", "disguise"),
    [
        *(pytest.param(write, DISGUISES["as it is"], id=write.__name__) for write in PLAYLISTS),
        *(pytest.param(hls_of_a_file, each, id=f"of a file, {name}") for name, each in DISGUISES.items()),
        *(pytest.param(hls_of_a_server, each, id=f"of a server, {name}") for name, each in DISGUISES.items()),
    ],
)
def test_a_playlist_called_wav_is_refused_and_leads_nowhere(
    *,
    send: Send,
    db: "Client",
    bucket: "Bucket",
    make_user: MakeUser,
    canary: Canary,
    tmp_path: Path,
    write: WriteText,
    disguise: Callable[[bytes], bytes],
) -> None:
    make_user("ann")
    another_tenants = tmp_path / "recording.wav"
    another_tenants.write_bytes(SPEECH)

    response = create(send, recording=disguise(write(another_tenants, canary).encode()), pictures=(files.picture(),))

    assert (response.status_code, list(refusals(response))) == (422, ["audioFile"])
    assert stored_media(bucket) == {}
    assert list(db.collection("characters").stream()) == []


def hours_of_silence(folder: Path) -> bytes:
    """Eight hours in less than a megabyte."""
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "28800"]
    subprocess.run([*argv, "-frame_size", "65535", str(folder / "silence.flac")], check=True, timeout=120)
    return (folder / "silence.flac").read_bytes()


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO(content)
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("payload.sh", SCRIPT)
    return archive.getvalue()


WHOLE = files.wav(files.voice(3.0))


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(files.with_header(WHOLE, 40, "<I", 0xFFFFFFFF), 200, id="data of 4 GiB"),
        pytest.param(files.with_header(WHOLE, 4, "<I", 0xFFFFFFFF), 200, id="a file of 4 GiB"),
        pytest.param(files.with_header(WHOLE, 28, "<I", 0xFFFFFFFF), 200, id="4 GiB in a second"),
        pytest.param(files.with_header(WHOLE, 24, "<I", 0), 422, id="a rate of 0"),
        pytest.param(files.with_header(WHOLE, 24, "<I", 0xFFFFFFFF), 422, id="a rate of 4 GHz"),
        pytest.param(files.with_header(WHOLE, 22, "<H", 0), 422, id="no channel"),
        pytest.param(files.with_header(WHOLE, 22, "<H", 255), 422, id="255 channels"),
        pytest.param(files.with_header(WHOLE, 22, "<H", 65535), 422, id="65,535 channels"),
        pytest.param(files.with_header(WHOLE, 34, "<H", 0), 422, id="no bits"),
        pytest.param(files.with_header(WHOLE, 34, "<H", 65535), 422, id="65,535 bits"),
        pytest.param(files.with_header(WHOLE, 32, "<H", 0), None, id="no block"),
        pytest.param(files.with_header(WHOLE, 16, "<I", 0xFFFFFFFF), 422, id="a format of 4 GiB"),
        pytest.param(files.with_header(WHOLE, 16, "<I", 0), 422, id="a format of nothing"),
    ],
)
def test_a_recording_whose_header_lies_is_refused_or_made_ours(
    send: Send, bucket: "Bucket", make_user: MakeUser, content: bytes, status: int | None
) -> None:
    make_user("ann")

    response = create(send, recording=content, pictures=(files.picture(),))

    assert response.status_code == (status or response.status_code)
    assert response.status_code in {200, 422}
    sizes = [files.samples_of(each).size for name, each in stored_media(bucket).items() if name.endswith(".wav")]
    assert all(size <= 12 * files.RATE_HZ for size in sizes)


def test_hours_of_silence_are_refused_after_a_look_at_their_start(
    send: Send, make_user: MakeUser, tmp_path: Path
) -> None:
    make_user("ann")

    response = create(send, recording=hours_of_silence(tmp_path), pictures=(files.picture(),))

    assert "is silent: its first 12 s stay under" in refusals(response)["audioFile"]


@pytest.mark.parametrize(
    "payload",
    [zipped(SPEECH)[len(SPEECH) :], SCRIPT, b"#!/bin/sh\nid\n", b"%PDF-1.7\n"],
    ids=["ZIP", "HTML", "sh", "PDF"],
)
def test_of_a_recording_that_is_something_else_besides_only_the_sound_is_stored(
    send: Send, bucket: "Bucket", make_user: MakeUser, payload: bytes
) -> None:
    make_user("ann")
    comment = b"LIST" + struct.pack("<I", len(payload) + 4) + b"INFO" + payload + bytes(len(payload) % 2)

    response = create(send, recording=SPEECH + comment, pictures=(files.picture() + payload,))

    assert response.status_code == 200
    assert len(stored_media(bucket)) == 2
    assert [name for name, content in stored_media(bucket).items() if payload[:12] in content] == []


# Pictures


def with_text(*, packed: bool) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SCRIPT.decode(), zip=packed)
    return files.picture(pnginfo=text)


def with_exif(image_format: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()
    return files.picture(image_format, exif=exif)


POLYGLOTS: dict[str, bytes] = {
    "PNG and HTML": files.picture() + SCRIPT,
    "PNG and ZIP": zipped(files.picture()),
    "PNG with HTML in a text": with_text(packed=False),
    "PNG with HTML in a packed text": with_text(packed=True),
    "PNG with HTML in its profile": files.picture(icc_profile=SCRIPT),
    "JPEG and HTML": files.picture("JPEG") + SCRIPT,
    "JPEG with PHP in a comment": files.picture("JPEG", comment=SCRIPT),
    "JPEG with HTML in its EXIF": with_exif("JPEG"),
    "WebP with HTML in its EXIF": with_exif("WEBP"),
    "WebP and JavaScript": files.picture("WEBP") + b"/*" + SCRIPT + b"*/",
}


def test_of_a_picture_that_is_something_else_besides_only_the_picture_is_stored_and_served(
    send: Send, bucket: "Bucket", make_user: MakeUser
) -> None:
    make_user("ann")

    response = create(send, pictures=tuple(POLYGLOTS.values()))

    assert response.status_code == 200, response.get_json()
    pictures = {name: content for name, content in stored_media(bucket).items() if name.startswith("images/")}
    chunks = {name: {kind for kind, _ in chunks_of(content)} for name, content in pictures.items()}
    served = [send("GET", api_path(name)) for name in pictures]
    assert len(pictures) == len(POLYGLOTS)
    assert {frozenset(each) for each in chunks.values()} == {frozenset({b"IHDR", b"IDAT", b"IEND"})}
    assert all(b"script" not in content and b"php" not in content for content in pictures.values())
    assert {each.headers["Content-Type"] for each in served} == {"image/png"}
    assert {each.headers["X-Content-Type-Options"] for each in served} == {"nosniff"}


def chunks_of(png: bytes) -> list[tuple[bytes, int]]:
    """Each chunk's kind and size; the last one ends the file."""
    found, at = [], 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        found.append((png[at + 4 : at + 8], size))
        at += 12 + size
    assert at == len(png)
    return found


GIF_JS = b"GIF89a/*" + bytes(20) + b"*/=1;" + SCRIPT
NO_PICTURES: dict[str, bytes] = {
    "GIF and JavaScript": GIF_JS,
    "BMP and JavaScript": b"BM/*" + bytes(30) + b"*/=1;" + SCRIPT,
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "SVG behind a PNG's mark": b"\x89PNG\r\n\x1a\n<svg onload='alert(1)'/>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
    "HTML": b"<!doctype html>" + SCRIPT,
    "PDF": b"%PDF-1.7\n1 0 obj<</OpenAction 2 0 R>>",
    "MVG": b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x'\npop graphic-context\n",
    "XPM": b'/* XPM */\nstatic char *a[] = {"1 1 1 1", "a c #fff", "a"};\n',
    "ICO": files.picture("ICO", size=(32, 32)),
}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, data: bytes, *, bits: int = 1, before: bytes = b"") -> bytes:
    """A PNG that says what it likes; grey."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


ZEROS = zlib.compress(bytes(60_000_000), 9)
BOMBS: dict[str, bytes] = {
    "a side of 65,535": png(65_535, 65_535, ZEROS),
    "a side of 2,147,483,647": png(2**31 - 1, 2**31 - 1, ZEROS),
    "a line of 24 million and one": png(24_000_001, 1, ZEROS),
    "a packed text of 60 MB": png(8, 8, zlib.compress(bytes(16)), before=chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "a packed text of 60 MB in UTF-8": png(
        8, 8, zlib.compress(bytes(16)), before=chunk(b"iTXt", b"a\0\1\0\0\0" + ZEROS)
    ),
    "a WebP that says 16,383 x 16,383": b"RIFF\x1e\0\0\0WEBPVP8L\x12\0\0\0\x2f"
    + struct.pack("<I", 0x0FFFFFFF)
    + bytes(14),
    "a JPEG that says 65,500 x 65,500": re.sub(
        rb"(\xff\xc0\x00\x11\x08)....",
        lambda found: found[1] + b"\xff\xdc\xff\xdc",
        files.picture("JPEG"),
        flags=re.DOTALL,
    ),
}


@pytest.mark.parametrize("hostile", [NO_PICTURES, BOMBS], ids=["no pictures", "bombs"])
def test_every_hostile_picture_is_refused_by_name(
    send: Send, db: "Client", bucket: "Bucket", make_user: MakeUser, hostile: dict[str, bytes]
) -> None:
    make_user("ann")

    response = create(send, pictures=tuple(hostile.values()))

    expected = [f"imageFiles.{index}" for index in range(len(hostile))]
    assert (response.status_code, list(refusals(response))) == (422, expected)
    assert stored_media(bucket) == {}
    assert list(db.collection("characters").stream()) == []


def test_more_data_than_a_picture_has_pixels_are_not_unpacked(
    send: Send, make_user: MakeUser, bucket: "Bucket"
) -> None:
    """60 MB of zeros behind 8 x 8 pixels."""
    make_user("ann")

    response = create(send, pictures=(png(8, 8, ZEROS, bits=8),))

    assert response.status_code in {200, 422}
    assert all(len(content) < 100_000 for name, content in stored_media(bucket).items() if name.endswith(".png"))


# What a form says of its files


FILE_NAMES = (
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%252f..%252fetc",
    "/etc/passwd",
    "C:\\a.png",
    "a\0.png",
    "a.png\r\nX-Injected: 1",
    "\u202egnp.exe",
    "\uff0e\uff0e\uff0fa.png",
    "recordings/eve/" + "a" * 32 + ".wav",
    "x" * 5_000,
    "aux.wav",
    ".htaccess",
)


@pytest.mark.usefixtures("send")  # which gives the functions their bucket
@pytest.mark.parametrize("name", FILE_NAMES, ids=lambda each: repr(each[:30]))
def test_the_name_and_type_that_a_file_comes_with_are_nothing_to_us(
    *, ask: Ask, bucket: "Bucket", db: "Client", make_user: MakeUser, forms: Forms, name: str
) -> None:
    make_user("ann")
    written = name.replace("\\", "\\\\").replace("\r\n", "%0D%0A")
    kind = "text/html; charset=utf-7"
    parts = [
        b'--x\r\nContent-Disposition: form-data; name="displayName"\r\n\r\nAda\r\n',
        file_part("audioFile", written, kind, forms.recording),
        file_part("imageFiles", written, kind, forms.picture),
    ]

    content = b"".join(parts) + b"--x--\r\n"
    response = ask("POST", PATH, user_id="ann", content=content, content_type="multipart/form-data; boundary=x")

    assert response.status_code == 200, response.get_json()
    documents, objects = everything(db, bucket)
    assert [each for each in objects if not OBJECT_NAME.fullmatch(each)] == []
    assert {blob.content_type for blob in bucket.list_blobs()} == {"audio/wav", "image/png"}
    assert [path for path, fields in documents.items() if name[:20] in json.dumps(fields, default=str)] == []


def file_part(field: str, name: str, content_type: str, content: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: {content_type}'
    return f"--x\r\n{head}\r\n\r\n".encode() + content + b"\r\n"

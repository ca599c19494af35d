"""Bodies that are no readable form: each is refused with what is wrong, and none is taken for an empty form."""

import importlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from characters import store
from gcp import clients
from gcp.settings import settings
from routes import ROUTES, siblings
from tests.functions.characters.conftest import Forms, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

SendBytes = Callable[..., Response]
PATHS = {"POST": "/api/characters/complete", "PUT": "/api/characters/known"}
MULTIPART = "multipart/form-data; boundary=b"
END = b"--b--\r\n"
NAME = b'--b\r\nContent-Disposition: form-data; name="displayName"\r\n\r\nEva\r\n'


@pytest.fixture
def send_bytes(product: pytest.MonkeyPatch, bucket: "Bucket", make_user: Callable[..., Any]) -> SendBytes:
    """A function that sends a body as it is."""
    make_user("ann")
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()

    def send(method: str, content: bytes, content_type: str | None) -> Response:
        path = PATHS[method]
        token = issue_session("ann", settings().jwt_secrets, now=datetime.now(UTC))
        headers = Headers({"Authorization": f"Bearer {token}"})
        if content_type is not None:
            headers["Content-Type"] = content_type
        body = io.BytesIO(content)
        builder = EnvironBuilder(path=path, method=method, headers=headers, input_stream=body)
        environ = builder.get_environ() | {"CONTENT_LENGTH": str(len(content))}
        first = siblings(next(each for each in ROUTES if each.match(path) is not None))[0]
        response: Response = getattr(importlib.import_module(first.module), first.function)(Request(environ))
        return response

    return send


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--b\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


UNREADABLE = [
    pytest.param(NAME[:-5], MULTIPART, "body", "breaks off", id="breaks off in a text"),
    pytest.param(NAME, MULTIPART, "body", "breaks off", id="no closing boundary"),
    pytest.param(NAME + END[:4], MULTIPART, "body", "breaks off", id="half a closing boundary"),
    pytest.param(NAME + b"--b\r\nContent-Disp", MULTIPART, "body", "breaks off", id="breaks off in a header"),
    pytest.param(b"", MULTIPART, "body", "breaks off", id="nothing"),
    pytest.param(b"no form", MULTIPART, "body", "breaks off", id="a text"),
    pytest.param(b"--b\r\nContent-Type: text/plain\r\n\r\nEva\r\n" + END, MULTIPART, "body", "cannot", id="no header"),
    pytest.param(part("filename=x", b"Eva") + END, MULTIPART, "body", "no name", id="a part without a name"),
    pytest.param(
        part("name=\xff", b"").replace("ÿ".encode(), b"\xff"), MULTIPART, "body", "cannot", id="no UTF-8 name"
    ),
    pytest.param(NAME + END, "multipart/form-data", "body", "boundary", id="no boundary"),
    pytest.param(NAME + END, "multipart/form-data; boundary=", "body", "boundary", id="empty boundary"),
    pytest.param(NAME + END, f"multipart/form-data; boundary={'b' * 201}", "body", "boundary", id="overlong boundary"),
    pytest.param(NAME + END, "multipart/form-data; boundary=\xe9", "body", "boundary", id="boundary beyond ASCII"),
    pytest.param(NAME + END, "multipart/form-data; boundary=c", "body", "breaks off", id="another boundary"),
    pytest.param(json.dumps({"displayName": "Eva"}).encode(), "application/json", "body", "no form", id="JSON"),
    pytest.param(b"displayName=Eva", "text/plain", "body", "no form", id="plain text"),
    pytest.param(b"displayName=Eva", None, "body", "no form", id="a body of no type"),
    pytest.param(b"Eva", "application/x-www-form-urlencoded", "body", "cannot be read", id="no pairs"),
    pytest.param(b"displayName=%ff", "application/x-www-form-urlencoded", "body", "UTF-8", id="pairs of no UTF-8"),
    pytest.param(b"a=&" * 1001, "application/x-www-form-urlencoded", "body", "cannot be read", id="1,001 pairs"),
    pytest.param(
        part("name=audioFile", b"RIFF") + END, MULTIPART, "audioFile", "file is expected", id="text for a file"
    ),
    pytest.param(
        part('name=displayName; filename="a.txt"', b"Eva") + END,
        MULTIPART,
        "displayName",
        "text is expected",
        id="a file for a text",
    ),
    pytest.param(
        part('name=displayName; filename=""', b"Eva") + END,
        MULTIPART,
        "displayName",
        "text is expected",
        id="a file without a name for a text",
    ),
    pytest.param(part("name=displayName", b"E\xffa") + END, MULTIPART, "displayName", "UTF-8", id="no UTF-8"),
    pytest.param(part("name=refText", b"Hi\0") + END, MULTIPART, "refText", "control", id="NUL"),
]


@pytest.mark.parametrize(("content", "content_type", "field", "reason"), UNREADABLE)
@pytest.mark.parametrize("method", PATHS)
def test_what_is_no_readable_form_is_refused(
    *,
    send_bytes: SendBytes,
    write_character: WriteCharacter,
    db: "Client",
    method: str,
    content: bytes,
    content_type: str | None,
    field: str,
    reason: str,
) -> None:
    before = write_character("known")

    response = send_bytes(method, content, content_type)

    assert response.status_code == 422
    found = {".".join(map(str, each["loc"])): each["msg"] for each in response.get_json()["detail"]}
    assert reason in found["body" if field == "body" else f"body.{field}"]
    assert store.find_character(db, "known") == before


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(END, MULTIPART, id="no parts"),
        pytest.param(part("name=displayName", b"") + END, MULTIPART, id="an empty text"),
        pytest.param(part("name=audioFile", b"") + END, MULTIPART, id="an empty text for a file"),
        pytest.param(part('name=audioFile; filename=""', b"") + END, MULTIPART, id="a file that nobody chose"),
        pytest.param(part('name=displayName; filename=""', b"") + END, MULTIPART, id="no file for a text"),
        pytest.param(part("name=newerField", b"Eva") + END, MULTIPART, id="a field of newer clients"),
        pytest.param(b"", "application/x-www-form-urlencoded", id="no pairs"),
        pytest.param(b"", None, id="no body"),
    ],
)
def test_an_empty_form_changes_nothing(
    send_bytes: SendBytes, write_character: WriteCharacter, db: "Client", content: bytes, content_type: str | None
) -> None:
    before = write_character("known")

    assert send_bytes("PUT", content, content_type).status_code == 200
    assert store.find_character(db, "known") == before


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(part("name=displayName", "Zoë".encode()) + END, MULTIPART, id="multipart"),
        pytest.param(
            part("name=displayName", "Zoë".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1") + END,
            MULTIPART,
            id="a part in another encoding",
        ),
        pytest.param(part("name=displayName", "Zoë".encode()) + END + b"after", MULTIPART, id="text after the end"),
        pytest.param(
            b"before\r\n" + part("name=displayName", "Zoë".encode()) + END, MULTIPART, id="text before the beginning"
        ),
        pytest.param(
            part("name=displayName", "Zoë".encode()) + part("name=displayName", b"Eva") + END, MULTIPART, id="twice"
        ),
        pytest.param(b"displayName=Zo%C3%AB", "application/x-www-form-urlencoded", id="pairs"),
        pytest.param(
            (part("name=displayName", "Zoë".encode()) + END).replace(b"--b", b"--" + b"b" * 72),
            f"multipart/form-data; boundary={'b' * 72}",
            id="a boundary of more characters than the standard allows",
        ),
    ],
)
def test_a_readable_form_is_read(
    send_bytes: SendBytes, write_character: WriteCharacter, content: bytes, content_type: str
) -> None:
    write_character("known")

    assert send_bytes("PUT", content, content_type).get_json()["displayName"] == "Zoë"


def test_a_file_without_a_name_is_a_file_all_the_same(
    send_bytes: SendBytes, write_character: WriteCharacter, forms: Forms
) -> None:
    write_character("known")
    content = part('name=newImageFiles; filename=""', forms.picture) + END

    assert len(send_bytes("PUT", content, MULTIPART).get_json()["images"]) == 3


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(part("name=refText", b"a" * 500_001) + END, MULTIPART, id="text"),
        pytest.param(part("name=x", b"") * 1_001 + END, MULTIPART, id="parts"),
        pytest.param(b"x=" + b"%41" * 166_667, "application/x-www-form-urlencoded", id="pairs"),
    ],
)
def test_a_form_beyond_its_bounds_is_too_large(
    send_bytes: SendBytes, write_character: WriteCharacter, content: bytes, content_type: str
) -> None:
    write_character("known")

    response = send_bytes("PUT", content, content_type)

    assert (response.status_code, response.get_json()["error"]["code"]) == (413, "BODY_TOO_LARGE")

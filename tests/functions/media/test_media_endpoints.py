"""Paths that load by themselves, on the storage emulator."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from contracts.media_paths import api_path, line_object, picture_object, recording_object, video_object
from gcp.clients import media_bucket
from gcp.settings import settings
from local.addresses import ROOT
from media.signing import signed_path
from tests.functions.characters import uploaded_files as files
from tests.functions.characters.conftest import Send

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

PICTURE = picture_object("ann", "a" * 32)
RECORDING = recording_object("ann", "b" * 32)
LINE = line_object("ann", "c" * 64)
VIDEO = video_object("ann", "d" * 32, 3)


def signed(object_name: str, *, days: int = 0) -> str:
    return signed_path(object_name, settings().jwt_secrets, datetime.now(UTC) + timedelta(days=days))


def test_a_picture_loads_for_anyone(send: Send, bucket: "Bucket") -> None:
    content = files.picture(size=(300, 200))
    bucket.blob(PICTURE).upload_from_string(content, content_type="image/png")

    response = send("GET", api_path(PICTURE))

    assert (response.status_code, response.get_data()) == (200, content)
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Cache-Control"] == "public, max-age=3600, must-revalidate"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "inline"


def test_the_type_of_a_picture_is_ours_whatever_it_was_stored_with(send: Send, bucket: "Bucket") -> None:
    bucket.blob(PICTURE).upload_from_string(b"<script>", content_type="text/html")

    assert send("GET", api_path(PICTURE)).headers["Content-Type"] == "image/png"


def test_the_head_of_a_picture_has_no_body(send: Send, bucket: "Bucket") -> None:
    bucket.blob(PICTURE).upload_from_string(files.picture(), content_type="image/png")

    response = send("HEAD", api_path(PICTURE))

    assert (response.status_code, response.headers["ETag"]) == (200, f'"{"a" * 32}"')
    assert b"".join(response.get_app_iter({"REQUEST_METHOD": "HEAD"})) == b""


def test_a_large_picture_comes_in_full(send: Send, bucket: "Bucket") -> None:
    content = bytes(range(256)) * 10_000
    bucket.blob(PICTURE).upload_from_string(content, content_type="image/png")

    assert send("GET", api_path(PICTURE)).get_data() == content


def test_a_picture_is_asked_for_once(send: Send, bucket: "Bucket") -> None:
    bucket.blob(PICTURE).upload_from_string(files.picture(), content_type="image/png")
    answers: list[requests.Response] = []
    media_bucket().client._http.hooks["response"].append(lambda answer, **_: answers.append(answer))

    send("GET", api_path(PICTURE)).get_data()

    # The client also asks once for the bucket, in a thread of its own.
    assert [each.status_code for each in answers if "alt=media" in each.url] == [206]


@pytest.mark.parametrize("condition", ['"other", W/{}', "{}", "*"])
def test_a_picture_that_the_browser_has_is_not_sent_again(send: Send, bucket: "Bucket", condition: str) -> None:
    bucket.blob(PICTURE).upload_from_string(files.picture(), content_type="image/png")
    tag = send("GET", api_path(PICTURE)).headers["ETag"]

    response = send("GET", api_path(PICTURE), headers={"If-None-Match": condition.format(tag)})

    assert (response.status_code, response.get_data(), response.headers["ETag"]) == (304, b"", tag)
    assert response.headers["Cache-Control"] == "public, max-age=3600, must-revalidate"


def test_a_picture_that_was_deleted_is_gone_for_who_asks_again(send: Send) -> None:
    response = send("GET", api_path(PICTURE), headers={"If-None-Match": f'"{"a" * 32}"'})

    assert (response.status_code, response.headers["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path",
    [
        api_path(PICTURE),
        "/api/static/images/ann/x.png",
        "/api/static/images/ann/" + "A" * 32 + ".png",
        "/api/static/images/../" + "a" * 32 + ".png",
        "/api/static/audio_files/ann/" + "b" * 32 + ".mp4",
        "/api/static/audio_files/ann/" + "b" * 33 + ".wav",
        "/api/videos/ann/" + "d" * 32 + ".mp4",
    ],
)
def test_what_is_not_there_is_not_found(send: Send, path: str) -> None:
    response = send("GET", path)

    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "NOT_FOUND")
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("object_name", "content_type"), [(RECORDING, "audio/wav"), (LINE, "audio/wav"), (VIDEO, "video/mp4")]
)
def test_a_signed_path_leads_to_the_media(send: Send, bucket: "Bucket", object_name: str, content_type: str) -> None:
    bucket.blob(object_name).upload_from_string(b"0123456789", content_type=content_type)

    response = send("GET", signed(object_name))

    assert response.status_code == 302
    loaded = requests.get(response.headers["Location"], headers={"Range": "bytes=2-4"}, timeout=10)
    assert (loaded.status_code, loaded.content, loaded.headers["Content-Type"]) == (206, b"234", content_type)


@pytest.mark.parametrize("object_name", [RECORDING, LINE, VIDEO])
@pytest.mark.parametrize("days", [-3, None], ids=["expired", "unsigned"])
def test_a_path_that_is_not_signed_leads_nowhere(send: Send, object_name: str, days: int | None) -> None:
    response = send("GET", api_path(object_name) if days is None else signed(object_name, days=days))

    assert (response.status_code, response.get_json()["error"]["code"]) == (403, "FORBIDDEN")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Location" not in response.headers


@pytest.mark.parametrize(("object_name", "content_type"), [(RECORDING, "audio/wav"), (VIDEO, "video/mp4")])
def test_what_a_redirect_leads_to_is_ours_and_may_be_sought_by_any_page(
    send: Send, bucket: "Bucket", object_name: str, content_type: str
) -> None:
    bucket.blob(object_name).upload_from_string(b"0123456789", content_type="text/html")

    response = send("GET", signed(object_name))

    assert response.headers["Cache-Control"] == "private, max-age=3600"
    loaded = requests.get(response.headers["Location"], headers={"Range": "bytes=7-", "Origin": "null"}, timeout=10)
    assert (loaded.status_code, loaded.content) == (206, b"789")
    expected = {
        "Content-Type": content_type,
        "Content-Disposition": f'inline; filename="{object_name.rpartition("/")[2]}"',
        "Content-Range": "bytes 7-9/10",
        "Accept-Ranges": "bytes",
        "Access-Control-Allow-Origin": "*",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: loaded.headers.get(name) for name in expected} == expected


def test_the_head_of_a_recording_leads_to_its_size(send: Send, bucket: "Bucket") -> None:
    bucket.blob(RECORDING).upload_from_string(b"0123456789", content_type="audio/wav")

    response = send("HEAD", signed(RECORDING))

    loaded = requests.head(response.headers["Location"], timeout=10)
    assert (response.status_code, loaded.status_code, loaded.content) == (302, 200, b"")
    assert (loaded.headers["Content-Length"], loaded.headers["Content-Type"]) == ("10", "audio/wav")


def test_the_signature_of_one_recording_opens_no_other(send: Send) -> None:
    other = recording_object("ann", "e" * 32)

    assert send("GET", signed(RECORDING).replace(api_path(RECORDING), api_path(other))).status_code == 403


@pytest.mark.parametrize(("user_id", "status"), [("ann", 302), ("eve", 403), ("gone", 401)])
def test_an_owner_needs_no_signature(send: Send, make_user: Callable[..., Any], user_id: str, status: int) -> None:
    make_user("ann")
    make_user("eve")

    assert send("GET", api_path(VIDEO), user_id=user_id).status_code == status


def test_a_bad_token_is_refused_as_such(send: Send) -> None:
    assert send("GET", api_path(VIDEO), headers={"Authorization": "Bearer x"}).status_code == 401


def test_a_signed_path_ignores_a_bad_token(send: Send) -> None:
    assert send("GET", signed(VIDEO), headers={"Authorization": "Bearer x"}).status_code == 302


def test_signed_paths_are_redirected_without_the_clients_of_google(send: Send) -> None:
    path = signed(RECORDING)
    script = f"""
import sys
from flask import Request
from werkzeug.test import EnvironBuilder
from media.endpoints import get_recording
response = get_recording(Request(EnvironBuilder({path!r}).get_environ()))
dear = ("google.cloud.storage", "google.cloud.firestore", "av", "PIL")
print(response.status_code, [name for name in dear if name in sys.modules])
"""
    argv = [sys.executable, "-c", script]

    ended = subprocess.run(
        argv, cwd=ROOT / "functions", capture_output=True, text=True, timeout=60, check=True, env=_environment()
    )

    assert send is not None
    assert ended.stdout.splitlines()[-1] == "302 []"


def _environment() -> dict[str, str]:
    return dict(settings().variables)

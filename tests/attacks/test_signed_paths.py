"""Signed paths of media, altered in each part, at the functions that serve them.

The signature by itself is tried in tests/functions/media/test_signing.py. A path has no name of a key: each of the one
or two keys is tried, so that there is none to alter, and one that is sent along changes nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from contracts.media_paths import api_path, line_object, recording_object, video_object
from gcp.settings import settings
from media.signing import is_signed, signed_path
from tests.attacks.conftest import Ask, MakeUser, Send

pytestmark = pytest.mark.attacks

RECORDING = recording_object("ann", "b" * 32)
LINE = line_object("ann", "c" * 64)
VIDEO = video_object("ann", "d" * 32, 3)
KINDS = [pytest.param(each, id=each.partition("/")[0]) for each in (RECORDING, LINE, VIDEO)]


def path_and_query(object_name: str) -> tuple[str, dict[str, str]]:
    signed = signed_path(object_name, settings().jwt_secrets, datetime.now(UTC))
    path, _, query = signed.partition("?")
    return path, dict(each.split("=") for each in query.split("&"))


def joined(path: str, query: dict[str, Any]) -> str:
    return f"{path}?{urlencode(query, doseq=True)}"


def flipped(text: str) -> str:
    """Another last digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def renamed(path: str, rename: Callable[[str], str]) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{rename(name)}"


# What becomes of path and query, both good.
ALTERED: dict[str, Callable[[str, dict[str, str]], str]] = {
    "another owner": lambda path, query: joined(path.replace("/ann/", "/eve/"), query),
    "the owner in another case": lambda path, query: joined(path.replace("/ann/", "/ANN/"), query),
    "another file": lambda path, query: joined(renamed(path, lambda name: flipped(name[:32]) + name[32:]), query),
    "a longer name": lambda path, query: joined(renamed(path, lambda name: f"0{name}"), query),
    "another extension": lambda path, query: joined(renamed(path, lambda name: name[:-4] + ".png"), query),
    "another lease's video": lambda path, query: joined(path.replace("_3.", "_4.").replace(".wav", "_4.wav"), query),
    "a lease with a leading zero": lambda path, query: joined(path.replace("_3.", "_03.").replace(".wav", "0"), query),
    "a later expiry": lambda path, query: joined(path, query | {"expires": str(int(query["expires"]) + 1)}),
    "an expiry written with a sign": lambda path, query: joined(path, query | {"expires": f"+{query['expires']}"}),
    "an expiry with a space": lambda path, query: joined(path, query | {"expires": f" {query['expires']}"}),
    "an expiry with an underscore": lambda path, query: joined(path, query | {"expires": f"1_{query['expires'][1:]}"}),
    "an expiry as a float": lambda path, query: joined(path, query | {"expires": f"{query['expires']}.0"}),
    "two expiries, the longer first": lambda path, query: joined(
        path, {"expires": ["9999999999", query["expires"]], "signature": query["signature"]}
    ),
    "another signature": lambda path, query: joined(path, query | {"signature": flipped(query["signature"])}),
    "no signature": lambda path, query: joined(path, {"expires": query["expires"]}),
    "an empty signature": lambda path, query: joined(path, query | {"signature": ""}),
    "the beginning of the signature": lambda path, query: joined(path, query | {"signature": query["signature"][:32]}),
    "the signature twice": lambda path, query: joined(path, query | {"signature": query["signature"] * 2}),
    "the signature with NUL": lambda path, query: joined(path, query | {"signature": query["signature"] + "\0"}),
    "two signatures, the wrong one first": lambda path, query: joined(
        path, {"expires": query["expires"], "signature": ["0" * 64, query["signature"]]}
    ),
    "a key of one's own": lambda path, query: joined(
        path,
        query | {"signature": signed_path(RECORDING, ["x" * 40], datetime.now(UTC)).rpartition("=")[2], "kid": "x"},
    ),
    "names in another case": lambda path, query: joined(path, {name.title(): each for name, each in query.items()}),
}


@pytest.mark.parametrize("object_name", KINDS)
@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_a_path_that_was_altered_leads_nowhere(
    send: Send, object_name: str, alter: Callable[[str, dict[str, str]], str]
) -> None:
    response = send("GET", alter(*path_and_query(object_name)))

    assert response.status_code in {403, 404}
    assert "Location" not in response.headers


@pytest.mark.parametrize("object_name", KINDS)
def test_what_is_altered_above_would_be_good_otherwise(send: Send, object_name: str) -> None:
    path, query = path_and_query(object_name)

    assert send("GET", joined(path, query)).status_code == 302
    assert send("GET", joined(path, query | {"kid": "another", "key": "another"})).status_code == 302


@pytest.mark.parametrize("object_name", KINDS)
def test_a_path_leads_nowhere_a_moment_after_its_end(product: pytest.MonkeyPatch, object_name: str) -> None:
    assert product
    now = datetime.now(UTC)
    path, query = path_and_query(object_name)
    ends_at = datetime.fromtimestamp(int(query["expires"]), UTC)

    assert is_signed(path, query, settings().jwt_secrets, ends_at - timedelta(microseconds=1))
    assert not is_signed(path, query, settings().jwt_secrets, ends_at)
    assert ends_at - now <= timedelta(hours=48)


def test_a_signature_with_any_digit_changed_is_refused(product: pytest.MonkeyPatch) -> None:
    assert product
    path, query = path_and_query(VIDEO)
    signature, secrets, now = query["signature"], settings().jwt_secrets, datetime.now(UTC)

    changed = [
        signature[:at] + format(int(digit, 16) ^ 1, "x") + signature[at + 1 :] for at, digit in enumerate(signature)
    ]

    assert len(changed) == 64
    assert [each for each in changed if is_signed(path, query | {"signature": each}, secrets, now)] == []


def test_a_path_with_any_letter_changed_is_refused(product: pytest.MonkeyPatch) -> None:
    assert product
    path, query = path_and_query(VIDEO)
    secrets, now = settings().jwt_secrets, datetime.now(UTC)

    changed = [path[:at] + chr(ord(letter) ^ 1) + path[at + 1 :] for at, letter in enumerate(path)]

    assert [each for each in changed if is_signed(each, query, secrets, now)] == []


@pytest.mark.parametrize("signed", KINDS)
@pytest.mark.parametrize("asked", KINDS)
def test_the_signature_of_one_object_opens_no_other(send: Send, signed: str, asked: str) -> None:
    _, query = path_and_query(signed)

    assert send("GET", joined(api_path(asked), query)).status_code == (302 if signed == asked else 403)


ELSEWHERE = (
    "/api/videos/ann/../eve/{}",
    "/api/videos/ann/..%2feve%2f{}",
    "/api/videos/ann/%2e%2e/eve/{}",
    "/api/videos//ann/{}",
    "/api/videos/ann//{}",
    "/api/videos/./ann/{}",
    "/api/videos/ann/{}/",
    "/api/videos/ann/{}%00",
    "/api/videos/ann/{}%00.mp4",
    "/api/videos/ann/{}.mp4",
    "/api/videos/ann/{};x",
    "/api/videos/ann\\{}",
    "/api/videos/ann%5c{}",
    "/api/videos/an%6e/../ann/{}",
    "/api/static/audio_files/ann/{}",
    "/api/static/images/ann/{}",
    "/api/videos/\uff41\uff4e\uff4e/{}",
    "/api/videos/ann\u200b/{}",
)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_good_signature_opens_no_path_that_is_written_otherwise(ask: Ask, path: str) -> None:
    good, query = path_and_query(VIDEO)
    name = good.rpartition("/")[2]

    response = ask("GET", joined(quote(path.format(name), safe="/%\\;"), query), function="get_video")

    assert response.status_code in {403, 404}
    assert "Location" not in response.headers


@pytest.mark.parametrize("object_name", KINDS)
def test_the_token_of_another_user_opens_no_path(send: Send, make_user: MakeUser, object_name: str) -> None:
    make_user("eve")

    assert send("GET", api_path(object_name), user_id="eve").status_code == 403

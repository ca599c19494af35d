"""Pages of lists: where each begins, and what of the query is taken."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.cloud.firestore import FieldFilter

from gcp.errors import ValidationFailed
from gcp.page import NEXT_PAGE_HEADER, Page, PageRequest, page_request, page_token, paged, read_page

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)


def write(db: "Client", *names: str, at: datetime = NOON) -> None:
    for name in names:
        db.document("feedback", name).set({"createdAt": at, "userId": "ann"})


def read(db: "Client", limit: int, token: str | None = None) -> tuple[list[str], str | None]:
    query = db.collection("feedback").where(filter=FieldFilter("userId", "==", "ann"))
    asked = {"limit": str(limit)} | ({"pageToken": token} if token else {})
    documents, next_token = read_page(query, "createdAt", page_request(asked))
    return [each.id for each in documents], next_token


def walk(db: "Client", limit: int) -> list[list[str]]:
    names, token = read(db, limit)
    pages = [names]
    while token is not None:
        names, token = read(db, limit, token)
        pages.append(names)
    return pages


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        (1, [["z"], ["d"], ["c"], ["b"], ["a"], ["y"]]),
        (2, [["z", "d"], ["c", "b"], ["a", "y"]]),
        (4, [["z", "d", "c", "b"], ["a", "y"]]),
        (6, [["z", "d", "c", "b", "a", "y"]]),
    ],
)
def test_pages_go_from_the_newest_to_the_oldest_through_equal_moments(
    db: "Client", limit: int, pages: list[list[str]]
) -> None:
    write(db, "a", "b", "c", "d")
    write(db, "z", at=NOON + timedelta(microseconds=1))
    write(db, "y", at=NOON - timedelta(microseconds=1))

    assert walk(db, limit) == pages


def test_an_empty_list_is_one_empty_page(db: "Client") -> None:
    assert walk(db, 3) == [[]]


def test_what_comes_or_goes_meanwhile_shifts_nothing(db: "Client") -> None:
    write(db, "a", "b", "c", "d")
    seen, token = read(db, 2)

    write(db, "new", at=NOON + timedelta(seconds=1))
    db.document("feedback", "d").delete()
    # The very document that the token names.
    db.document("feedback", "c").delete()
    rest, _ = read(db, 2, token)

    assert (seen, rest) == (["d", "c"], ["b", "a"])


def token_of(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("x", id="no base64"),
        pytest.param("ä" * 8, id="not ASCII"),
        pytest.param(base64.urlsafe_b64encode(b"\xff\xfe\x00").decode(), id="no text"),
        pytest.param(page_token(NOON, "a")[:-3], id="cut off"),
        pytest.param("A" + page_token(NOON, "a"), id="shifted"),
        pytest.param(page_token(NOON, "a" * 400), id="too long"),
        pytest.param(token_of(None), id="null"),
        pytest.param(token_of(7), id="number"),
        pytest.param(token_of("ab"), id="text"),
        pytest.param(token_of({"a": 1}), id="object"),
        pytest.param(token_of([NOON.isoformat()]), id="no id"),
        pytest.param(token_of([NOON.isoformat(), "a", "b"]), id="too many parts"),
        pytest.param(token_of([7, "a"]), id="moment is a number"),
        pytest.param(token_of(["yesterday", "a"]), id="moment is a word"),
        pytest.param(token_of(["2026-01-01T00:00:00", "a"]), id="moment without a zone"),
        pytest.param(token_of(["0001-01-01T00:00:00+14:00", "a"]), id="moment before all time"),
        pytest.param(token_of(["9999-12-31T23:59:59-14:00", "a"]), id="moment after all time"),
        pytest.param(token_of([NOON.isoformat(), "a/b"]), id="id with a slash"),
        pytest.param(token_of([NOON.isoformat(), ""]), id="id is empty"),
        pytest.param(token_of([NOON.isoformat(), "."]), id="id is a dot"),
        pytest.param(token_of([NOON.isoformat(), ".."]), id="id is two dots"),
        pytest.param(token_of([NOON.isoformat(), "__all__"]), id="id is reserved"),
        pytest.param(token_of([NOON.isoformat(), {"a": 1}]), id="id is an object"),
        pytest.param(base64.urlsafe_b64encode(b"[" * 370).decode(), id="nested deeply"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        page_request({"pageToken": token})

    assert refused.value.details[0]["loc"] == ["query", "pageToken"]


@pytest.mark.parametrize(
    ("moment", "names"),
    [("0001-01-01T00:00:00+00:00", []), ("9999-12-31T23:59:59.999999+00:00", ["a"]), ("2026-01-01T13:00:00+01:00", [])],
)
def test_a_token_that_a_client_made_up_only_says_where_to_begin(db: "Client", moment: str, names: list[str]) -> None:
    write(db, "a")

    assert read(db, 2, token_of([moment, "no-such-note"])) == (names, None)


@pytest.mark.parametrize(
    ("text", "limit"),
    [("1", 1), ("100", 100), ("0", 1), ("-5", 1), ("101", 100), ("9" * 50, 100), ("007", 7), ("", 20)],
)
def test_a_limit_is_brought_into_its_range(text: str, limit: int) -> None:
    assert page_request({"limit": text}, default=20) == PageRequest(limit)


@pytest.mark.parametrize("text", ["ten", "1.5", "1e2", " 1", "+1", "--1", "٣", "9" * 5000])
def test_a_limit_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        page_request({"limit": text})

    assert refused.value.details[0]["loc"] == ["query", "limit"]


def test_the_last_page_has_no_token_in_its_header() -> None:
    assert dict(paged([], None).headers) == {}
    assert dict(paged([], "next").headers) == {NEXT_PAGE_HEADER: "next"}


def test_a_page_of_other_things_has_the_same_token() -> None:
    assert Page([1, 2], "next").map(lambda items: [str(each) for each in items]) == Page(["1", "2"], "next")

"""What is read of the events that Firestore sends."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.cloud.firestore import Client, GeoPoint

from gcp.document_event import read_document_event
from tests.functions.conftest import document_event

FIELDS: dict[str, Any] = {
    "text": "Tea?",
    "count": 3,
    "share": 0.5,
    "is_set": True,
    "nothing": None,
    "at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "bytes": b"tea",
    "place": GeoPoint(1.0, 2.0),
    "list": [1, {"a": "b"}],
    "map": {"inner": {"deep": 1}},
}
pytestmark = pytest.mark.usefixtures("product")
PATTERN, PATH = "users/{userId}/ledger/{entryId}", "users/ann/ledger/e1"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, FIELDS), (FIELDS, None), ({"text": "Tea?"}, FIELDS), (None, {})],
    ids=["created", "deleted", "changed", "created empty"],
)
def test_the_fields_before_and_after_are_what_the_client_would_read(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    found = read_document_event(document_event(PATH, before, after, happened="written"), PATTERN)

    assert (found.before, found.after) == (before, after)


def test_a_reference_to_another_document_is_read(db: Client) -> None:
    fields = {"friend": db.document("users/bob")}

    found = read_document_event(document_event(PATH, None, fields, happened="created"), PATTERN)

    assert found.after
    assert found.after["friend"].path == "users/bob"


def test_the_variables_of_the_path_the_id_and_the_moment_are_told() -> None:
    event = document_event(PATH, None, {}, happened="created", event_id="e7", time="2026-01-02T03:04:05.123456789Z")

    found = read_document_event(event, PATTERN)

    assert (found.id, found.params) == ("e7", {"userId": "ann", "entryId": "e1"})
    assert found.time == datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)


def test_an_event_of_another_path_is_an_error() -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever Python says of it)
        read_document_event(document_event("users/ann", None, {}, happened="created"), PATTERN)

"""The fields of a document as the client has read them."""

from typing import TYPE_CHECKING

import pytest

from gcp.documents import fields_of
from tests.functions.things import NOW

if TYPE_CHECKING:
    from google.cloud.firestore import Client


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"at": NOW, "lines": [{"text": "Tea.", "at": NOW}], "none": None}, id="fields"),
        pytest.param({}, id="none"),
    ],
)
def test_the_fields_are_those_that_the_client_gives(db: "Client", fields: dict[str, object]) -> None:
    db.document("things", "one").set(fields)

    document = db.document("things", "one").get()

    assert (fields_of(document), document.to_dict()) == (fields, fields)


def test_a_document_that_is_not_there_has_no_fields(db: "Client") -> None:
    document = db.document("things", "none").get()

    assert (fields_of(document), document.exists) == (None, False)


def test_what_was_read_in_a_query_has_its_fields(db: "Client") -> None:
    db.document("things", "one").set({"at": NOW})

    assert [fields_of(each) for each in db.collection("things").stream()] == [{"at": NOW}]

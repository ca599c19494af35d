"""What a Firestore event says, read with Google's own message types.

firebase-functions reads events too. It imports firebase-admin for that, which took half as long as a function that says
hello takes to start (bench/cold_start), and makes a client of Firestore for each event.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from google.events.cloud.firestore import Document

Fields = dict[str, Any]


@dataclass(frozen=True)
class DocumentEvent:
    """A document's fields before and after a write, None where there was no document, and when it was committed.

    `params` are the variables of the pattern that the document's path matches.
    """

    id: str
    params: Mapping[str, str]
    before: Fields | None
    after: Fields | None
    time: datetime


def read_document_event(event: "CloudEvent", pattern: str) -> DocumentEvent:
    """The event as it is delivered: attributes of a CloudEvent, and a serialized DocumentEventData."""
    # Deferred: with them comes Firestore's client.
    from google.events.cloud.firestore import DocumentEventData

    data = DocumentEventData.deserialize(event.data)
    return DocumentEvent(
        id=event["id"],
        params=_match(pattern, event["document"]),
        before=_fields(data.old_value),
        after=_fields(data.value),
        time=datetime.fromisoformat(event["time"]),
    )


def _match(pattern: str, path: str) -> Mapping[str, str]:
    pairs = zip(pattern.split("/"), path.split("/"), strict=True)
    return {word.strip("{}"): part for word, part in pairs if word.startswith("{")}


def _fields(document: "Document") -> Fields | None:
    # Deferred, as above.
    from google.cloud.firestore_v1 import _helpers

    from gcp.clients import firestore

    if not document.name:
        return None
    # As the client reads a document, which it needs itself for references to others: an admin may have put one there.
    return cast("Fields", _helpers.decode_dict(document.fields, firestore()))

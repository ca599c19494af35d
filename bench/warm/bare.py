"""A function that makes the reads of an operation and nothing else, and answers with a constant: the floor.

It is served from a folder that holds a copy of this file and `reads.json`: of each operation, whose name is the path,
the requests that it sent. Each is sent again by the client's public methods, as bare code for them would be written.
"""

import base64
import functools
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from google.cloud.firestore import Client, FieldFilter, Query
from google.cloud.firestore_v1._helpers import decode_value
from google.cloud.firestore_v1.types import BatchGetDocumentsRequest, RunQueryRequest, StructuredQuery
from google.cloud.storage import Client as StorageClient

READS = Path(__file__).with_name("reads.json")
_FIELD_OPERATORS = {"EQUAL": "==", "LESS_THAN_OR_EQUAL": "<=", "GREATER_THAN": ">"}

Read = Callable[[], object]


def bare(request: Any) -> str:
    for read in _reads()[request.path.strip("/")]:
        read()
    return "bare"


@functools.cache
def _reads() -> dict[str, list[Read]]:
    recorded: dict[str, list[list[str]]] = json.loads(READS.read_text())
    db = Client()
    return {operation: [make_read(db, *each) for each in described] for operation, described in recorded.items()}


def describe(request: BatchGetDocumentsRequest | RunQueryRequest) -> tuple[str, str]:
    """The request as `reads.json` has it."""
    return type(request).__name__, base64.b64encode(type(request).serialize(request)).decode()


def make_read(db: Client, kind: str, content: str) -> Read:
    """What reads the same as the described request, with all that can be decided before it is called."""
    if kind == "object":
        return _download(content)
    message = base64.b64decode(content)
    if kind == BatchGetDocumentsRequest.__name__:
        return _documents(db, BatchGetDocumentsRequest.deserialize(message))
    return _query(db, RunQueryRequest.deserialize(message))


def _documents(db: Client, request: BatchGetDocumentsRequest) -> Read:
    paths = [_below_root(name) for name in request.documents]
    fields = list(request.mask.field_paths) if "mask" in request else None
    if len(paths) == 1:
        return lambda: db.document(paths[0]).get(fields)
    return lambda: list(db.get_all([db.document(path) for path in paths], fields))


def _query(db: Client, request: RunQueryRequest) -> Read:
    asked = request.structured_query
    # A name that Python has taken: the generated type calls `from` so.
    collection = "/".join(filter(None, [_below_root(request.parent), asked.from_[0].collection_id]))
    filters = [
        (each.field.field_path, _FIELD_OPERATORS[each.op.name], decode_value(each.value, db))
        for each in _field_filters(asked)
    ]
    limit = asked.limit
    directions = {"ASCENDING": Query.ASCENDING, "DESCENDING": Query.DESCENDING}
    orders = [(each.field.field_path, directions[each.direction.name]) for each in asked.order_by]

    def read() -> object:
        query: Any = db.collection(collection)
        for field, operator, value in filters:
            query = query.where(filter=FieldFilter(field, operator, value))
        for field, direction in orders:
            query = query.order_by(field, direction=direction)
        return list(query.limit(limit).stream())

    return read


def _field_filters(asked: StructuredQuery) -> Iterable[StructuredQuery.FieldFilter]:
    if "composite_filter" in asked.where:
        return [each.field_filter for each in asked.where.composite_filter.filters]
    return [asked.where.field_filter]


def _below_root(name: str) -> str:
    """The path of a document or, of the parent of a query, nothing at the root."""
    return name.partition("/documents")[2].strip("/")


def _download(name: str) -> Read:
    bucket = StorageClient(project=os.environ["GOOGLE_CLOUD_PROJECT"]).bucket(os.environ["MEDIA_BUCKET"])
    return lambda: bucket.blob(name).download_as_bytes()

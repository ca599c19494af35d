"""Counts what a Firestore client is billed for: documents read, and documents written."""

from collections.abc import Iterator
from typing import Any

from google.cloud.firestore import Client


class Counted:
    """The client's own connection, with every call counted as Firestore's price list counts it.

    A document that is looked up costs a read whether it exists or not, a query one per document and at least one, an
    aggregation one per 1,000 index entries, each write of a commit one write.
    https://firebase.google.com/docs/firestore/pricing
    """

    def __init__(self, api: Any) -> None:
        self._api = api
        self.reads = 0
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def batch_get_documents(self, **call: Any) -> Iterator[Any]:
        for answer in self._api.batch_get_documents(**call):
            self.reads += bool(answer.found.name or answer.missing)
            yield answer

    def run_query(self, **call: Any) -> Iterator[Any]:
        found = 0
        for answer in self._api.run_query(**call):
            found += bool(answer.document.name)
            yield answer
        self.reads += max(1, found)

    def run_aggregation_query(self, **call: Any) -> Iterator[Any]:
        for answer in self._api.run_aggregation_query(**call):
            counts = [each.integer_value for each in answer.result.aggregate_fields.values()]
            self.reads += sum(max(1, -(-count // 1000)) for count in counts)
            yield answer

    def commit(self, **call: Any) -> Any:
        self.writes += len(call["request"]["writes"])
        return self._api.commit(**call)


def count_calls(db: Client) -> Counted:
    """From now on the client's calls are counted."""
    counted = Counted(db._firestore_api)
    db._firestore_api_internal = counted
    return counted

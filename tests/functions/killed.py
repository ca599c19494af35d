"""Work that is killed after a number of calls to Firestore and Cloud Storage, and what it leaves behind."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import Client

if TYPE_CHECKING:
    from google.cloud.firestore import CollectionReference
    from google.cloud.storage import Bucket


class KilledError(BaseException):
    """The process is gone: nothing may catch this and go on."""


class _Watched:
    """An object of whose methods each call is announced."""

    def __init__(self, real: Any, before_call: Callable[[], None], names: frozenset[str] | None = None) -> None:
        self._real, self._before_call, self._names = real, before_call, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        # A killed process rolls nothing back; but the emulator would keep its locks for a minute.
        if name.startswith("_") or name == "rollback" or not callable(found):
            return found
        if self._names is not None and name not in self._names:
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._before_call()
            return found(*arguments, **named)

        return call


def killed_after(calls: int, db: Client, bucket: "Bucket", work: Callable[[], object]) -> bool:
    """Whether the work was killed because it needed more than so many calls."""

    deaths: list[bool] = []

    def die() -> None:
        deaths.append(True)
        raise KilledError

    try:
        _watched(calls, db, bucket, work, die)
    except BaseException:
        # The library puts an error of its own in the place of what keeps a transaction from beginning.
        if not deaths:
            raise
    return bool(deaths)


def interrupted_after(
    calls: int, db: Client, bucket: "Bucket", work: Callable[[], object], meanwhile: Callable[[], object]
) -> bool:
    """Whether something happened after so many calls of the work, once, because the work needed more of them."""
    happened: list[bool] = []

    def happen() -> None:
        if not happened:
            happened.append(True)
            meanwhile()

    _watched(calls, db, bucket, work, happen)
    return bool(happened)


def _watched(
    calls: int, db: Client, bucket: "Bucket", work: Callable[[], object], afterwards: Callable[[], None]
) -> None:
    """The work is done; before each of its calls but the first so many `afterwards` is called."""
    made = itertools.count()

    def before_call() -> None:
        if next(made) >= calls:
            afterwards()

    firestore, storage = db._firestore_api, bucket.client._connection
    db._firestore_api_internal = _Watched(firestore, before_call)
    bucket.client._base_connection = _Watched(storage, before_call, frozenset({"api_request"}))
    try:
        work()
    finally:
        db._firestore_api_internal = firestore
        bucket.client._base_connection = storage


def empty_database() -> Client:
    """One more database of the emulator that runs."""
    return Client(project=f"demo-{uuid.uuid4().hex[:20]}")


def everything(db: Client, bucket: "Bucket") -> tuple[dict[str, dict[str, Any]], list[str]]:
    """All documents by their paths, and the names of all objects."""
    documents = {path: fields for collection in db.collections() for path, fields in _documents(collection)}
    return documents, sorted(blob.name for blob in bucket.list_blobs())


def _documents(collection: "CollectionReference") -> Iterator[tuple[str, dict[str, Any]]]:
    for found in collection.stream():
        yield "/".join(found.reference._path), found.to_dict() or {}
    # Of all documents only users have some below them, and a user without a document may.
    for reference in collection.list_documents() if collection.id == "users" else ():
        for below in reference.collections():
            yield from _documents(below)

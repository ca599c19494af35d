"""Every read operation: one request of it, what that asks of Firestore, and the same asked by the bare function."""

import contextlib
import importlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Request
from google.cloud.firestore_v1.types import BatchGetDocumentsRequest, RunQueryRequest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from bench.warm.bare import describe, make_read
from bench.warm.documents import OWNER, character_id, object_id, picture_name
from media.signing import signed_path
from routes import ROUTES, Access, Route, siblings
from tests.functions.costs.counting import Counted

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Recorded = BatchGetDocumentsRequest | RunQueryRequest

READ_OPERATIONS = tuple(route for route in ROUTES if route.method == "GET")
_VARIABLES = {"{characterId}": character_id(1), "{scriptId}": object_id(1), "{jobId}": object_id(1)}
_OBJECTS = {
    "get_recording": f"recordings/{OWNER}/{object_id(1)}.wav",
    "get_video": f"videos/{OWNER}/{object_id(1)}_1.mp4",
}


@dataclass(frozen=True)
class Ask:
    """A request, and the status with which it counts as answered."""

    path: str
    headers: Mapping[str, str]
    status: int


def ask_of(route: Route, limit: int, key: str) -> Ask:
    """The operation's request; of a list, for a page of so many."""
    now = datetime.now(UTC)
    headers = (
        {} if route.access is Access.ANYONE else {"Authorization": f"Bearer {issue_session(OWNER, (key,), now=now)}"}
    )
    if route.function in _OBJECTS:
        return Ask(signed_path(_OBJECTS[route.function], (key,), now), headers, 302)
    if route.function == "get_picture":
        return Ask(f"/api/static/{picture_name(0)}", headers, 200)
    path = route.path
    for variable, value in _VARIABLES.items():
        path = path.replace(variable, value)
    names = {each.name for each in _operation(route).query}
    return Ask(f"{path}?limit={limit}" if "limit" in names else path, headers, 200)


def _operation(route: Route) -> Any:
    return getattr(importlib.import_module(route.module), route.function)


class Recorder(Counted):
    """The client's own connection, with every read counted as it is billed, and kept as it was asked."""

    def __init__(self, api: Any) -> None:
        super().__init__(api)
        self.asked: list[Recorded] = []

    def batch_get_documents(self, **call: Any) -> Iterator[Any]:
        self.asked.append(BatchGetDocumentsRequest(call["request"]))
        return super().batch_get_documents(**call)

    def run_query(self, **call: Any) -> Iterator[Any]:
        self.asked.append(RunQueryRequest(call["request"]))
        return super().run_query(**call)


@dataclass(frozen=True)
class Trace:
    """What was asked of Firestore, and how many reads and writes that counts as."""

    asked: tuple[Recorded, ...]
    reads: int
    writes: int

    @property
    def shape(self) -> list[tuple[str, int]]:
        """The kind of each request, and how many documents it names or asks for at most."""
        return [
            ("get", len(each.documents))
            if isinstance(each, BatchGetDocumentsRequest)
            else ("query", each.structured_query.limit)
            for each in self.asked
        ]


@contextlib.contextmanager
def recorded(db: "Client") -> Iterator[Recorder]:
    """What the client is asked in the meantime."""
    # As tests.functions.costs.counting does: the client has no public place for it.
    api = db._firestore_api  # noqa: SLF001
    recorder = db._firestore_api_internal = Recorder(api)  # noqa: SLF001
    try:
        yield recorder
    finally:
        db._firestore_api_internal = api  # noqa: SLF001


def trace_operation(db: "Client", route: Route, ask: Ask) -> Trace:
    """The operation called once more in this process, after it was called once: what a process keeps is there.

    Raises SystemExit when its answer is not the one that counts.
    """
    first = siblings(route)[0]
    function = getattr(importlib.import_module(first.module), first.function)
    for _ in range(2):
        request = Request(EnvironBuilder(path=ask.path, headers=Headers(ask.headers)).get_environ())
        with recorded(db) as found, contextlib.redirect_stdout(io.StringIO()):
            answer = function(request)
        if answer.status_code != ask.status:
            raise SystemExit(f"{route.function} answered {answer.status_code}: {answer.get_data()[:300]!r}")
    return Trace(tuple(found.asked), found.reads, found.writes)


def reads_of(route: Route, trace: Trace) -> list[tuple[str, str]]:
    """What the bare function is to read for the operation, as its file has it."""
    if route.function == "get_picture":
        return [("object", picture_name(0))]
    return [describe(each) for each in trace.asked]


def require_same(db: "Client", route: Route, trace: Trace) -> None:
    """Raises SystemExit unless the bare function asks word for word what the operation asks, and as much is read."""
    with recorded(db) as found:
        for read in [make_read(db, *describe(each)) for each in trace.asked]:
            read()
    same = [describe(each) for each in found.asked] == [describe(each) for each in trace.asked]
    if not same or found.reads != trace.reads or trace.writes:
        raise SystemExit(f"{route.function} reads otherwise than bare: {trace.asked} and {found.asked}")

"""Stands before the Firestore emulator and counts what passes: calls, documents read and documents written.

The emulator tells nobody what it was asked. Counted is as Firestore's price list counts, and as
tests/functions/costs/counting.py does for one client: here it is for every process that is given this address.
https://firebase.google.com/docs/firestore/pricing
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import grpc
from google.cloud.firestore_v1.types import (
    BatchGetDocumentsResponse,
    CommitRequest,
    RunAggregationQueryResponse,
    RunQueryResponse,
)

from local.addresses import HOST

# What a client says of itself, and gRPC says again.
_OWN_METADATA = ("user-agent", "grpc-", ":")
_THREADS = 64
_COMMITS = {"Commit", "BatchWrite"}  # their writes have the same number in both messages

# Parsed are the generated messages: the wrappers around them cost ten times as much.
_Commit: Any = CommitRequest.pb()
_LookedUp: Any = BatchGetDocumentsResponse.pb()
_Queried: Any = RunQueryResponse.pb()
_Summed: Any = RunAggregationQueryResponse.pb()


@dataclass(frozen=True)
class Operations:
    """What Firestore was asked: calls of any kind, and of these the documents read and written."""

    calls: int = 0
    reads: int = 0
    writes: int = 0

    def __add__(self, other: "Operations") -> "Operations":
        return Operations(self.calls + other.calls, self.reads + other.reads, self.writes + other.writes)

    def __sub__(self, other: "Operations") -> "Operations":
        return Operations(self.calls - other.calls, self.reads - other.reads, self.writes - other.writes)


class FirestoreMeter:
    """Serves on the port until it is closed, and passes every call on to `target`, a host and port.

    `on_write` is told the path of every document that was written, once the commit was answered. Who listens to changes
    (Listen, Write) is refused: no part of the product does.
    """

    def __init__(self, target: str, port: int, on_write: Callable[[str], None] = lambda _path: None) -> None:
        self._on_write = on_write
        self._lock = threading.Lock()
        self._operations = Operations()
        self._channel = grpc.insecure_channel(target)
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=(_Handler(self._pass_on),))
        self.address = f"{HOST}:{port}"
        self._server.add_insecure_port(self.address)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()
        self._channel.close()

    def read(self) -> Operations:
        """What has passed so far."""
        with self._lock:
            return self._operations

    def _pass_on(self, method: str, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata = [
            (key, value) for key, value in context.invocation_metadata() or () if not key.startswith(_OWN_METADATA)
        ]
        # A unary answer is a stream of one message.
        call = self._channel.unary_stream(method)(request, timeout=context.time_remaining(), metadata=metadata)
        context.add_callback(call.cancel)
        name, found = method.rpartition("/")[2], 0
        self._add(Operations(calls=1))
        try:
            for answer in call:
                # Before it is passed on: a client may have all that it waits for, and look at the meter.
                reads = _documents_read(name, answer)
                found += reads
                self._add(Operations(reads=reads))
                if name in _COMMITS:
                    self._count_writes(request)
                yield answer
        except grpc.RpcError:
            context.set_trailing_metadata(call.trailing_metadata() or ())
            context.set_code(call.code())
            context.set_details(call.details() or "")
        else:
            if name == "RunQuery" and not found:
                self._add(Operations(reads=1))

    def _count_writes(self, request: bytes) -> None:
        written = [each.update.name or each.delete for each in _Commit.FromString(request).writes]
        self._add(Operations(writes=len(written)))
        for name in written:
            self._on_write(name.partition("/documents/")[2])

    def _add(self, more: Operations) -> None:
        with self._lock:
            self._operations += more


def _documents_read(name: str, answer: bytes) -> int:
    """What one message of the answer costs."""
    if name == "BatchGetDocuments":
        looked_up = _LookedUp.FromString(answer)
        return int(bool(looked_up.found.name or looked_up.missing))
    if name == "RunQuery":
        return int(bool(_Queried.FromString(answer).document.name))
    if name == "RunAggregationQuery":
        values = _Summed.FromString(answer).result.aggregate_fields.values()
        return sum(max(1, -(-value.integer_value // 1000)) for value in values)
    return 0


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # the package has no types
    """Every method, with messages as they are on the wire."""

    def __init__(self, pass_on: Callable[[str, bytes, grpc.ServicerContext], Iterator[bytes]]) -> None:
        self._pass_on = pass_on

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        if details.method.endswith(("/Listen", "/Write")):
            return None
        return grpc.unary_stream_rpc_method_handler(partial(self._pass_on, details.method))

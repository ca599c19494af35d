"""A real HTTP server that stands for the runner and remembers what it was asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 8.0
HANG_UP = 0  # the connection is closed without an answer
TRICKLE = -1  # an answer whose body comes one byte each 50 ms, for longer than any deadline here
CUT_SHORT = -2  # an answer whose connection is closed before its body is complete


@dataclass(frozen=True)
class Received:
    """A request that reached the target."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # time.monotonic()


@dataclass
class Target:
    """A real HTTP server that answers `statuses` in turn, then 200. HANG_UP and the like are no statuses."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)  # unset: answers wait
    answering: int = 0
    most_answering: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int) -> list[Received]:
        """The requests, once there are at least `count`."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, WAIT_SECONDS), (
                f"{len(self.received)} of {count} requests came"
            )
            return list(self.received)


@contextmanager
def serve_target() -> Iterator[Target]:
    """A target that listens on a free port and answers at once, until the end of the block."""
    target = Target()
    target.held.set()
    server = _Server(("127.0.0.1", 0), _make_request_handler(target))
    target.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield target
    finally:
        target.held.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has hung up is part of these tests."""


def _make_request_handler(target: Target) -> type[BaseHTTPRequestHandler]:
    class RequestHandler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            request = Received(self.command, self.path, dict(self.headers), self.rfile.read(length), time.monotonic())
            with target.changed:
                target.received.append(request)
                status = target.statuses.pop(0) if target.statuses else 200
                target.answering += 1
                target.most_answering = max(target.most_answering, target.answering)
                target.changed.notify_all()
            target.held.wait(WAIT_SECONDS)
            with target.changed:
                target.answering -= 1
            if status == HANG_UP:
                return
            body_size_bytes = 100 if status in (TRICKLE, CUT_SHORT) else 0
            self.send_response(status if status > 0 else 200)
            self.send_header("Content-Length", str(body_size_bytes))
            self.send_header("Location", f"{target.url}/elsewhere")
            self.end_headers()
            for _ in range(body_size_bytes if status == TRICKLE else body_size_bytes // 2):
                self.wfile.write(b".")
                if status == TRICKLE:
                    threading.Event().wait(0.05)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def log_message(self, *_arguments: object) -> None:
            pass

    return RequestHandler

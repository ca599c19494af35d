"""The emulator's HTTP side: the certificates that verify its tokens, its switches, and what it holds and did."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pydantic import ValidationError

from local.tasks_emulator.dispatcher import Dispatcher
from local.tasks_emulator.event_log import EventLog
from local.tasks_emulator.identity import TokenSigner
from local.tasks_emulator.resource_names import last_part
from local.tasks_emulator.switches import SwitchBoard, Switches
from local.tasks_emulator.task_store import TaskStore

MAX_BODY_SIZE_BYTES = 10_000


@dataclass(frozen=True)
class ControlPages:
    """What the HTTP paths answer with."""

    store: TaskStore
    dispatcher: Dispatcher
    signer: TokenSigner
    switches: SwitchBoard
    log: EventLog

    def pages(self) -> dict[str, Callable[[], object]]:
        """The body of each path that GET reads."""
        return {
            "/healthz": lambda: {"status": "ok"},
            "/certs": self.signer.certificates,
            "/switches": lambda: _show_switches(self.switches.read()),
            "/tasks": self.list_tasks,
            "/log": lambda: {"dispatches": self.log.list_dispatches()},
        }

    def list_tasks(self) -> object:
        """Every task that is neither finished nor given up, by queue and name."""
        dispatching = self.dispatcher.list_dispatching()
        shown = []
        for queue in self.store.list_queues():
            for stored in self.store.list_tasks(queue.name):
                task = stored.task
                shown.append(
                    {
                        "queue": last_part(queue.name),
                        "task": last_part(task.name),
                        "scheduleTime": task.schedule_time.isoformat(),
                        "attempts": task.dispatch_count,
                        "responses": task.response_count,
                        "dispatching": task.name in dispatching,
                        "lastHttpStatus": stored.previous_http_status,
                        "lastResult": stored.retry_reason or None,
                    }
                )
        return {"tasks": shown}

    def change_switches(self, body: bytes) -> object:
        """The switches after the change. Raises pydantic.ValidationError for a body that is none."""
        switches = self.switches.change(body)
        self.log.write("switches_changed", **_show_switches(switches))
        self.dispatcher.wake()
        return _show_switches(switches)


class ControlServer:
    """The HTTP server; port 0 takes a free one."""

    def __init__(self, pages: ControlPages, *, host: str, port: int) -> None:
        """The port is bound. Raises OSError when it is taken."""
        self._server = ThreadingHTTPServer((host, port), _make_request_handler(pages))
        self._server.daemon_threads = True
        self._host = host
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self.port = self._server.server_port

    def start(self) -> None:
        """Requests are answered."""
        self._thread.start()

    def stop(self) -> None:
        """The port is free."""
        if self._thread.is_alive():
            self._stopping = True
            # The thread waits for a request; serve_forever would instead look twice a second whether to stop.
            with socket.create_connection((self._host, self.port), timeout=1):
                self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        while not self._stopping:
            self._server.handle_request()


def _show_switches(switches: Switches) -> dict[str, object]:
    return switches.model_dump(by_alias=True)


def _make_request_handler(pages: ControlPages) -> type[BaseHTTPRequestHandler]:
    class RequestHandler(BaseHTTPRequestHandler):
        """Answers JSON."""

        timeout = 10  # seconds that a client may let a connection idle

        def do_GET(self) -> None:
            page = pages.pages().get(self.path)
            if page is None:
                self._answer(HTTPStatus.NOT_FOUND, {"error": "There is no such page."})
            else:
                self._answer(HTTPStatus.OK, page())

        def do_PUT(self) -> None:
            if self.path != "/switches":
                self._answer(HTTPStatus.NOT_FOUND, {"error": "Only /switches can be put."})
                return
            length = self.headers.get("Content-Length", "")
            if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY_SIZE_BYTES:
                self._answer(HTTPStatus.BAD_REQUEST, {"error": "A short body with its Content-Length is needed."})
                return
            try:
                self._answer(HTTPStatus.OK, pages.change_switches(self.rfile.read(int(length))))
            except ValidationError as error:
                problems = error.errors(include_url=False, include_input=False, include_context=False)
                self._answer(HTTPStatus.BAD_REQUEST, {"error": "These are no switches.", "problems": problems})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Nothing: the event log says what matters."""

        def _answer(self, status: HTTPStatus, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

    return RequestHandler

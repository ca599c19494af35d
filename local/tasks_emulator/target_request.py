"""One HTTP request to a task's target: its headers, its deadline, and what came of it."""

import http.client
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from google.cloud import tasks_v2
from google.rpc import code_pb2

from local.tasks_emulator.identity import TokenSigner
from local.tasks_emulator.resource_names import last_part
from local.tasks_emulator.task_rules import encode_url
from local.tasks_emulator.task_store import StoredTask

USER_AGENT = "Google-Cloud-Tasks"
READ_SIZE_BYTES = 64 * 1024
# google/rpc/code.proto: the HTTP mapping that stands with each code. Statuses not listed are UNKNOWN.
CODE_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: code_pb2.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: code_pb2.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: code_pb2.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: code_pb2.NOT_FOUND,
    HTTPStatus.CONFLICT: code_pb2.ABORTED,
    HTTPStatus.TOO_MANY_REQUESTS: code_pb2.RESOURCE_EXHAUSTED,
    HTTPStatus.INTERNAL_SERVER_ERROR: code_pb2.INTERNAL,
    HTTPStatus.NOT_IMPLEMENTED: code_pb2.UNIMPLEMENTED,
    HTTPStatus.SERVICE_UNAVAILABLE: code_pb2.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: code_pb2.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: a google.rpc code, and the HTTP status where a whole response arrived."""

    code: int
    http_status: int | None
    detail: str

    @property
    def is_success(self) -> bool:
        """True for a response of 200 to 299."""
        return self.code == int(code_pb2.OK)

    @property
    def message(self) -> str:
        """The outcome in words, such as "NOT_FOUND(5): HTTP status code 404"."""
        return f"{code_pb2.Code.Name(self.code)}({self.code}): {self.detail}"


def judge_status(http_status: int) -> Outcome:
    """What a response of this status means. A redirect is a failure like any other status that is not 2xx."""
    detail = f"HTTP status code {http_status}"
    if 200 <= http_status <= 299:
        return Outcome(code_pb2.OK, http_status, detail)
    try:
        code = CODE_OF_STATUS.get(HTTPStatus(http_status), code_pb2.UNKNOWN)
    except ValueError:
        code = code_pb2.UNKNOWN
    return Outcome(code, http_status, detail)


def build_headers(stored: StoredTask, signer: TokenSigner) -> dict[str, str]:
    """The headers of the task's current attempt, which is counted in its dispatch_count already.

    Names and meanings: "Create HTTP target tasks" in the service's documentation. TaskRetryCount counts every earlier
    attempt; TaskExecutionCount only those that were answered, and not with 5xx.
    """
    task = stored.task
    request = task.http_request
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in ("host", "content-length", "user-agent", "transfer-encoding", "connection")
        and not name.lower().startswith(("x-google-", "x-appengine-", "x-cloudtasks-"))
        and not (name.lower() == "authorization" and "oidc_token" in request)
    }
    if not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/octet-stream"
    headers["User-Agent"] = USER_AGENT
    headers["X-CloudTasks-QueueName"] = last_part(task.name.partition("/tasks/")[0])
    headers["X-CloudTasks-TaskName"] = last_part(task.name)
    headers["X-CloudTasks-TaskRetryCount"] = str(task.dispatch_count - 1)
    headers["X-CloudTasks-TaskExecutionCount"] = str(stored.execution_count)
    headers["X-CloudTasks-TaskETA"] = f"{task.schedule_time.timestamp():.6f}"
    if task.dispatch_count > 1:
        if stored.previous_http_status is not None:
            headers["X-CloudTasks-TaskPreviousResponse"] = str(stored.previous_http_status)
        # Empty after an attempt that a stop of the emulator cut off: nothing is known of that one.
        headers["X-CloudTasks-TaskRetryReason"] = stored.retry_reason
    if "oidc_token" in request:
        token = signer.sign_token(
            service_account_email=request.oidc_token.service_account_email,
            audience=request.oidc_token.audience or request.url,
        )
        headers["Authorization"] = f"Bearer {token}"
    return headers


@dataclass
class TargetRequest:
    """A request that can be cancelled from another thread."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    deadline_seconds: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _socket: socket.socket | None = None
    _cancelled: bool = False

    def send(self) -> Outcome:
        """How the request ended; within the deadline, or as soon as it is cancelled.

        The response counts when it has arrived whole. Its body is read and thrown away.
        """
        ends_at = time.monotonic() + self.deadline_seconds
        timer = threading.Timer(self.deadline_seconds, self.cancel)
        timer.daemon = True
        timer.start()
        try:
            return judge_status(self._exchange())
        # UnicodeError is what a host name with an over-long label ends in.
        except (OSError, UnicodeError, http.client.HTTPException) as error:
            if time.monotonic() >= ends_at:
                return Outcome(code_pb2.DEADLINE_EXCEEDED, None, "no response within the dispatch deadline")
            if self._cancelled:
                return Outcome(code_pb2.CANCELLED, None, "cancelled")
            return Outcome(code_pb2.UNAVAILABLE, None, f"no response, {type(error).__name__}")
        finally:
            timer.cancel()

    def cancel(self) -> None:
        """The connection is shut, now or as soon as it is made; `send` returns."""
        with self._lock:
            self._cancelled = True
            if self._socket is not None:
                _shut(self._socket)

    def _exchange(self) -> int:
        parts = urlsplit(encode_url(self.url))
        connection: http.client.HTTPConnection
        host = parts.hostname or ""
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, parts.port, timeout=self.deadline_seconds, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=self.deadline_seconds)
        try:
            connection.connect()
            with self._lock:
                if self._cancelled:
                    raise ConnectionAbortedError("cancelled while connecting")
                self._socket = connection.sock
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(self.method, path, body=self.body or None, headers=self.headers)
            response = connection.getresponse()
            while response.read(READ_SIZE_BYTES):
                pass
            # read() of a part takes a connection that was cut for the body's end.
            if response.length:
                raise http.client.IncompleteRead(b"", response.length)
            if self._cancelled:
                raise ConnectionAbortedError("cancelled while reading")
            return response.status
        finally:
            with self._lock:
                self._socket = None
            connection.close()


def make_target_request(stored: StoredTask, signer: TokenSigner) -> TargetRequest:
    """The request of the task's current attempt."""
    request = stored.task.http_request
    return TargetRequest(
        method=tasks_v2.HttpMethod(request.http_method).name,
        url=request.url,
        headers=build_headers(stored, signer),
        body=request.body,
        deadline_seconds=stored.task.dispatch_deadline.total_seconds(),
    )


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The target has hung up first.
        return

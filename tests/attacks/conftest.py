"""The functions on emulators, as the tests of tests/functions have them, and a listener that nothing may ever call."""

import importlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import pytest
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from gcp.settings import settings
from routes import ROUTES, route_of, siblings
from tests.functions.characters.conftest import Forms, Send, forms, send
from tests.functions.conftest import CallApi, MakeUser, call_api, make_user, product
from tests.functions.test_access import things
from tests.gpu_runner.test_server import services

__all__ = [
    "Ask",
    "CallApi",
    "Canary",
    "Forms",
    "MakeUser",
    "Send",
    "ask",
    "call_api",
    "canary",
    "forms",
    "make_user",
    "product",
    "send",
    "services",
    "things",
]

Ask = Callable[..., Response]


class Canary:
    """Listens on a port of its own and keeps what every caller says first."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.hits: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    said = connection.recv(4096)
                except OSError:
                    said = b""
                if said == b"the test itself":
                    return
                self.hits.append(said)

    def close(self) -> None:
        """Every call that was made before has been counted."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"the test itself")
        self._thread.join()
        self._listener.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A server within reach that no part of the product is ever to call: the test fails when one did."""
    listening = Canary()
    yield listening
    listening.close()
    assert listening.hits == []


@pytest.fixture
def ask(product: pytest.MonkeyPatch) -> Ask:
    """A function that sends any bytes to the function to which Hosting would rewrite a path, or to one's own address.

    Behind Hosting every function has an address of its own, to which anybody may send any path.
    """
    assert product

    def send_bytes(
        method: str,
        path: str,
        *,
        function: str = "",
        user_id: str | None = None,
        content: bytes = b"",
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        given = Headers(headers or {})
        if user_id is not None:
            given["Authorization"] = f"Bearer {issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))}"
        builder = EnvironBuilder(path=path, method=method, headers=given, data=content, content_type=content_type)
        with Request(builder.get_environ()) as request:
            routed = (each for each in ROUTES if each.match(request.path) is not None)
            route = route_of(function) if function else siblings(next(routed))[0]
            response: Response = getattr(importlib.import_module(route.module), route.function)(request)
        return response

    return send_bytes

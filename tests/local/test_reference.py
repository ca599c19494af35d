"""The API reference in headless Chromium, served with Hosting's headers."""

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from local.addresses import ROOT
from local.reference import FILES, SOURCE, TARGET, copy_reference
from routes import ROUTES
from tests.browser.chromium import seen_by_chromium

HEADERS = {
    rule["source"]: {header["key"]: header["value"] for header in rule["headers"]}
    for rule in json.loads((ROOT / "firebase.json").read_text())["hosting"]["headers"]
}


class _Hosting(http.server.SimpleHTTPRequestHandler):
    """docs/site, and one operation."""

    def do_GET(self) -> None:
        if self.path != "/api/health":
            super().do_GET()
            return
        content = b'{"status": "healthy"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        for name, value in HEADERS.get(self.path, {}).items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    handler = functools.partial(_Hosting, directory=str(ROOT / "docs" / "site"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def seen(page_url: str) -> dict[str, Any]:
    """What the page shows, and the answer to a request that was sent from it."""
    found: dict[str, Any] = seen_by_chromium("reference.mjs", page_url, "get_health")
    return found


def test_the_reference_shows_every_operation(seen: dict[str, Any]) -> None:
    assert sorted(seen["shown"]) == sorted(f"operations-{route.entity}-{route.function}" for route in ROUTES)


def test_the_reference_sends_requests(seen: dict[str, Any]) -> None:
    assert seen["status"] == 200


def test_the_browser_refuses_nothing_of_the_reference(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []


def test_another_version_of_the_same_size_is_copied() -> None:
    changed = TARGET / FILES[-1]
    content = changed.read_bytes()
    changed.write_bytes(b"x" * len(content))

    copy_reference()

    assert changed.read_bytes() == (SOURCE / FILES[-1]).read_bytes()

"""Events of the storage emulator, delivered to something that answers as the Functions emulator does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from gcp_storage_emulator.storage import Storage

from contracts import background
from local.addresses import BUCKET, PROJECT_ID
from local.storage_emulator import open_storage
from local.storage_events import DELETED, FINALIZED, FOLDER, StorageEvents, tell_events
from tests.emulators import free_port

SEA = "backgrounds/sea.mp4"


class Suite:
    """What was asked of the functions, and the statuses that they answer with, the last one for ever."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = statuses
        self.called: list[tuple[str, dict[str, Any]]] = []

    def answer(self, path: str, body: bytes) -> int:
        self.called.append((path.rpartition("/")[2], json.loads(body)))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def serving(suite: Suite, *, bucket: str = BUCKET) -> Iterator[str]:
    """The address of a suite with a function for each kind of event, and one that waits for none."""
    functions = [
        {"id": "us-east4-on_finalized", "eventTrigger": {"eventType": FINALIZED, "resource": bucket}},
        {"id": "us-east4-on_deleted", "eventTrigger": {"eventType": DELETED, "resource": bucket}},
        {"id": "us-east4-get_me", "httpsTrigger": {}},
    ]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, json.dumps({"backends": [{"functionTriggers": functions}]}).encode())

        def do_POST(self) -> None:
            assert self.path.startswith(f"/functions/projects/{PROJECT_ID}/triggers/")
            assert self.headers["Content-Type"].startswith("application/cloudevents+json")
            self.reply(suite.answer(self.path, self.rfile.read(int(self.headers["Content-Length"]))), b"OK")

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(tmp_path / "storage", BUCKET)


def put(storage: Storage, name: str, generation: int) -> None:
    stored = {"bucket": BUCKET, "name": name, "generation": str(generation), "size": "1"}
    storage.create_file(BUCKET, name, b"x", stored)


def test_the_folder_is_the_librarys() -> None:
    assert background.FOLDER == FOLDER


def test_a_new_object_is_told_to_the_function_that_waits_for_it(tmp_path: Path, storage: Storage) -> None:
    suite = Suite([200])
    with serving(suite) as url:
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        put(storage, SEA, 1)

        assert events.deliver()

    [(function, event)] = suite.called
    assert (function, event["type"]) == ("us-east4-on_finalized-0", FINALIZED)
    assert (event["data"]["name"], event["data"]["generation"]) == (SEA, "1")
    assert list((tmp_path / "events").iterdir()) == []


def test_an_object_in_the_place_of_another_is_told_with_the_deletion_of_the_other(
    tmp_path: Path, storage: Storage
) -> None:
    suite = Suite([200])
    with serving(suite) as url:
        put(storage, SEA, 1)
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        put(storage, SEA, 2)
        events.deliver()

    assert [(event["type"], event["data"]["generation"]) for _, event in suite.called] == [
        (FINALIZED, "2"),
        (DELETED, "1"),
    ]


def test_a_deletion_is_told(tmp_path: Path, storage: Storage) -> None:
    suite = Suite([200])
    with serving(suite) as url:
        put(storage, SEA, 1)
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        storage.delete_file(BUCKET, SEA)
        events.deliver()

    assert [function for function, _ in suite.called] == ["us-east4-on_deleted-0"]


def test_other_objects_are_not_told_of(tmp_path: Path, storage: Storage) -> None:
    events = StorageEvents(tmp_path / "events", f"http://127.0.0.1:{free_port()}")
    tell_events(storage, events)

    put(storage, "recordings/ann/x.wav", 1)

    assert list((tmp_path / "events").iterdir()) == []


def test_an_event_that_a_function_failed_at_is_sent_again(tmp_path: Path, storage: Storage) -> None:
    suite = Suite([500, 200])
    with serving(suite) as url:
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        put(storage, SEA, 1)

        assert [events.deliver(), events.deliver(), events.deliver()] == [False, True, True]

    assert len({event["id"] for _, event in suite.called}) == 1
    assert len(suite.called) == 2


def test_one_event_that_fails_keeps_no_other_back(tmp_path: Path, storage: Storage) -> None:
    suite = Suite([500, 200])
    with serving(suite) as url:
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        put(storage, SEA, 1)
        put(storage, "backgrounds/hill.mp4", 2)

        assert not events.deliver()

    assert len(list((tmp_path / "events").iterdir())) == 1


def test_an_event_waits_for_a_suite_that_is_not_up_also_through_a_kill(tmp_path: Path, storage: Storage) -> None:
    before = StorageEvents(tmp_path / "events", f"http://127.0.0.1:{free_port()}")
    tell_events(storage, before)
    put(storage, SEA, 1)
    assert not before.deliver()

    suite = Suite([200])
    with serving(suite) as url:
        assert StorageEvents(tmp_path / "events", url).deliver()

    assert len(suite.called) == 1


def test_an_event_waits_for_a_function_that_is_not_loaded_yet(tmp_path: Path, storage: Storage) -> None:
    suite = Suite([200])
    with serving(suite, bucket="another") as url:
        events = StorageEvents(tmp_path / "events", url)
        tell_events(storage, events)
        put(storage, SEA, 1)

        assert not events.deliver()

    assert suite.called == []

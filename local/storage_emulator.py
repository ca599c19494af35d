"""Cloud Storage on disk: PyPI's gcp-storage-emulator, made fit to be hit by several clients and to be killed.

    python -m local.storage_emulator --port 9023 --data-dir DIR --bucket NAME

As it comes, it serves one connection at a time, so that a browser's idle connection stops everybody, it keeps what came
of an upload that was cut short, and it writes its index of all objects in place, so that a kill at the wrong moment
loses them all. And it knows neither HEAD nor the origins of web pages, both of which Cloud Storage knows, nor the
console's folders, and has a stored object's type where an address names another.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage
from typing_extensions import override

from local.addresses import BUCKET, HOST, Ports
from local.storage_events import StorageEvents, tell_events

# What the console makes for a folder is an object whose name ends with a slash: on disk, this file in the directory.
_FOLDER_FILE = ".folder-object"


class _OneAtATime(RequestHandler):  # type: ignore[misc]  # the package says nothing of its types
    """Many connections wait side by side; the requests themselves touch the objects one after another.

    Pages of any origin may read what they load: a redirect from another origin arrives here with the origin `null`.
    """

    lock = threading.Lock()
    rfile: Any
    wfile: Any

    @override
    def send_header(self, keyword: str, value: str) -> None:
        named = parse_qs(urlsplit(self.path).query).get("response-content-type")
        is_type = keyword.lower() == "content-type"
        super().send_header(keyword, named[0] if named and is_type else value)

    @override
    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Expose-Headers", "Accept-Ranges, Content-Length, Content-Range")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def do_HEAD(self) -> None:  # noqa: N802 (the server's word)
        self.do_GET()

    def do_OPTIONS(self) -> None:  # noqa: N802 (the server's word)
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD")
        self.send_header("Access-Control-Allow-Headers", "Authorization, Range")
        self.end_headers()

    @override
    def do_GET(self) -> None:
        self._handle(super().do_GET)

    @override
    def do_POST(self) -> None:
        self._handle(super().do_POST)

    @override
    def do_PUT(self) -> None:
        self._handle(super().do_PUT)

    @override
    def do_PATCH(self) -> None:
        self._handle(super().do_PATCH)

    @override
    def do_DELETE(self) -> None:
        self._handle(super().do_DELETE)

    def _handle(self, handle: Callable[[], None]) -> None:
        """One request, in turn: between memory and disk, so that nobody waits for another's connection.

        An upload stalls with its sender, and a browser that has enough of a video for now reads no further.
        """
        connection = self.rfile, self.wfile
        if not self._read_body():
            self.close_connection = True
            return
        self.wfile = io.BytesIO()
        try:
            with self.lock:
                handle()
            answer = self.wfile.getvalue()
        finally:
            self.rfile, self.wfile = connection
        if self.command == "HEAD":
            answer = answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        # Browsers hang up in the middle of what they need no longer.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(answer)

    def _read_body(self) -> bool:
        """The body is in memory, whole; False when its sender hung up, who has uploaded nothing."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = self._read_chunks()
        elif "Content-Length" in self.headers:
            size = int(self.headers["Content-Length"])
            content = self.rfile.read(size)
            body = content if len(content) == size else None
        else:
            return True
        if body is None:
            return False
        del self.headers["Content-Length"], self.headers["Transfer-Encoding"]
        self.headers["Content-Length"] = str(len(body))
        self.rfile = io.BytesIO(body)
        return True

    def _read_chunks(self) -> bytes | None:
        """The body of unknown length; None when it ends before its last chunk, which is empty."""
        body = bytearray()
        while line := self.rfile.readline().strip():
            size = int(line.partition(b";")[0], 16)
            body += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return bytes(body)
        return None


def open_storage(data_dir: Path, bucket: str) -> Storage:
    """The objects under `data_dir`, with the bucket made; each file of it is put in place in one step."""
    storage = Storage(data_dir=str(data_dir.resolve()))
    store = storage._store  # noqa: SLF001 (the package has no other place where files are written)

    def write_bytes(name: str, content: bytes) -> None:
        path = store._disk_path(name)  # noqa: SLF001 (see above)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        unfinished.write_bytes(content)
        unfinished.replace(path)

    object_path = storage._object_path  # noqa: SLF001 (see above)

    def object_or_folder_path(bucket_name: str, name: str) -> str:
        path: str = object_path(bucket_name, f"{name}{_FOLDER_FILE}" if name.endswith("/") else name)
        return path

    store.write_bytes, storage._object_path = write_bytes, object_or_folder_path  # noqa: SLF001 (see above)
    create_bucket(bucket, storage)
    return storage


def main() -> int:
    parser = argparse.ArgumentParser(description="Cloud Storage on disk")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=Ports().storage)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument("--functions-url", default="", help="whose functions are told of events; nobody's without")
    arguments = parser.parse_args()
    storage = open_storage(arguments.data_dir, arguments.bucket)
    if arguments.functions_url:
        events = StorageEvents(arguments.data_dir / "events", arguments.functions_url)
        tell_events(storage, events)
        events.start()
    server = ThreadingHTTPServer((arguments.host, arguments.port), partial(_OneAtATime, storage))

    def stop(_number: int, _frame: FrameType | None) -> None:
        # From another thread: shutdown() waits for serve_forever(), which this handler interrupts.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())

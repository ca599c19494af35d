"""Cloud Storage on disk: PyPI's gcp-storage-emulator, made fit to be hit by several clients and to be killed.

    python -m local.storage_emulator --port 9023 --data-dir DIR --bucket NAME

As it comes, it serves one connection at a time, so that a browser's idle connection stops everybody, and it writes its
index of all objects in place, so that a kill at the wrong moment loses them all.
"""

import argparse
import os
import signal
import sys
import threading
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage
from typing_extensions import override

from local.addresses import BUCKET, HOST, Ports


class _OneAtATime(RequestHandler):  # type: ignore[misc]  # the package says nothing of its types
    """Many connections wait side by side; the requests themselves touch the objects one after another."""

    lock = threading.Lock()

    @override
    def do_GET(self) -> None:
        with self.lock:
            super().do_GET()

    @override
    def do_POST(self) -> None:
        with self.lock:
            super().do_POST()

    @override
    def do_PUT(self) -> None:
        with self.lock:
            super().do_PUT()

    @override
    def do_PATCH(self) -> None:
        with self.lock:
            super().do_PATCH()

    @override
    def do_DELETE(self) -> None:
        with self.lock:
            super().do_DELETE()


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

    store.write_bytes = write_bytes
    create_bucket(bucket, storage)
    return storage


def main() -> int:
    parser = argparse.ArgumentParser(description="Cloud Storage on disk")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=Ports().storage)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--bucket", default=BUCKET)
    arguments = parser.parse_args()
    storage = open_storage(arguments.data_dir, arguments.bucket)
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

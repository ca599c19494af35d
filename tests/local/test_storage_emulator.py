import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local.addresses import BUCKET, HOST, ROOT
from local.processes import port_is_open
from local.storage_emulator import open_storage


@contextmanager
def serving(data_dir: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A storage emulator over `data_dir`: its address and its process."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "local.storage_emulator", "--port", str(port), "--data-dir", str(data_dir)]
    with subprocess.Popen(argv, cwd=ROOT) as process:
        try:
            deadline = time.monotonic() + 20
            while not port_is_open(HOST, port):
                assert time.monotonic() < deadline, "the storage emulator never listened"
                time.sleep(0.05)
            yield f"http://{HOST}:{port}", process
        finally:
            process.kill()


def upload(url: str, name: str, content: bytes) -> None:
    address = f"{url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
    requests.post(address, data=content, headers={"Content-Type": "text/plain"}, timeout=20).raise_for_status()


def test_an_object_survives_a_kill(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, process):
        upload(url, "notes/kept", b"kept")
        process.send_signal(signal.SIGKILL)
        process.wait()

    with serving(tmp_path) as (url, _):
        assert requests.get(f"{url}/{BUCKET}/notes/kept", timeout=20).content == b"kept"


def test_a_client_that_says_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)):
            upload(url, "notes/quick", b"quick")


def test_it_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, process):
        process.terminate()

        assert process.wait(10) == 0


def test_the_index_of_objects_is_never_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(tmp_path, BUCKET)
    index = tmp_path / ".cloudstorage" / ".meta"
    before = index.read_bytes()

    def fail(_self: Path, _target: Path) -> Path:
        raise OSError("killed between writing and putting in place")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="killed between"):
        storage.create_bucket("other", {"name": "other"})

    assert index.read_bytes() == before


def test_a_page_of_another_origin_may_ask_for_a_part(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        upload(url, "notes/heard", b"0123456789")

        asked = requests.options(f"{url}/{BUCKET}/notes/heard", headers={"Origin": "null"}, timeout=20)
        part = requests.get(f"{url}/{BUCKET}/notes/heard", headers={"Range": "bytes=3-4", "Origin": "null"}, timeout=20)

    assert (asked.status_code, asked.headers["Access-Control-Allow-Headers"]) == (204, "Authorization, Range")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"34", "bytes 3-4/10")
    assert {asked.headers["Access-Control-Allow-Origin"], part.headers["Access-Control-Allow-Origin"]} == {"*"}


def test_a_client_that_reads_no_further_keeps_nobody_waiting(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        upload(url, "notes/long", bytes(32 * 1024 * 1024))
        address = f"{url}/{BUCKET}/notes/long"

        with requests.get(address, stream=True, timeout=20) as unread:
            part = requests.get(address, headers={"Range": "bytes=33554430-"}, timeout=20)

    assert (unread.status_code, part.status_code, part.content) == (200, 206, bytes(2))


HALVES = {
    "of known length": b"Content-Length: 10\r\n\r\n01234",
    "in chunks": b"Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n",
}


@contextmanager
def half_upload(url: str, name: str, half: bytes = HALVES["of known length"]) -> Iterator[None]:
    """A client that has sent half of an object, and hangs up at the end."""
    address = urlsplit(url)
    head = f"POST /upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name} HTTP/1.1\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=20) as client:
        client.sendall(head.encode() + half)
        time.sleep(0.2)  # it has arrived; were it not yet there, the tests would pass without a reason
        yield
        client.shutdown(socket.SHUT_WR)
        client.recv(1)  # the server has seen it


def test_a_stalled_upload_keeps_nobody_waiting(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _), half_upload(url, "notes/stalled"):
        upload(url, "notes/quick", b"quick")


@pytest.mark.parametrize("half", HALVES)
def test_an_upload_that_is_cut_short_leaves_no_object(tmp_path: Path, half: str) -> None:
    with serving(tmp_path) as (url, _):
        with half_upload(url, "notes/half", HALVES[half]):
            pass

        assert requests.get(f"{url}/{BUCKET}/notes/half", timeout=20).status_code == 404


def test_an_upload_of_unknown_length_arrives(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        address = f"{url}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=notes/long"
        requests.post(address, data=iter([b"01", b"23"]), timeout=20).raise_for_status()

        assert requests.get(f"{url}/{BUCKET}/notes/long", timeout=20).content == b"0123"

"""The runner's checks of its machine, and its report."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from google.cloud.firestore import Client

from contracts.runner_report import RUNNER
from gpu_runner.health import RunnerHealth, find_working_encoder
from gpu_runner.reports import Reports
from tests.emulators import free_port


@contextmanager
def serving(status: int) -> Iterator[str]:
    """The address of a voice server that answers every request with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/config" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "told"), [(200, "healthy"), (503, "unavailable")])
def test_the_voice_server_is_healthy_when_it_serves(tmp_path: Path, status: int, told: str) -> None:
    with serving(status) as url:
        assert RunnerHealth(url, tmp_path, find_encoder=lambda: "x").checks()["voiceServer"]["status"] == told


def test_a_voice_server_that_is_down_is_a_trouble(tmp_path: Path) -> None:
    health = RunnerHealth(f"http://127.0.0.1:{free_port()}/", tmp_path, find_encoder=lambda: "x")

    assert "voiceServer" in health.troubles()


def test_a_voice_server_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        health = RunnerHealth(f"http://127.0.0.1:{listener.getsockname()[1]}/", tmp_path, find_encoder=lambda: "x")

        began_at = time.monotonic()
        assert health.checks()["voiceServer"]["status"] == "unavailable"

    assert time.monotonic() - began_at < 10


@pytest.mark.parametrize(
    ("find_encoder", "told"),
    [(lambda: "h264_nvenc", "healthy"), (lambda: None, "unavailable")],
    ids=["works", "none works"],
)
def test_the_encoder_is_healthy_when_one_works(
    tmp_path: Path, find_encoder: Callable[[], str | None], told: str
) -> None:
    health = RunnerHealth("http://127.0.0.1:9/", tmp_path, find_encoder=find_encoder)

    assert health.checks()["encoder"]["status"] == told


def test_an_encoder_that_is_still_looked_for_is_no_trouble_and_is_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_runner.health._ENCODER_SECONDS", 0.01)
    found, asked = threading.Event(), []

    def look() -> str:
        asked.append(True)
        found.wait()
        return "libx264"

    health = RunnerHealth("http://127.0.0.1:9/", tmp_path, find_encoder=look)

    statuses = [health.checks()["encoder"]["status"] for _ in range(3)]
    found.set()

    assert statuses == ["unknown"] * 3
    assert asked == [True]
    assert "encoder" not in health.troubles()


def test_this_machine_has_an_encoder() -> None:
    assert find_working_encoder() in {"h264_nvenc", "libx264"}


def test_memory_disk_and_cpu_are_measured(tmp_path: Path) -> None:
    checks = RunnerHealth("http://127.0.0.1:9/", tmp_path, find_encoder=lambda: "x").checks()

    assert checks["disk"]["freeBytes"] > 0
    assert checks["memory"]["availableBytes"] > 0
    assert checks["cpu"]["count"] >= 1


def reported(db: Client) -> tuple[str, list[str]]:
    fields = db.document("runnerReports", RUNNER).get().to_dict() or {}
    return fields["status"], fields["troubles"]


def reports(db: Client, *troubles: str) -> Reports:
    return Reports(db, lambda: troubles, now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


def test_the_runner_is_busy_while_it_works_and_idle_afterwards(db: Client) -> None:
    with reports(db).of_work():
        assert reported(db) == ("busy", [])

    assert reported(db) == ("idle", [])


def test_work_that_fails_ends_with_what_does_not_work(db: Client) -> None:
    with pytest.raises(ZeroDivisionError), reports(db, "voiceServer").of_work():
        raise ZeroDivisionError

    assert reported(db) == ("troubled", ["voiceServer"])


def test_the_end_of_one_work_is_not_the_end_of_another(db: Client) -> None:
    both = reports(db)
    with both.of_work(), ExitStack() as second:
        second.enter_context(both.of_work())
        second.close()
        assert reported(db) == ("busy", [])

    assert reported(db) == ("idle", [])


def test_a_report_that_cannot_be_written_does_not_fail_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    with Reports(None, lambda: ()).of_work():  # type: ignore[arg-type]  # every call of it fails
        done.append(True)

    assert done
    assert '"event": "runner_not_reported"' in capsys.readouterr().out

"""A real runner: gunicorn as the local cloud starts it, in front of it tasks that carry the queue's token."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests

from contracts.message import Message
from gpu_runner.voice import LONGEST_CALL_SECONDS
from local.addresses import HOST, ROOT
from local.environment import process_environment
from local.processes import CLOUD_MARK, kill_group
from local.roster import runner_argv
from tests.emulators import free_port

# Long after what is waited for would have come; no test is right because something was quick. A runner waits longer for
# a voice that does not answer (gpu_runner.voice), so that one which ends only then is found.
PATIENCE_SECONDS = 0.8 * LONGEST_CALL_SECONDS
_POLL_SECONDS = 0.05


class Relay:
    """Passes connections on to a server; `seen` is set when a client has sent the mark, which may be held back."""

    def __init__(self, target: tuple[str, int], mark: bytes, *, holds_back: bool = False) -> None:
        self.seen = threading.Event()
        self._target = target
        self._mark = mark
        self._holds_back = holds_back
        self._listener = socket.create_server((HOST, 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except ConnectionRefusedError:  # it may still be starting
                    client.close()
                    continue
                self._sockets += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, is_request: bool) -> None:
        tail = b""
        with suppress(OSError):
            while content := source.recv(65_536):
                if is_request and self._mark in tail + content:
                    self.seen.set()
                    if self._holds_back:
                        return
                tail = content[-len(self._mark) :]
                sink.sendall(content)
            sink.shutdown(socket.SHUT_WR)


@dataclass(frozen=True)
class Answer:
    """What the queue is told."""

    status: int
    outcome: str


@dataclass(frozen=True)
class RealRunner:
    """A gunicorn that serves."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    log_path: Path

    def deliver(self, path: str, task: Message) -> Future[Answer]:
        """The task is on its way, as Cloud Tasks would send it."""
        answer: Future[Answer] = Future()

        def post() -> None:
            try:
                given = requests.post(
                    f"{self.url}{path}",
                    data=task.model_dump_json(by_alias=True),
                    headers={"Authorization": f"Bearer {self.token}"},
                    timeout=PATIENCE_SECONDS,
                )
                answer.set_result(Answer(given.status_code, given.json()["outcome"]))
            except BaseException as error:  # noqa: BLE001 (raised again where the answer is awaited)
                answer.set_exception(error)

        threading.Thread(target=post, daemon=True).start()
        return answer

    def children(self) -> list[psutil.Process]:
        """All that descends from it: its worker, what that runs, and so on."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def wait_for_ffmpeg(self, argument: str) -> list[psutil.Process]:
        """The FFmpeg processes with that argument in their command, once there is one."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            found = []
            for child in self.children():
                with suppress(psutil.Error):
                    if child.name() == "ffmpeg" and any(argument in each for each in child.cmdline()):
                        found.append(child)
            if found:
                return found
            time.sleep(_POLL_SECONDS)
        raise AssertionError(self.log_path.read_text())

    def wait_until_ready(self) -> None:
        """Lines can be spoken."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not _answers(f"{self.url}/ready"):
            assert time.monotonic() < ends_at, self.log_path.read_text()
            time.sleep(_POLL_SECONDS)

    def end(self) -> list[psutil.Process]:
        """It has ended after SIGTERM, by itself; what it had started and still lives."""
        children, began_at = self.children(), time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE_SECONDS)
        print(f"ended {time.monotonic() - began_at:.1f} s after SIGTERM")  # noqa: T201 (for whoever asks for a test's output; nothing depends on it)
        assert code == 0, self.log_path.read_text()
        alive: list[psutil.Process] = psutil.wait_procs(children, timeout=0)[1]
        return alive


@contextmanager
def real_runner(folder: Path, environment: Mapping[str, str], *, token: str, port: int) -> Iterator[RealRunner]:
    """A runner that answers, killed with all of its children at the end where it still lives."""
    *argv, app = runner_argv(port)
    # A worker that has to be killed is not killed here, so that whoever waits for its end sees that.
    argv += ["--graceful-timeout", "3600", app]
    with _started(argv, folder, environment, f"http://{HOST}:{port}/live") as (process, log_path):
        yield RealRunner(process, f"http://{HOST}:{port}", token, log_path)


@contextmanager
def real_voice(folder: Path) -> Iterator[str]:
    """The address of a development voice."""
    url = f"http://{HOST}:{(port := free_port())}"
    with _started([sys.executable, "-m", "local.voice_server", "--port", str(port)], folder, {}, f"{url}/config"):
        yield url


@contextmanager
def _started(
    argv: Sequence[str], folder: Path, environment: Mapping[str, str], url: str
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    folder.mkdir(exist_ok=True)
    log_path = folder / "output.log"
    variables = process_environment(os.environ) | dict(environment)
    variables |= {"TMPDIR": str(folder), "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'functions'}"}
    del variables[CLOUD_MARK]  # it belongs to no local cloud, whose end it would not live through
    with log_path.open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not _answers(url):
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < ends_at, log_path.read_text()
            time.sleep(_POLL_SECONDS)
        yield process, log_path
    finally:
        left = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        kill_group(process.pid, signal.SIGKILL)
        for each in left:
            with suppress(psutil.Error):
                each.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.addresses import HOST
from local.cloud import CloudBusyError, refuse_taken_ports, take_lock
from local.parts import Check, CloudError, CloudStoppedError, Part, PartFailedError, RunningPart
from local.processes import CLOUD_MARK, PART_MARK, end_processes, http_answers, marked_processes, orphans

SERVER = "import http.server, sys; http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()"  # noqa: E501 (a program of one line)


def eventually(claim: Callable[[], bool], *, seconds: float = 15) -> bool:
    """Whether the claim about other processes comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def make_part(tmp_path: Path) -> Iterator[Callable[..., RunningPart]]:
    """Builds a started part of a cloud whose root is tmp_path; every process of it is ended after the test."""
    failures: list[PartFailedError] = []

    def make(*argv: str, port: int = 0, **options: object) -> RunningPart:
        checks = (
            Check("server", lambda: http_answers(f"http://{HOST}:{port}", accept=lambda status, _: status == 200)),
        )
        part = Part(
            name="part",
            argv=(sys.executable, *argv),
            cwd=tmp_path,
            environment=dict(os.environ) | {CLOUD_MARK: str(tmp_path)},
            checks=checks,
            **options,  # type: ignore[arg-type]
        )
        running = RunningPart(part, tmp_path / "part.log", failures.append)
        running.start()
        return running

    yield make
    end_processes(marked_processes(tmp_path))


def serve(running: RunningPart) -> None:
    running.wait_until_it_serves(stop=threading.Event(), announce=lambda _name, _seconds: None)


def test_a_killed_part_that_its_platform_restarts_serves_again(
    make_part: Callable[..., RunningPart], free_port: int
) -> None:
    running = make_part("-c", SERVER, str(free_port), port=free_port, restarts=True)
    serve(running)

    running.kill(signal.SIGKILL)

    assert eventually(lambda: running.starts == 2)
    serve(running)


def test_a_kill_reaches_a_child_that_left_the_session(
    make_part: Callable[..., RunningPart], tmp_path: Path, free_port: int
) -> None:
    leaves = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True); "  # noqa: E501 (a program of one line)
    running = make_part("-c", leaves + SERVER, str(free_port), port=free_port)
    serve(running)

    running.kill(signal.SIGKILL)

    assert eventually(lambda: marked_processes(tmp_path) == [])


def test_a_stopped_part_is_not_started_again(make_part: Callable[..., RunningPart], free_port: int) -> None:
    running = make_part("-c", SERVER, str(free_port), port=free_port, restarts=True)
    serve(running)

    running.stop()

    assert running.process is not None
    assert running.process.poll() is not None
    assert running.starts == 1


def test_a_part_that_is_stopped_and_started_at_once_goes_on(
    make_part: Callable[..., RunningPart], free_port: int
) -> None:
    running = make_part("-c", SERVER, str(free_port), port=free_port)
    serve(running)
    ended: list[PartFailedError] = []
    running.on_end = ended.append

    running.stop()
    running.start()

    serve(running)
    assert ended == []


def test_a_part_that_ends_before_it_serves_is_named_with_its_last_words(make_part: Callable[..., RunningPart]) -> None:
    running = make_part("-c", "import sys; sys.exit('no such queue')", port=1)

    with pytest.raises(PartFailedError, match=r"(?s)part ended .*exit status 1.*part\.log.*no such queue"):
        serve(running)


def test_a_part_that_does_not_serve_in_time_fails(make_part: Callable[..., RunningPart]) -> None:
    running = make_part("-c", "import time; time.sleep(60)", port=1, ready_timeout_seconds=0.5)

    with pytest.raises(PartFailedError, match=r"does not serve after 0\.5 s"):
        serve(running)


def test_a_stop_ends_the_waiting(make_part: Callable[..., RunningPart]) -> None:
    running = make_part("-c", "import time; time.sleep(60)", port=1)
    stop = threading.Event()
    stop.set()

    with pytest.raises(CloudStoppedError):
        running.wait_until_it_serves(stop=stop, announce=lambda _name, _seconds: None)


def test_a_part_that_ignores_its_stop_signal_is_killed(make_part: Callable[..., RunningPart], free_port: int) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    running = make_part("-c", deaf + SERVER, str(free_port), port=free_port, stop_timeout_seconds=0.3)
    serve(running)

    running.stop()

    assert running.process is not None
    assert running.process.returncode == -signal.SIGKILL


def test_a_part_that_never_served_is_killed_since_it_could_save_only_half(
    make_part: Callable[..., RunningPart], tmp_path: Path
) -> None:
    saves = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w'), sys.exit(0))); "
    running = make_part("-c", saves + "open('armed', 'w'); time.sleep(60)", port=1)
    assert eventually((tmp_path / "armed").exists)

    running.stop()

    assert not (tmp_path / "saved").exists()


def test_a_part_that_served_may_save_before_it_ends(
    make_part: Callable[..., RunningPart], tmp_path: Path, free_port: int
) -> None:
    saves = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w'), sys.exit(0))); "
    running = make_part("-c", saves + SERVER, str(free_port), port=free_port)
    serve(running)

    running.stop()

    assert (tmp_path / "saved").exists()


def test_a_part_that_says_it_is_hopeless_is_not_waited_for(make_part: Callable[..., RunningPart]) -> None:
    program = "import time; print('cannot load', flush=True); time.sleep(60)"
    running = make_part("-c", program, port=1, hopeless=("cannot load",))

    with pytest.raises(PartFailedError, match=r"(?s)will not serve.*cannot load"):
        serve(running)


def test_a_child_that_left_its_session_is_found_by_its_mark(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"  # noqa: E501 (a program of one line)
    marks = {CLOUD_MARK: str(tmp_path), PART_MARK: "part"}
    subprocess.run([sys.executable, "-c", child], env=os.environ | marks, check=True)

    left = orphans(tmp_path, "part", os.getpid())

    assert [process.ppid() for process in left] == [psutil.Process(left[0].pid).ppid()]
    end_processes(left)
    assert marked_processes(tmp_path) == []


def test_descendants_of_the_part_are_no_orphans(tmp_path: Path) -> None:
    marks = {CLOUD_MARK: str(tmp_path), PART_MARK: "part"}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | marks) as child:
        found = orphans(tmp_path, "part", os.getpid())
        child.kill()

    assert found == []


def test_a_second_cloud_of_the_repository_is_refused(tmp_path: Path) -> None:
    with take_lock(tmp_path), pytest.raises(CloudBusyError, match=rf"already running \(process {os.getpid()}\)"):
        take_lock(tmp_path)


def test_a_lock_that_was_given_back_can_be_taken_again(tmp_path: Path) -> None:
    take_lock(tmp_path).close()

    with take_lock(tmp_path) as lock:
        assert not lock.closed


def test_a_taken_port_is_named_with_its_owner(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        part = Part(name="writer", argv=(), cwd=tmp_path, environment={}, checks=(), ports=(port,))

        with pytest.raises(CloudError, match=f"port {port} of writer is taken by process {os.getpid()}"):
            refuse_taken_ports([part])

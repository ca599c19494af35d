import contextlib
import datetime as dt
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest
import requests

from local.addresses import HOST, ROOT
from local.processes import CLOUD_MARK, end_processes, marked_processes
from local.scheduled_functions import DiscoveryError, Schedule, discover, newest_source

MANIFEST = """
endpoints:
  not_scheduled:
    entryPoint: not_scheduled
    httpsTrigger: {}
  repair:
    entryPoint: repair
    scheduleTrigger:
      schedule: "*/5 * * * *"
      timeZone: Europe/Berlin
    timeoutSeconds: 90
"""
MAIN = """
def not_scheduled(request):
    return "never"

def repair(request):
    with open("runs.txt", "a") as runs:
        runs.write("WORD\\n")
    return "done"
"""


def eventually(claim: Callable[[], bool], *, seconds: float = 30) -> bool:
    """Whether the claim about other processes comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def functions_dir(tmp_path: Path) -> Path:
    """A deployment with one scheduled function among others, in the functions' own environment."""
    (tmp_path / "venv").symlink_to(ROOT / "functions" / "venv")
    (tmp_path / "functions.yaml").write_text(MANIFEST)
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


def free_port_pair() -> int:
    """A port that is free together with the one above it; below those that the kernel gives to outgoing connections."""
    for port in random.sample(range(20_000, 32_000, 2), 100):
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind((HOST, port))
            second.bind((HOST, port + 1))
            return port
    pytest.fail("no two ports side by side are free")


@pytest.fixture
def clock(functions_dir: Path) -> Iterator[str]:
    """The address of a running clock over `functions_dir` whose functions are served."""
    port = free_port_pair()
    argv = [sys.executable, "-m", "local.scheduled_functions", "--port", str(port)]
    environment = os.environ | {CLOUD_MARK: str(functions_dir)}
    with subprocess.Popen([*argv, "--functions-dir", str(functions_dir)], cwd=ROOT, env=environment) as process:
        url = f"http://{HOST}:{port}"
        try:
            assert eventually(lambda: is_healthy(url)), "the clock never served"
            yield url
        finally:
            process.terminate()
            process.wait(20)
            end_processes(marked_processes(functions_dir))


def is_healthy(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=10).status_code == 200
    except requests.ConnectionError:
        return False


def test_the_manifest_says_what_runs_when(functions_dir: Path) -> None:
    assert discover(functions_dir) == [Schedule("repair", "*/5 * * * *", "Europe/Berlin", 90)]


def test_a_source_that_cannot_be_loaded_is_reported_with_its_error(functions_dir: Path) -> None:
    (functions_dir / "main.py").write_text("import no_such_module\n")

    with pytest.raises(DiscoveryError, match="No module named 'no_such_module'"):
        discover(functions_dir)


def test_a_schedule_in_words_is_refused(functions_dir: Path) -> None:
    (functions_dir / "functions.yaml").write_text(MANIFEST.replace("*/5 * * * *", "every 5 minutes"))

    with pytest.raises(DiscoveryError, match="'every 5 minutes' is not in unix-cron form"):
        discover(functions_dir)


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "due"),
    [
        ("* * * * *", "UTC", "2026-11-23T05:00:00+00:00", "2026-11-23T05:01:00+00:00"),
        ("* * * * *", "UTC", "2026-11-23T05:00:59+00:00", "2026-11-23T05:01:00+00:00"),
        ("0 6 * * *", "Europe/Berlin", "2026-11-23T04:59:00+00:00", "2026-11-23T05:00:00+00:00"),
        ("0 6 * * *", "Europe/Berlin", "2026-07-01T03:59:00+00:00", "2026-07-01T04:00:00+00:00"),
    ],
    ids=["the next minute", "not the same minute", "winter time", "summer time"],
)
def test_a_function_is_due_in_the_time_of_its_zone(schedule: str, zone: str, now: str, due: str) -> None:
    found = Schedule("repair", schedule, zone, 60).next_due(dt.datetime.fromisoformat(now))

    assert found.astimezone(ZoneInfo("UTC")) == dt.datetime.fromisoformat(due)


def test_an_installed_package_is_no_edit_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    os.utime(tmp_path / "main.py", (1000, 1000))
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "package.py").write_text("")

    assert newest_source(tmp_path) == 1000


def test_a_function_runs_when_it_is_asked_to(clock: str, functions_dir: Path) -> None:
    answer = requests.post(f"{clock}/run/repair", timeout=60)

    assert answer.status_code == 200
    assert (functions_dir / "runs.txt").read_text() == "WORD\n"


def test_only_scheduled_functions_can_be_run(clock: str) -> None:
    assert requests.post(f"{clock}/run/not_scheduled", timeout=60).status_code == 404


def test_an_edit_of_the_source_is_followed(clock: str, functions_dir: Path) -> None:
    (functions_dir / "main.py").write_text(MAIN.replace("WORD", "EDITED"))

    def runs_edited() -> bool:
        requests.post(f"{clock}/run/repair", timeout=60)
        return (functions_dir / "runs.txt").exists() and "EDITED" in (functions_dir / "runs.txt").read_text()

    assert eventually(runs_edited)


def test_a_killed_function_is_served_again(clock: str, functions_dir: Path) -> None:
    served = [
        process for process in marked_processes(functions_dir) if "functions-framework" in " ".join(process.cmdline())
    ]

    end_processes(served)

    assert eventually(lambda: not is_healthy(clock) or all(not psutil.pid_exists(process.pid) for process in served))
    assert eventually(lambda: is_healthy(clock))

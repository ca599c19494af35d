"""Who may be stopped for the tests, and who not."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.addresses import ROOT
from local.background import make_way, stop
from local.cloud import CloudBusyError

HOLDER = """
import pathlib, signal, sys
from local.cloud import take_lock
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where whoever started the tests ignores it
lock = take_lock(pathlib.Path(sys.argv[1]), in_background=sys.argv[2] == "True")
try:
    print("held", flush=True)
    signal.pause()
except KeyboardInterrupt:
    pass
"""
StartCloud = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_cloud(tmp_path: Path) -> Iterator[StartCloud]:
    """A function that starts a process which holds a cloud's lock, and ends on Ctrl-C as a cloud does."""
    started: list[subprocess.Popen[str]] = []

    def start(*, in_background: bool) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-c", HOLDER, str(tmp_path), str(in_background)]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_cloud_in_the_background_makes_way(tmp_path: Path, start_cloud: StartCloud) -> None:
    process = start_cloud(in_background=True)

    assert make_way(tmp_path)

    assert process.wait(timeout=10) == 0


def test_a_cloud_that_somebody_sits_before_is_named_and_left_alone(tmp_path: Path, start_cloud: StartCloud) -> None:
    process = start_cloud(in_background=False)

    with pytest.raises(CloudBusyError, match=rf"already running \(process {process.pid}\).*Ctrl-C"):
        make_way(tmp_path)

    assert process.poll() is None


def test_make_stop_stops_either(tmp_path: Path, start_cloud: StartCloud) -> None:
    process = start_cloud(in_background=False)

    assert stop(tmp_path)

    assert process.wait(timeout=10) == 0


def test_where_no_cloud_runs_nobody_has_to_make_way(tmp_path: Path) -> None:
    assert not make_way(tmp_path)

"""The Cloud Tasks emulator's start, stop and state on disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2

from local.tasks_emulator.emulator import EmulatorSettings, ForbiddenProjectError, PortTakenError, TasksEmulator
from local.tasks_emulator.task_store import StoreInUseError
from tests.local.tasks_emulator.emulated_cloud import QUEUE, ROOT, Cloud, make_client, wait_until, write_queue_file
from tests.local.tasks_emulator.http_target import Target


def test_a_real_project_is_refused(settings: EmulatorSettings) -> None:
    with pytest.raises(ForbiddenProjectError):
        TasksEmulator(replace(settings, project="duologue"))


@pytest.mark.usefixtures("cloud")
def test_a_second_emulator_on_the_same_state_is_refused(settings: EmulatorSettings) -> None:
    with pytest.raises(StoreInUseError):
        TasksEmulator(settings)


def test_a_taken_grpc_port_is_refused(cloud: Cloud, settings: EmulatorSettings, tmp_path: Path) -> None:
    with pytest.raises(PortTakenError):
        TasksEmulator(replace(settings, grpc_port=cloud.emulator.grpc_port, state_folder=tmp_path / "other"))


def test_tasks_and_names_are_kept_over_a_restart(settings: EmulatorSettings, target: Target) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    with ExitStack() as stack:
        emulator = stack.enter_context(TasksEmulator(settings))
        cloud = Cloud(emulator, make_client(stack, emulator.grpc_port))
        cloud.create(target.url, name="waiting", schedule_time=later)
        cloud.create(target.url, name="finished")
        target.wait_for(1)
        wait_until(lambda: cloud.pending() == ["waiting"])

    with ExitStack() as stack:
        emulator = stack.enter_context(TasksEmulator(settings))
        cloud = Cloud(emulator, make_client(stack, emulator.grpc_port))

        assert [task.schedule_time for task in cloud.client.list_tasks(parent=QUEUE)] == [later]
        with pytest.raises(exceptions.AlreadyExists):
            cloud.create(target.url, name="finished")


def test_a_stop_does_not_wait_for_a_request_on_its_way(settings: EmulatorSettings, target: Target) -> None:
    target.held.clear()
    with ExitStack() as stack:
        emulator = stack.enter_context(TasksEmulator(settings))
        cloud = Cloud(emulator, make_client(stack, emulator.grpc_port))
        cloud.create(target.url)
        target.wait_for(1)
        asked_at = time.monotonic()

    assert time.monotonic() - asked_at < 0.5


def test_a_task_cut_off_by_a_stop_is_sent_again_without_backoff(
    settings: EmulatorSettings, target: Target, tmp_path: Path
) -> None:
    write_queue_file(tmp_path, minBackoff="60s", maxBackoff="60s")
    target.held.clear()
    with ExitStack() as stack:
        emulator = stack.enter_context(TasksEmulator(settings))
        cloud = Cloud(emulator, make_client(stack, emulator.grpc_port))
        cloud.create(target.url)
        target.wait_for(1)
    target.held.set()

    with TasksEmulator(settings):
        assert len(target.wait_for(2)) == 2


@dataclass
class Process:
    """The emulator as its own process."""

    popen: subprocess.Popen[str]
    grpc_port: int


@pytest.fixture
def spawn(settings: EmulatorSettings) -> Iterator[Callable[[], Process]]:
    processes: list[subprocess.Popen[str]] = []

    def spawn_emulator() -> Process:
        ports = ["--grpc-port", "0", "--http-port", "0"]
        files = ["--state", str(settings.state_folder), "--queue-file", str(settings.queue_file)]
        popen = subprocess.Popen(
            [sys.executable, "-m", "local.tasks_emulator", *ports, *files],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        processes.append(popen)
        assert popen.stdout is not None
        started = json.loads(popen.stdout.readline())
        return Process(popen, started["grpc_port"])

    yield spawn_emulator
    for popen in processes:
        popen.kill()
        popen.communicate()


def test_a_task_cut_off_by_a_kill_is_sent_again(spawn: Callable[[], Process], target: Target) -> None:
    target.held.clear()
    first = spawn()
    with ExitStack() as stack:
        task = tasks_v2.Task(name=f"{QUEUE}/tasks/job-1", http_request=tasks_v2.HttpRequest(url=target.url, body=b"x"))
        make_client(stack, first.grpc_port).create_task(parent=QUEUE, task=task)
    target.wait_for(1)
    first.popen.send_signal(signal.SIGKILL)
    first.popen.wait(5)
    target.held.set()

    spawn()

    again = target.wait_for(2)[1]
    assert (again.body, again.headers["X-CloudTasks-TaskName"]) == (b"x", "job-1")
    assert again.headers["X-CloudTasks-TaskRetryCount"] == "1"


def test_sigterm_ends_it_within_a_second_with_a_request_on_its_way(
    spawn: Callable[[], Process], target: Target
) -> None:
    target.held.clear()
    process = spawn()
    with ExitStack() as stack:
        task = tasks_v2.Task(name=f"{QUEUE}/tasks/job-1", http_request=tasks_v2.HttpRequest(url=target.url))
        make_client(stack, process.grpc_port).create_task(parent=QUEUE, task=task)
    target.wait_for(1)

    asked_at = time.monotonic()
    process.popen.send_signal(signal.SIGTERM)
    return_code = process.popen.wait(5)

    assert return_code == 0
    assert time.monotonic() - asked_at < 1.0

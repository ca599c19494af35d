"""A target and an emulator for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from tests.local.tasks_emulator.emulated_cloud import Cloud, make_client, write_queue_file
from tests.local.tasks_emulator.http_target import Target, serve_target


@pytest.fixture
def target() -> Iterator[Target]:
    with serve_target() as target:
        yield target


@pytest.fixture
def settings(tmp_path: Path) -> EmulatorSettings:
    return EmulatorSettings(
        grpc_port=0,
        http_port=0,
        state_folder=tmp_path / "state",
        queue_file=write_queue_file(tmp_path),
        min_dispatch_deadline=timedelta(seconds=0.1),
    )


@pytest.fixture
def start(settings: EmulatorSettings, tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Starts an emulator whose queue has the given changes; it is stopped after the test."""
    with ExitStack() as stack:

        def start_emulator(*, tombstone_lifetime: timedelta = timedelta(hours=1), **changes: object) -> Cloud:
            write_queue_file(tmp_path, **changes)
            emulator = stack.enter_context(TasksEmulator(replace(settings, tombstone_lifetime=tombstone_lifetime)))
            return Cloud(emulator, make_client(stack, emulator.grpc_port))

        yield start_emulator


@pytest.fixture
def cloud(start: Callable[..., Cloud]) -> Cloud:
    return start()

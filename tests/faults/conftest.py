"""Worlds for the tests of faults: a deployment of its own for each try."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.cloud.firestore import Client
from requests.adapters import HTTPAdapter

from gcp import clients
from gcp.settings import settings
from gpu_runner.encoders import X264
from local.addresses import ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from tests.faults.enumeration import TRIED
from tests.faults.scenes import encode_quickly, normalise_quickly
from tests.faults.world import Emulators, World, use_clock_of_world
from tests.functions.conftest import product
from tests.indexes import require_indexes

__all__ = ["product"]  # a fixture, found by its name

NewWorld = Callable[[], World]


_ON_DEMAND = ("kill", "load", "soak", "mutants")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_ours = item.path.is_relative_to(ROOT / "tests" / "faults")
        if is_ours and not any(item.get_closest_marker(name) for name in _ON_DEMAND):
            item.add_marker("faults")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for each in TRIED:
        calls = ", ".join(f"{count} {name}" for name, count in sorted(each.calls.items()))
        line = f"{each.points:4} crash points, {each.states:3} different states: {each.operation} ({calls})"
        terminalreporter.write_line(line)
    if TRIED:
        points, states = sum(each.points for each in TRIED), sum(each.states for each in TRIED)
        terminalreporter.write_line(f"{points:4} crash points, {states:3} different states in all")


@pytest.fixture(scope="session")
def tasks_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The host and port of the Cloud Tasks emulator, with any number of queues."""
    emulator_settings = EmulatorSettings(
        grpc_port=0,
        http_port=0,
        state_folder=tmp_path_factory.mktemp("tasks"),
        queue_file=ROOT / "terraform" / "queue.json",
    )
    with TasksEmulator(emulator_settings) as emulator:
        yield f"127.0.0.1:{emulator.grpc_port}"


@pytest.fixture(scope="session")
def firestore_connection(firestore_emulator: str) -> Iterator[Any]:
    """One connection, which serves every project."""
    assert firestore_emulator
    client = Client(project="demo-connection")
    yield client._firestore_api
    client.close()  # type: ignore[no-untyped-call]  # the package leaves it so


@pytest.fixture
def emulators(
    product: pytest.MonkeyPatch,
    firestore_connection: Any,
    storage_emulator: str,
    tasks_emulator: str,
    tmp_path: Path,
) -> Iterator[Emulators]:
    """What all worlds of a test share."""
    variables = {
        "CLOUD_TASKS_EMULATOR_HOST": tasks_emulator,
        "RUNNER_URL": "http://127.0.0.1:9",
        "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT,
    }
    for name, value in variables.items():
        product.setenv(name, value)
    settings.cache_clear()
    clients.tasks.cache_clear()
    require_indexes(product)
    use_clock_of_world(product)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=4))
        yield Emulators(firestore_connection, session, storage_emulator, clients.tasks(), variables, tmp_path, product)
    clients.tasks().transport.close()  # type: ignore[no-untyped-call]  # the package says nothing of it
    for cached in (clients.tasks, clients.firestore, clients.media_bucket):
        cached.cache_clear()


@pytest.fixture
def progress_at_steps(product: pytest.MonkeyPatch) -> None:
    """Progress is written where steps begin and end, however long they take: at the same places every time."""
    product.setattr("gpu_runner.progress.WRITE_INTERVAL_SECONDS", float("inf"))


@pytest.fixture
def quick_renders(product: pytest.MonkeyPatch, progress_at_steps: None) -> None:
    """Renders take no time: FFmpeg is left out."""
    assert progress_at_steps is None
    product.setattr("gpu_runner.pipeline.normalise_line", normalise_quickly)
    product.setattr("gpu_runner.encoding.run_ffmpeg", encode_quickly)
    product.setattr("gpu_runner.pipeline.measure_video_seconds", lambda *_, **__: 60.0)
    product.setattr("gpu_runner.pipeline.choose_encoder", lambda: X264)


@pytest.fixture
def new_world(emulators: Emulators) -> NewWorld:
    """A function that makes one more empty world."""
    return lambda: World(emulators)

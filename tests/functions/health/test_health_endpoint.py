"""The platform's health over real emulators, and over services that accept a connection and then say nothing."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts.runner_report import RUNNER, TROUBLE_LASTS, WORK_LASTS, RunnerReport, RunnerStatus
from gcp import clients
from gcp.settings import settings
from health import checks
from local.addresses import QUEUE
from tests.functions.conftest import CallApi
from tests.functions.videos.conftest import RenderQueue, render_queue

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

__all__ = ["render_queue"]


@pytest.fixture
def platform(product: pytest.MonkeyPatch, bucket: "Bucket", render_queue: RenderQueue) -> Iterator[pytest.MonkeyPatch]:
    """All services answer, and the queue hands out its tasks."""
    assert render_queue
    product.setenv("MEDIA_BUCKET", bucket.name)
    for cached in (settings, clients.media_bucket, checks.health_check):
        cached.cache_clear()
    clients.tasks().resume_queue(name=QUEUE)
    # A busy machine takes long to make the first connection.
    clients.firestore().document("runnerReports", RUNNER).get()
    yield product
    for cached in (clients.media_bucket, checks.health_check):
        cached.cache_clear()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are accepted and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def report(db: "Client") -> Callable[..., datetime]:
    """A function that writes the runner's report of some time ago; when that was."""

    def write(status: RunnerStatus, *, ago: timedelta, troubles: tuple[str, ...] = ()) -> datetime:
        reported_at = datetime.now(UTC) - ago
        written = RunnerReport(status=status, troubles=troubles, reported_at=reported_at)
        db.document("runnerReports", RUNNER).set(written.to_document())
        return reported_at

    return write


def statuses(body: dict[str, Any]) -> dict[str, str]:
    return {name: check["status"] for name, check in body["checks"].items()}


@pytest.mark.usefixtures("platform")
def test_a_platform_that_works_is_healthy(call_api: CallApi) -> None:
    answer = call_api("GET", "/api/health")

    assert answer.status == 200
    assert answer.body["status"] == "healthy"
    assert statuses(answer.body) == {
        "database": "healthy",
        "storage": "healthy",
        "queue": "healthy",
        "gpuRunner": "idle",
    }
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("service", "variable"),
    [
        ("database", "FIRESTORE_EMULATOR_HOST"),
        ("storage", "STORAGE_EMULATOR_HOST"),
        ("queue", "CLOUD_TASKS_EMULATOR_HOST"),
    ],
)
def test_a_service_that_hangs_is_told_within_a_second(
    platform: pytest.MonkeyPatch, call_api: CallApi, silent_port: int, service: str, variable: str
) -> None:
    platform.setenv(variable, f"{'http://' if service == 'storage' else ''}127.0.0.1:{silent_port}")
    for cached in (settings, clients.firestore, clients.media_bucket, clients.tasks, checks.health_check):
        cached.cache_clear()
    checks.health_check()

    began_at = time.monotonic()
    answer = call_api("GET", "/api/health")
    seconds = time.monotonic() - began_at

    assert answer.status == 200
    assert answer.body["status"] == "degraded"
    assert statuses(answer.body)[service] == "unavailable"
    assert seconds < 1


@pytest.mark.parametrize("variable", ["MEDIA_BUCKET", "RENDER_QUEUE"])
def test_a_variable_that_is_missing_is_no_failure_of_health_itself(
    platform: pytest.MonkeyPatch, call_api: CallApi, variable: str
) -> None:
    platform.delenv(variable)
    for cached in (settings, clients.media_bucket, checks.health_check):
        cached.cache_clear()

    answer = call_api("GET", "/api/health")

    assert (answer.status, answer.body["status"]) == (200, "degraded")
    assert variable not in str(answer.body)


@pytest.mark.usefixtures("platform")
def test_a_paused_queue_is_degraded(call_api: CallApi) -> None:
    clients.tasks().pause_queue(name=QUEUE)

    answer = call_api("GET", "/api/health")

    assert statuses(answer.body)["queue"] == "paused"
    assert answer.body["status"] == "degraded"


@pytest.mark.parametrize(
    ("reported", "ago", "told"),
    [
        (RunnerStatus.BUSY, timedelta(), ("busy", "healthy")),
        (RunnerStatus.BUSY, WORK_LASTS, ("idle", "healthy")),
        (RunnerStatus.IDLE, timedelta(), ("idle", "healthy")),
        (RunnerStatus.TROUBLED, timedelta(), ("troubled", "degraded")),
        (RunnerStatus.TROUBLED, TROUBLE_LASTS, ("idle", "healthy")),
    ],
    ids=["busy", "busy long ago", "idle", "troubled", "troubled long ago"],
)
@pytest.mark.usefixtures("platform")
def test_the_runner_is_what_it_last_reported_for_as_long_as_that_can_be_so(
    call_api: CallApi, report: Callable[..., datetime], reported: RunnerStatus, ago: timedelta, told: tuple[str, str]
) -> None:
    report(reported, ago=ago)

    answer = call_api("GET", "/api/health")

    assert (answer.body["checks"]["gpuRunner"]["status"], answer.body["status"]) == told


@pytest.mark.usefixtures("platform")
def test_a_trouble_is_told_by_its_name_and_its_time(call_api: CallApi, report: Callable[..., datetime]) -> None:
    reported_at = report(RunnerStatus.TROUBLED, ago=timedelta(minutes=1), troubles=("voiceServer",))

    runner = call_api("GET", "/api/health").body["checks"]["gpuRunner"]

    assert runner["troubles"] == ["voiceServer"]
    assert datetime.fromisoformat(runner["lastReportedAt"]) == reported_at


@pytest.mark.usefixtures("platform")
def test_asking_often_asks_the_services_once(call_api: CallApi, report: Callable[..., datetime]) -> None:
    call_api("GET", "/api/health")
    report(RunnerStatus.BUSY, ago=timedelta())

    again = call_api("GET", "/api/health")

    assert again.body["checks"]["gpuRunner"]["status"] == "idle"


def test_an_old_finding_is_looked_at_anew() -> None:
    clock = iter([0.0, 100.0, 100.0])
    asked = []
    check = checks.HealthCheck(
        database=lambda: asked.append(True), storage=lambda: True, queue=lambda: True, clock=lambda: next(clock)
    )

    check.findings()
    check.findings()

    assert len(asked) == 2

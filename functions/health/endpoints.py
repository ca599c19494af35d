"""Whether the platform works, for people, monitors and status pages."""

from datetime import UTC, datetime
from typing import Any, Literal

from contracts.runner_report import RunnerStatus, status_now
from gcp.endpoint import Call, endpoint
from gcp.models import Answer
from gcp.wire import NoBody, WithHeaders
from health.bounded import Outcome
from health.checks import Findings, health_check

Healthy = Literal["healthy", "degraded"]


class ServiceHealth(Answer):
    """`unavailable` when it did not answer in time or refused; a queue may also be `paused`."""

    status: Literal["healthy", "unavailable", "paused"]
    latency_ms: int


class RunnerHealth(Answer):
    """What the GPU runner last reported. `idle`, also for want of a report, is healthy: it sleeps between renders."""

    status: Literal["idle", "busy", "troubled", "unknown"]
    last_reported_at: datetime | None
    troubles: tuple[str, ...]


class HealthChecks(Answer):
    database: ServiceHealth
    storage: ServiceHealth
    queue: ServiceHealth
    gpu_runner: RunnerHealth


class HealthAnswer(Answer):
    status: Healthy
    checks: HealthChecks


@endpoint(answer=HealthAnswer)
def get_health(_call: Call[NoBody]) -> WithHeaders:
    """GET /api/health, anyone: the state of database, storage, queue and GPU runner, within a second.

    200 also when something is wrong: `status` is then `degraded`. What was found is told for some seconds.
    """
    return WithHeaders(_answer(health_check().findings(), datetime.now(UTC)), {"Cache-Control": "no-store"})


def _answer(findings: Findings, now: datetime) -> HealthAnswer:
    checks = HealthChecks(
        database=_service(findings.database),
        storage=_service(findings.storage),
        queue=_service(findings.queue, runs=findings.queue.answer is not False),
        gpu_runner=_runner(findings, now),
    )
    services = (checks.database, checks.storage, checks.queue)
    is_healthy = all(each.status == "healthy" for each in services) and checks.gpu_runner.status != "troubled"
    return HealthAnswer(status="healthy" if is_healthy else "degraded", checks=checks)


def _service(outcome: Outcome[Any], *, runs: bool = True) -> ServiceHealth:
    if outcome.error is not None:
        return ServiceHealth(status="unavailable", latency_ms=outcome.latency_ms)
    return ServiceHealth(status="healthy" if runs else "paused", latency_ms=outcome.latency_ms)


def _runner(findings: Findings, now: datetime) -> RunnerHealth:
    if findings.database.error is not None:
        return RunnerHealth(status="unknown", last_reported_at=None, troubles=())
    report = findings.database.answer
    status = status_now(report, now)
    return RunnerHealth(
        status=status.value,
        last_reported_at=report.reported_at if report else None,
        troubles=report.troubles if report and status is RunnerStatus.TROUBLED else (),
    )

"""The document `runnerReports/{RUNNER}`: what the runner last said of itself.

Written by gpu_runner.reports when it takes work up and when it lays it down, read by health.checks: the runner itself
is never asked, since a question would start a machine with a GPU.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from contracts.message import Message

RUNNER = "gpu_runner"
# Nothing that a runner does takes longer (Cloud Tasks' own limit), so what it is doing after that is over.
WORK_LASTS = timedelta(minutes=30)
# For how long a trouble is taken for one that goes on. Whoever meets it again says so again.
TROUBLE_LASTS = timedelta(minutes=10)


class RunnerStatus(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    TROUBLED = "troubled"


class RunnerReport(Message):
    """`troubles` are the names of the runner's own checks that found something wrong."""

    version: Literal[1] = 1
    status: RunnerStatus
    troubles: tuple[str, ...] = ()
    reported_at: datetime


def status_now(report: RunnerReport | None, now: datetime) -> RunnerStatus:
    """What the report says of now: an old one, or none, that the runner is idle."""
    if report is None:
        return RunnerStatus.IDLE
    age = now - report.reported_at
    is_current = (report.status is RunnerStatus.BUSY and age < WORK_LASTS) or (
        report.status is RunnerStatus.TROUBLED and age < TROUBLE_LASTS
    )
    return report.status if is_current else RunnerStatus.IDLE

"""The document `videoJobs/{jobId}`, its five steps and what may change in it.

The functions create it and settle its hold; the runner writes everything between under a lease. A job is queued, then
in progress, then exactly one of completed, failed and cancelled for good.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from contracts.message import Message


class JobStatus(StrEnum):
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


class StepName(StrEnum):
    """The steps in the order in which they run (specification, "video-jobs")."""

    AUDIO_VALIDATION = "audio_validation"
    AUDIO_GENERATION = "audio_generation"
    TIMELINE_CREATION = "timeline_creation"
    AUDIO_CONCATENATION = "audio_concatenation"
    VIDEO_GENERATION = "video_generation"


# Each step's share of the whole, in percent: speech and encode take nearly all the time of a render.
STEP_SHARE_PERCENT = {
    StepName.AUDIO_VALIDATION: 5,
    StepName.AUDIO_GENERATION: 45,
    StepName.TIMELINE_CREATION: 2,
    StepName.AUDIO_CONCATENATION: 3,
    StepName.VIDEO_GENERATION: 45,
}

MAX_ATTEMPTS = 3
# A runner that misses three heartbeats is taken for dead; its successor waits no longer than the lease.
LEASE = timedelta(seconds=30)
HEARTBEAT = timedelta(seconds=10)
# Past this age a job is failed and its hold released: nobody waits longer, and the queue gives up after two hours.
DEADLINE = timedelta(hours=6)


class StepStatus(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class Step(Message):
    step_name: StepName
    status: StepStatus = StepStatus.PENDING
    progress: float = Field(default=0.0, ge=0, le=100)
    message: str = ""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None


class VideoFile(Message):
    """A published video: a name in the media bucket and what was measured of it."""

    object_name: str
    duration_seconds: float
    size_bytes: int


class Enqueueing(Message):
    """The intention to have a Cloud Task: written with the job, fulfilled after the commit.

    `attempt` is part of the task's name, because a name that was used before is refused for a while.
    """

    state: Literal["pending", "created"] = "pending"
    attempt: int = 1


class VideoJob(Message):
    version: Literal[1] = 1
    job_id: str
    script_id: str
    user_id: str
    title: str
    status: JobStatus = JobStatus.QUEUED
    current_step: StepName | None = None
    steps: tuple[Step, ...] = tuple(Step(step_name=name) for name in StepName)
    overall_progress: float = 0.0
    price_tokens: int
    background_video: str
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime
    video: VideoFile | None = None
    encoder: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    enqueueing: Enqueueing = Enqueueing()
    # The lease. A write of the runner counts only while its fence is the document's.
    fence: int = 0
    lease_until: datetime | None = None
    attempts: int = 0
    # When the script's dialogue was last edited while the job ran, which works from its snapshot.
    dialogue_edited_at: datetime | None = None
    # When the minute function should look whether something was left undone; None once the hold is settled.
    check_at: datetime | None = None


def overall_progress_percent(steps: Sequence[Step]) -> float:
    """The whole job's progress, 0 to 100, from its steps' progress and shares."""
    return round(sum(STEP_SHARE_PERCENT[step.step_name] * step.progress / 100 for step in steps), 1)


def failed_steps(steps: Sequence[Step], message: str) -> tuple[Step, ...]:
    """The steps of a job that fails now: the one in progress, or else the first pending one, is failed and says why."""
    failing = next(
        (step for status in (StepStatus.IN_PROGRESS, StepStatus.PENDING) for step in steps if step.status is status),
        None,
    )
    changes = {"status": StepStatus.FAILED, "error_message": message}
    return tuple(step.model_copy(update=changes) if step is failing else step for step in steps)


def ended_fields(job: VideoJob, now: datetime, status: JobStatus) -> dict[str, Any]:
    """The fields to update of a job that ends now. The fence moves on, so that no runner writes after it."""
    return {"status": status, "completedAt": now, "fence": job.fence + 1, "leaseUntil": None, "checkAt": now}


def failed_fields(job: VideoJob, now: datetime, steps: Sequence[Step], code: str, message: str) -> dict[str, Any]:
    """The fields to update of a job that fails now, with its steps as they stand; the message is for its user."""
    failed = failed_steps(steps, message)
    return ended_fields(job, now, JobStatus.FAILED) | {
        "steps": [step.to_document() for step in failed],
        "currentStep": next((step.step_name for step in failed if step.status is StepStatus.FAILED), job.current_step),
        "errorCode": code,
        "errorMessage": message,
    }


def completed_steps(steps: Sequence[Step]) -> int:
    return sum(step.status is StepStatus.COMPLETED for step in steps)

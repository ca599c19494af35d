"""A job as clients see it: the specification's words for it, the same in every answer."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from contracts.video_job import JobStatus, Step, StepName, StepStatus, VideoJob, completed_steps
from gcp.models import Answer
from media.signing import signed_path

EDITED_SINCE = "Made from the dialogue as it was when the video was started; later edits are for the next one."


def _one_of(*values: str) -> Any:
    """For the API document: what clients may be told, and no more. They rely on it, so that nothing is ever added."""
    return Field(json_schema_extra={"enum": list(values)})


_STATUSES = [status for status in JobStatus if status is not JobStatus.CANCELLED]
ShownStatus = Annotated[str, _one_of(*_STATUSES)]
ShownStatusOrPending = Annotated[str, _one_of(StepStatus.PENDING, *_STATUSES)]
ShownStage = Annotated[str, _one_of("", *StepName, "completed")]


class JobView:
    """What every answer about a job agrees on. A cancelled job is shown as failed, which older clients know."""

    def __init__(self, job: VideoJob) -> None:
        self.job = job

    @property
    def status(self) -> str:
        return JobStatus.FAILED if self.job.status is JobStatus.CANCELLED else self.job.status

    @property
    def progress(self) -> float:
        return self.job.overall_progress

    @property
    def current_step(self) -> str:
        if self.job.status is JobStatus.COMPLETED:
            return "completed"
        return self.job.current_step or ""

    @property
    def message(self) -> str:
        """What the current step last said, and the note."""
        current = next((step for step in self.job.steps if step.step_name == self.job.current_step), None)
        said = current.message if current else ""
        if self.note is None:
            return said
        return f"{said}{'' if said.endswith('.') else '.'} {self.note}" if said else self.note

    @property
    def note(self) -> str | None:
        """That the dialogue was edited while the job ran; not of a job that made nothing."""
        made = self.job.status not in (JobStatus.FAILED, JobStatus.CANCELLED)
        return EDITED_SINCE if made and self.job.dialogue_edited_at else None

    @property
    def error_message(self) -> str | None:
        return "Cancelled" if self.job.status is JobStatus.CANCELLED else self.job.error_message

    def video_path(self, secrets: tuple[str, ...], now: datetime) -> str | None:
        return signed_path(self.job.video.object_name, secrets, now) if self.job.video else None


class StepAnswer(Answer):
    step_name: StepName
    status: StepStatus
    progress: float
    message: str
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None

    @classmethod
    def of(cls, step: Step) -> "StepAnswer":
        return cls(**step.model_dump())


class VideoJobAnswer(Answer):
    """The job in all its fields (specification, "video-jobs"), and what else its owner should know of it."""

    job_id: str
    script_id: str
    user_id: str
    status: ShownStatus
    overall_progress: float
    current_step: ShownStage
    steps: list[StepAnswer]
    total_steps: int
    completed_steps: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    final_video_path: str | None
    video_duration: float | None
    video_size: int | None
    error_message: str | None
    note: str | None

    @classmethod
    def of(cls, job: VideoJob, secrets: tuple[str, ...], now: datetime) -> "VideoJobAnswer":
        view = JobView(job)
        return cls(
            job_id=job.job_id,
            script_id=job.script_id,
            user_id=job.user_id,
            status=view.status,
            overall_progress=view.progress,
            current_step=view.current_step,
            steps=[StepAnswer.of(step) for step in job.steps],
            total_steps=len(job.steps),
            completed_steps=completed_steps(job.steps),
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            final_video_path=view.video_path(secrets, now),
            video_duration=job.video.duration_seconds if job.video else None,
            video_size=job.video.size_bytes if job.video else None,
            error_message=view.error_message,
            note=view.note,
        )


class VideoStatusAnswer(Answer):
    """The newest job of a script in brief (specification, "video-status")."""

    script_id: str
    status: ShownStatusOrPending
    stage: ShownStage
    progress: float
    message: str
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    final_video_path: str | None

    @classmethod
    def of(cls, script_id: str, job: VideoJob | None, secrets: tuple[str, ...], now: datetime) -> "VideoStatusAnswer":
        if job is None:
            return cls(
                script_id=script_id,
                status=StepStatus.PENDING,
                stage="",
                progress=0.0,
                message="",
                started_at=None,
                completed_at=None,
                error_message=None,
                final_video_path=None,
            )
        view = JobView(job)
        return cls(
            script_id=script_id,
            status=view.status,
            stage=view.current_step,
            progress=view.progress,
            message=view.message,
            started_at=job.started_at,
            completed_at=job.completed_at,
            error_message=view.error_message,
            final_video_path=view.video_path(secrets, now),
        )

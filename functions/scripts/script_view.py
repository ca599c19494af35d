"""A script as clients see it (specification, "my-scripts"), with the newest job's own words about itself."""

from datetime import datetime

from contracts.video_job import VideoJob
from gcp.models import Answer
from media.signing import signed_path
from scripts.script import Script
from videos.job_view import JobView, ShownStage, ShownStatus


class LineAnswer(Answer):
    """`audioFile` is a path that loads by itself, or empty while the line was not spoken."""

    speaker: str
    text: str
    audio_file: str


class ScriptAnswer(Answer):
    """The job's fields are null, its progress 0, when the script never had one."""

    id: str
    selected_characters: list[str]
    original_prompt: str
    dialogue: list[LineAnswer]
    created_at: datetime
    updated_at: datetime
    has_audio: bool
    audio_count: int
    final_video_path: str | None
    video_duration: float | None
    video_size: int | None
    video_job_id: str | None
    video_job_status: ShownStatus | None
    video_job_progress: float
    video_job_current_step: ShownStage | None
    video_job_started_at: datetime | None
    video_job_completed_at: datetime | None
    video_job_error_message: str | None

    @classmethod
    def of(cls, script: Script, job: VideoJob | None, secrets: tuple[str, ...], now: datetime) -> "ScriptAnswer":
        """`job` is the script's newest, None also when its document is gone."""
        audio_count = sum(line.audio_object is not None for line in script.dialogue)
        video = script.video
        view = JobView(job) if job else None
        return cls(
            id=script.id,
            selected_characters=list(script.selected_characters),
            original_prompt=script.original_prompt,
            dialogue=[
                LineAnswer(
                    speaker=line.speaker,
                    text=line.text,
                    audio_file=signed_path(line.audio_object, secrets, now) if line.audio_object else "",
                )
                for line in script.dialogue
            ],
            created_at=script.created_at,
            updated_at=script.updated_at,
            has_audio=audio_count > 0,
            audio_count=audio_count,
            final_video_path=signed_path(video.object_name, secrets, now) if video else None,
            video_duration=video.duration_seconds if video else None,
            video_size=video.size_bytes if video else None,
            video_job_id=job.job_id if job else None,
            video_job_status=view.status if view else None,
            video_job_progress=view.progress if view else 0.0,
            video_job_current_step=view.current_step if view else None,
            video_job_started_at=job.started_at if job else None,
            video_job_completed_at=job.completed_at if job else None,
            video_job_error_message=view.error_message if view else None,
        )

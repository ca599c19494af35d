"""How far the audio of a script is, from its lines and its newest job (web client calls, "audio-status")."""

from typing import Literal

from contracts.video_job import JobStatus, StepName, VideoJob
from gcp.models import Answer
from scripts.script import Script

AudioState = Literal["pending", "processing", "completed", "failed", "partial"]


class AudioStatusAnswer(Answer):
    """The lines of the dialogue as it is now: all of them, and how many have their audio or have failed to get it.

    | newest job            | lines with audio | status     | completed        | failed          |
    |-----------------------|------------------|------------|------------------|-----------------|
    | queued or in progress | any              | processing | those it has had | 0               |
    | ended, or none        | all              | completed  | all              | 0               |
    | completed, or none    | some             | partial    | these            | 0               |
    | completed, or none    | no line          | pending    | 0                | 0               |
    | failed or cancelled   | some             | partial    | these            | all without     |
    | failed or cancelled   | no line          | failed     | 0                | all             |

    A job whose document is gone counts as none. While a job runs, its step `audio_generation` tells the share of the
    lines that it has had, unless the dialogue was edited since; those that the script has audio of are not taken back.
    Lines that were edited after the
    last video have no audio, and nothing has failed for them. Processed are the completed and the failed ones.
    """

    script_id: str
    status: AudioState
    total_lines: int
    processed_lines: int
    completed_lines: int
    failed_lines: int

    @classmethod
    def of(cls, script: Script, job: VideoJob | None) -> "AudioStatusAnswer":
        """`job` is the script's newest, None also when its document is gone."""
        total = len(script.dialogue)
        completed = sum(line.audio_object is not None for line in script.dialogue)
        failed = 0
        status: AudioState
        if job is not None and not job.status.is_terminal:
            # What the job speaks is the dialogue as it was: of an edited one, the step's progress tells nothing.
            spoken = 0 if job.dialogue_edited_at else _lines_spoken(job, total)
            status, completed = "processing", max(completed, spoken)
        elif completed == total:
            status = "completed"
        elif job is None or job.status is JobStatus.COMPLETED:
            status = "partial" if completed else "pending"
        else:
            status, failed = "partial" if completed else "failed", total - completed
        return cls(
            script_id=script.id,
            status=status,
            total_lines=total,
            processed_lines=completed + failed,
            completed_lines=completed,
            failed_lines=failed,
        )


def _lines_spoken(job: VideoJob, total: int) -> int:
    """As many of the lines as the step's progress says, rounded down."""
    step = next(each for each in job.steps if each.step_name is StepName.AUDIO_GENERATION)
    # The progress is kept to a tenth of a percent, at most a tenth of a line of 100: 1 of 3 lines is 33.3 percent.
    return int(total * step.progress / 100 + 0.1)

"""Every row of the table in scripts.audio_status."""

from datetime import UTC, datetime

import pytest

from contracts.video_job import JobStatus, Step, StepName, VideoJob
from scripts.audio_status import AudioStatusAnswer
from scripts.script import DialogueLine, Script

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def script_of(*, lines: int, with_audio: int) -> Script:
    return Script(
        id="a" * 32,
        owner_id="anna",
        selected_characters=("tom", "eva"),
        original_prompt="Write a dialogue about tea.",
        dialogue=tuple(
            DialogueLine(speaker="tom", text=f"Tea {number}.", audio_object="o" if number < with_audio else None)
            for number in range(lines)
        ),
        created_at=NOW,
        updated_at=NOW,
    )


def job_of(status: JobStatus, *, progress: float = 0.0) -> VideoJob:
    steps = tuple(
        Step(step_name=name, progress=progress if name is StepName.AUDIO_GENERATION else 0.0) for name in StepName
    )
    return VideoJob(
        job_id="b" * 32,
        script_id="a" * 32,
        user_id="anna",
        title="t",
        status=status,
        steps=steps,
        price_tokens=1,
        background_video="b.mp4",
        created_at=NOW,
        deadline_at=NOW,
    )


Row = tuple[JobStatus | None, int, tuple[str, int, int, int]]
# The newest job, how many of four lines have audio; the status and how many are processed, completed and failed.
ROWS: dict[str, Row] = {
    "queued, no audio": (JobStatus.QUEUED, 0, ("processing", 0, 0, 0)),
    "queued, audio from before": (JobStatus.QUEUED, 3, ("processing", 3, 3, 0)),
    "queued, all the audio from before": (JobStatus.QUEUED, 4, ("processing", 4, 4, 0)),
    "in progress": (JobStatus.IN_PROGRESS, 0, ("processing", 0, 0, 0)),
    "completed, all lines": (JobStatus.COMPLETED, 4, ("completed", 4, 4, 0)),
    "failed, all lines": (JobStatus.FAILED, 4, ("completed", 4, 4, 0)),
    "cancelled, all lines": (JobStatus.CANCELLED, 4, ("completed", 4, 4, 0)),
    "no job, all lines": (None, 4, ("completed", 4, 4, 0)),
    "completed, a line edited since": (JobStatus.COMPLETED, 3, ("partial", 3, 3, 0)),
    "no job, some lines": (None, 1, ("partial", 1, 1, 0)),
    "completed, all lines edited since": (JobStatus.COMPLETED, 0, ("pending", 0, 0, 0)),
    "never had a job": (None, 0, ("pending", 0, 0, 0)),
    "failed, some lines": (JobStatus.FAILED, 1, ("partial", 4, 1, 3)),
    "cancelled, some lines": (JobStatus.CANCELLED, 1, ("partial", 4, 1, 3)),
    "failed, no line": (JobStatus.FAILED, 0, ("failed", 4, 0, 4)),
    "cancelled, no line": (JobStatus.CANCELLED, 0, ("failed", 4, 0, 4)),
}


@pytest.mark.parametrize(("job_status", "with_audio", "expected"), ROWS.values(), ids=ROWS)
def test_a_row_of_the_table(job_status: JobStatus | None, with_audio: int, expected: tuple[str, int, int, int]) -> None:
    script = script_of(lines=4, with_audio=with_audio)

    status = AudioStatusAnswer.of(script, job_of(job_status) if job_status else None)

    assert status.total_lines == 4
    assert (status.status, status.processed_lines, status.completed_lines, status.failed_lines) == expected


@pytest.mark.parametrize("lines", [1, 3, 7, 97, 100])
@pytest.mark.parametrize("share", [0.0, 0.34, 0.5, 0.99, 1.0])
def test_a_running_job_has_had_as_many_lines_as_its_progress_says(lines: int, share: float) -> None:
    spoken = int(lines * share)
    # As the runner writes it, to a tenth of a percent.
    job = job_of(JobStatus.IN_PROGRESS, progress=round(100 * spoken / lines, 1))

    status = AudioStatusAnswer.of(script_of(lines=lines, with_audio=0), job)

    assert (status.status, status.completed_lines, status.processed_lines) == ("processing", spoken, spoken)


def test_a_second_attempt_that_begins_again_takes_no_line_back() -> None:
    status = AudioStatusAnswer.of(script_of(lines=4, with_audio=3), job_of(JobStatus.IN_PROGRESS, progress=25.0))

    assert status.completed_lines == 3


def test_of_an_edited_dialogue_only_the_lines_that_have_audio_count_while_the_job_runs() -> None:
    job = job_of(JobStatus.IN_PROGRESS, progress=100.0).model_copy(update={"dialogue_edited_at": NOW})

    answer = AudioStatusAnswer.of(script_of(lines=4, with_audio=1), job)

    assert (answer.status, answer.completed_lines) == ("processing", 1)

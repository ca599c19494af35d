"""The document `deadLetters/{jobId}`: a job that was given up, with what an operator needs to try it again.

Written in the transaction that fails the job because its attempts are used up (gpu_runner.jobs) or its deadline has
passed (videos.jobs). It holds nothing that a user wrote. Firestore removes it after `expireAt`.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from contracts import log
from contracts.message import Message
from contracts.video_job import VideoJob

KEPT = timedelta(days=90)


class DeadLetter(Message):
    """`reason` is the last trouble in the words of the log; `retried_as` is the job that an operator made of it."""

    version: Literal[1] = 1
    job_id: str
    user_id: str
    script_id: str
    background_video: str
    error_code: str
    reason: str
    attempts: int
    failed_at: datetime
    expire_at: datetime
    retried_as: str | None = None


def dead_letter_of(job: VideoJob, *, code: str, reason: str, now: datetime) -> DeadLetter:
    """The dead letter of a job that fails now."""
    return DeadLetter(
        job_id=job.job_id,
        user_id=job.user_id,
        script_id=job.script_id,
        background_video=job.background_video,
        error_code=code,
        reason=reason,
        attempts=job.attempts,
        failed_at=now,
        expire_at=now + KEPT,
    )


def log_dead_letter(letter: DeadLetter) -> None:
    """An operator is told of the letter, by whoever wrote it and once that is committed."""
    log.error(
        "video_job_dead_lettered",
        job_id=letter.job_id,
        code=letter.error_code,
        reason=letter.reason,
        attempts=letter.attempts,
    )


def retried_job_id(job_id: str) -> str:
    """The id of the job that is made of this one's dead letter: the same however often it is tried again."""
    return hashlib.sha256(f"retry:{job_id}".encode()).hexdigest()[:32]

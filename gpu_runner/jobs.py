"""The runner's writes to a job, each in a transaction that checks the fence.

What the functions write is in functions/videos/jobs.py. Both keep contracts.video_job.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore import Client, DocumentReference, Transaction, transactional
from pydantic import ValidationError

from contracts.dead_letter import DeadLetter, dead_letter_of, log_dead_letter
from contracts.job_snapshot import JobSnapshot
from contracts.media_deletion import new_media_deletion
from contracts.publication import published_script_fields, transcript_fields, unused_lines
from contracts.video_job import (
    LEASE,
    MAX_ATTEMPTS,
    JobStatus,
    Step,
    StepName,
    VideoFile,
    VideoJob,
    ended_fields,
    failed_fields,
    overall_progress_percent,
)
from gpu_runner.errors import HopelessError, LeaseLostError, TransientError, attempts_used_up

Result = TypeVar("Result")

# After a lease ran out, the queue's own retry comes first; the minute function looks a little later.
CHECK_GRACE = timedelta(seconds=60)
_CHECK_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Busy:
    """Another runner holds the lease."""


@dataclass(frozen=True)
class Ended:
    """There is nothing to do: the job is gone, has ended, or has just used up its attempts."""

    reason: str


class Jobs:
    """The job documents, as one runner may write them. Raises TransientError when Firestore does not do its part."""

    def __init__(self, db: Client, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._db = db
        self._now = now

    def claim(self, job_id: str) -> VideoJob | Busy | Ended:
        """The job, its lease ours under a new fence, unless another runner holds it or the job has ended.

        A job that has used up its attempts is failed here, with its dead letter. Safe to repeat: tasks are delivered
        more than once. Raises pydantic's ValidationError for a document that is no job.
        """
        reference = self._job(job_id)

        def claim(transaction: Transaction) -> VideoJob | Busy | Ended | DeadLetter:
            fields = _read(reference, transaction)
            if fields is None:
                return Ended("unknown")
            job, now = VideoJob.model_validate(fields), self._now()
            if job.status.is_terminal:
                return Ended(job.status)
            if job.lease_until is not None and job.lease_until > now:
                return Busy()
            if job.attempts >= MAX_ATTEMPTS:
                # Whoever made the last attempt neither ended the job nor gave it back.
                return self._give_up(transaction, job, now, attempts_used_up(), job.steps, trouble="the runner died")
            changed = {
                "status": JobStatus.IN_PROGRESS,
                "fence": job.fence + 1,
                "attempts": job.attempts + 1,
                "startedAt": job.started_at or now,
                **_lease_fields(job, now),
            }
            transaction.update(reference, changed)
            return VideoJob.model_validate(fields | changed)

        claimed = self._transact(claim)
        if isinstance(claimed, DeadLetter):
            log_dead_letter(claimed)
            return Ended("attempts_used_up")
        return claimed

    def read_snapshot(self, job: VideoJob) -> JobSnapshot:
        """What is to be rendered. Raises HopelessError when that is missing or cannot be understood."""
        with firestore_errors():
            fields = _read(self._snapshot(job))
        try:
            return JobSnapshot.model_validate(fields)
        except ValidationError as error:
            raise HopelessError("SNAPSHOT_UNREADABLE", "The plan of this video could not be read.") from error

    def extend_lease(self, job: VideoJob) -> None:
        """The lease runs from now again. Raises LeaseLostError."""
        self._fenced(job, _lease_fields)

    def check_lease(self, job: VideoJob) -> None:
        """Nothing, while the lease is ours. Raises LeaseLostError when the job has ended or another runner has it.

        One plain read, so that it can be asked every few seconds, and tried once: whoever asks, asks again.
        """
        with firestore_errors():
            asked = self._job(job.job_id).get(["fence", "status"], retry=None, timeout=_CHECK_TIMEOUT_SECONDS)
            fields = asked.to_dict() or {}
        # A job whose lease is held is in progress and nothing else.
        if fields.get("fence") != job.fence or fields.get("status") != JobStatus.IN_PROGRESS:
            raise LeaseLostError

    def write_progress(self, job: VideoJob, steps: Sequence[Step], current: StepName) -> None:
        """The steps are in the document, and the lease runs from now again. Raises LeaseLostError."""

        def fields(stored: VideoJob, now: datetime) -> dict[str, Any]:
            return {
                "steps": [step.to_document() for step in steps],
                "currentStep": current,
                # A second attempt begins at the first step; what clients see does not go back.
                "overallProgress": max(stored.overall_progress, overall_progress_percent(steps)),
                **_lease_fields(stored, now),
            }

        self._fenced(job, fields)

    def store_transcript(self, job: VideoJob, snapshot: JobSnapshot) -> None:
        """The snapshot's transcripts are stored with the job, and with each character that still has that recording.

        A character's words that its user wrote stay. Raises LeaseLostError.
        """
        characters = {
            each.character_id: self._db.document("characters", each.character_id) for each in snapshot.speakers
        }

        def store(transaction: Transaction) -> None:
            self._check_fence(transaction, job)
            stored = {key: _read(reference, transaction) for key, reference in characters.items()}
            transaction.set(self._snapshot(job), snapshot.to_document())
            for speaker in snapshot.speakers:
                recording = (stored[speaker.character_id] or {}).get("recording", {})
                is_users = recording.get("refText") and not recording.get("refTextBy")
                if recording.get("objectName") == speaker.recording and not is_users:
                    fields = transcript_fields(speaker.ref_text, speaker.ref_text_by)
                    transaction.update(characters[speaker.character_id], fields)

        self._transact(store)

    def complete(
        self,
        job: VideoJob,
        *,
        steps: Sequence[Step],
        video: VideoFile,
        encoder: str,
        audio_objects: Mapping[tuple[str, str], str],
    ) -> JobStatus:
        """The job is completed and its video published with the script, in one transaction: whether the user pays is
        decided here and nowhere else. Cancelled instead when the script, one of its characters or the account was
        deleted meanwhile and nobody has cancelled it yet. Lines that no longer belong to the script, and a video that
        belongs to none, are listed for deletion. Raises LeaseLostError.
        """
        script_reference = self._db.document("scripts", job.script_id)

        def complete(transaction: Transaction) -> JobStatus:
            current = self._check_fence(transaction, job)
            script = _read(script_reference, transaction)
            is_wanted = script is not None and self._is_wanted(transaction, job)
            now = self._now()
            fields = script or {}
            published = (
                published_script_fields(fields.get("dialogue", []), audio_objects, video) if is_wanted else fields
            )
            unused = unused_lines(fields, published, audio_objects.values())
            if unused or not is_wanted:
                # They wait until this job's hold is settled, and any other job of the user's that may have found them.
                unused += () if is_wanted else (video.object_name,)
                deletion = new_media_deletion(unused, owner_id=job.user_id, now=now)
                transaction.set(self._db.document("mediaDeletions", f"{job.job_id}_lines"), deletion.to_document())
            if not is_wanted:
                transaction.update(self._job(job.job_id), ended_fields(current, now, JobStatus.CANCELLED))
                return JobStatus.CANCELLED
            completed = ended_fields(current, now, JobStatus.COMPLETED) | {
                "steps": [step.to_document() for step in steps],
                "currentStep": StepName.VIDEO_GENERATION,
                "overallProgress": 100.0,
                "video": video.to_document(),
                "encoder": encoder,
            }
            transaction.update(self._job(job.job_id), completed)
            transaction.update(script_reference, published)
            return JobStatus.COMPLETED

        return self._transact(complete)

    def _is_wanted(self, transaction: Transaction, job: VideoJob) -> bool:
        """Whether the account and every character of the job are there. Who deletes one cancels the job by an event;
        this finds what a lost one left. A user's document that an admin has deleted is no deleted account.
        """
        snapshot = self._snapshot(job).get(["characterIds"], transaction=transaction).to_dict() or {}
        user = self._db.document("users", job.user_id)
        characters = [self._db.document("characters", each) for each in snapshot.get("characterIds", ())]
        read = self._db.get_all([user, *characters], field_paths=["deletedAt"], transaction=transaction)
        found = {each.reference: each for each in read}
        is_closed = bool((found.pop(user).to_dict() or {}).get("deletedAt"))
        return not is_closed and all(each.exists for each in found.values())

    def fail(self, job: VideoJob, reason: HopelessError, steps: Sequence[Step]) -> None:
        """The job is failed for good, in the step where it stands, with words for its user. Raises LeaseLostError."""
        self._fenced(job, lambda current, now: _failed(current, now, reason, steps))

    def give_up(self, job: VideoJob, reason: HopelessError, steps: Sequence[Step], *, trouble: str) -> None:
        """As `fail`, of a job whose attempts are used up: it might still be made, so that its dead letter is kept.

        `trouble` is what ended the last attempt, in the words of the log.
        """

        def give_up(transaction: Transaction) -> DeadLetter:
            current = self._check_fence(transaction, job)
            return self._give_up(transaction, current, self._now(), reason, steps, trouble=trouble)

        log_dead_letter(self._transact(give_up))

    def give_back(self, job: VideoJob, *, attempt_counts: bool) -> None:
        """The lease is free at once, and an attempt that does not count is given back too. Raises LeaseLostError."""

        def fields(current: VideoJob, now: datetime) -> dict[str, Any]:
            return {
                "leaseUntil": None,
                "checkAt": min(now + CHECK_GRACE, current.deadline_at),
                "attempts": current.attempts if attempt_counts else max(0, current.attempts - 1),
            }

        self._fenced(job, fields)

    def _give_up(
        self,
        transaction: Transaction,
        job: VideoJob,
        now: datetime,
        reason: HopelessError,
        steps: Sequence[Step],
        *,
        trouble: str,
    ) -> DeadLetter:
        letter = dead_letter_of(job, code=reason.code, reason=trouble, now=now)
        transaction.update(self._job(job.job_id), _failed(job, now, reason, steps))
        transaction.set(self._db.document("deadLetters", job.job_id), letter.to_document())
        return letter

    def _fenced(self, job: VideoJob, fields: Callable[[VideoJob, datetime], dict[str, Any]]) -> None:
        def write(transaction: Transaction) -> None:
            current = self._check_fence(transaction, job)
            transaction.update(self._job(job.job_id), fields(current, self._now()))

        self._transact(write)

    def _check_fence(self, transaction: Transaction, job: VideoJob) -> VideoJob:
        fields = _read(self._job(job.job_id), transaction)
        current = VideoJob.model_validate(fields) if fields else None
        if current is None or current.status.is_terminal or current.fence != job.fence:
            raise LeaseLostError
        return current

    def _job(self, job_id: str) -> DocumentReference:
        return self._db.document("videoJobs", job_id)

    def _snapshot(self, job: VideoJob) -> DocumentReference:
        return self._db.document("videoJobSnapshots", job.job_id)

    def _transact(self, body: Callable[[Transaction], Result]) -> Result:
        with firestore_errors():
            result: Result = transactional(body)(self._db.transaction(max_attempts=10))
        return result


@contextmanager
def firestore_errors() -> Iterator[None]:
    """What Firestore's client raises becomes a TransientError."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise TransientError(f"Firestore failed: {type(error).__name__}") from error
    except ValueError as error:
        # How the library says that every attempt to commit met contention, and what hides a failure to begin.
        if not any(text in str(error) for text in ("Failed to commit transaction", "cannot be rolled back")):
            raise
        raise TransientError("Firestore failed: the transaction did not come about") from error


def _read(reference: DocumentReference, transaction: Transaction | None = None) -> dict[str, Any] | None:
    """The document's fields, None when there is no such document."""
    fields: dict[str, Any] | None = reference.get(transaction=transaction).to_dict()
    return fields


def _lease_fields(job: VideoJob, now: datetime) -> dict[str, Any]:
    """The lease runs from now. A job past its deadline is looked at then, however long its lease."""
    return {"leaseUntil": now + LEASE, "checkAt": min(now + LEASE + CHECK_GRACE, job.deadline_at)}


def _failed(job: VideoJob, now: datetime, reason: HopelessError, steps: Sequence[Step]) -> dict[str, Any]:
    message = f"{reason.message} You were not charged."
    return failed_fields(job, now, steps, reason.code, message)

"""The functions' writes to `videoJobs/{jobId}`: starting, enqueueing, failing and settling a job.

What the runner writes is in gpu_runner.jobs. Both keep contracts.video_job.
"""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from accounts.users import find_user, require_account
from activities.activity import Activity, ActivityType, write_activity
from characters.store import find_characters
from config.platform import effective_config
from contracts import log
from contracts.dead_letter import DeadLetter, dead_letter_of, log_dead_letter
from contracts.job_snapshot import JobSnapshot, Line, Speaker
from contracts.media_paths import video_object
from contracts.video_job import DEADLINE, Enqueueing, JobStatus, VideoJob, ended_fields, failed_fields
from gcp.documents import read_document
from gcp.errors import InsufficientTokens, JobUnfinished, NotFound, RateLimited, ValidationFailed
from gcp.idempotency import Key, find_earlier, remember
from gcp.transactions import transact
from media.deletions import write_media_deletion
from scripts.store import find_own_script
from tokens.balance import tokens_text
from tokens.ledger import Hold, count_open_holds, hold_reference, write_hold, write_settlement
from tokens.reconciliation import Sums, sum_ledger
from videos.backgrounds import find_background

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

    from scripts.script import Script

# How long after its commit a job without a task is taken for forgotten.
ENQUEUE_PATIENCE = timedelta(seconds=60)
# How often a job that waits in the queue is looked at.
QUEUE_PATIENCE = timedelta(minutes=5)
# When a user with too many unfinished jobs is told to try again: one of them may well have ended by then.
_UNFINISHED_RETRY_SECONDS = 60
_OVERDUE_CODE = "DEADLINE_EXCEEDED"
_OVERDUE = "The video took too long to make. You were not charged."
_JOB_ID = re.compile(r"[0-9a-f]{32}")


def job_reference(db: "Client", job_id: str) -> "DocumentReference":
    return db.document("videoJobs", job_id)


def snapshot_reference(db: "Client", job_id: str) -> "DocumentReference":
    return db.document("videoJobSnapshots", job_id)


def dead_letter_reference(db: "Client", job_id: str) -> "DocumentReference":
    return db.document("deadLetters", job_id)


def is_job_id(text: str) -> bool:
    """Asked of every id before it becomes part of a document's path: Firestore refuses some names."""
    return _JOB_ID.fullmatch(text) is not None


def find_job(db: "Client", job_id: str, *, transaction: "Transaction | None" = None) -> VideoJob | None:
    """The job of that id; None also for a document that is no job any more, and for a text that is no job's id."""
    if not is_job_id(job_id):
        return None
    return read_document(VideoJob, job_reference(db, job_id).get(transaction=transaction))


def find_jobs(db: "Client", job_ids: Sequence[str]) -> dict[str, VideoJob]:
    """The jobs of these ids in one read; missing ones are absent."""
    if not job_ids:
        return {}
    found = db.get_all([job_reference(db, job_id) for job_id in job_ids])
    return {job.job_id: job for each in found if (job := read_document(VideoJob, each))}


def new_job_id() -> str:
    return uuid.uuid4().hex


def start_job(
    db: "Client",
    *,
    job_id: str,
    user_id: str,
    script_id: str,
    background_video: str | None,
    now: datetime,
    key: Key | None = None,
    check_after: timedelta = ENQUEUE_PATIENCE,
) -> VideoJob:
    """A queued job with its snapshot, the hold of its price and the intention to enqueue it, in one transaction.

    The job of an earlier request with the same key, as it is now, when there was one. Raises IdempotencyKeyReused when
    that was another request, before it looks at anything else. Without a key, starting a job of this id again gives
    the job. Who does not enqueue it leaves that to the minute function, after `check_after`.

    Raises NotFound for a script that is not the user's, JobUnfinished while an earlier job of it runs,
    InsufficientTokens when what is not held is less than the price, RateLimited while as many jobs of the user as the
    platform allows are unfinished, ValidationFailed when a character is gone or the background is unknown, and
    Unavailable when there is no background at all.
    """
    config = effective_config(db)
    price = config.price_tokens

    def start(transaction: "Transaction") -> VideoJob:
        if key and (repeated := find_earlier(transaction, key, now)):
            return _require_job(find_job(db, repeated.resource_id, transaction=transaction))
        script = find_own_script(db, script_id, user_id, transaction=transaction)
        earlier = find_job(db, script.video_job_id, transaction=transaction) if script.video_job_id else None
        if earlier and earlier.job_id == job_id:
            # The job is made already: the commit's answer was lost, or it is an operator's second try.
            return earlier
        if earlier and not earlier.status.is_terminal:
            raise JobUnfinished(earlier.job_id)
        user = require_account(db, user_id, transaction=transaction)
        if user.tokens - user.held < price:
            raise InsufficientTokens(required=price, available=user.tokens - user.held)
        # Every unfinished job has its open hold. Two starts at once both change the user, so one of them counts again.
        if count_open_holds(db, user_id, most=config.unfinished_jobs) >= config.unfinished_jobs:
            message = f"At most {config.unfinished_jobs} of your videos are made at a time; wait until one is finished."
            raise RateLimited(message, retry_after_seconds=_UNFINISHED_RETRY_SECONDS)
        speakers = _speakers(db, transaction, script, user_id)
        background = find_background(db, background_video, job_id, transaction=transaction)
        job = VideoJob(
            job_id=job_id,
            script_id=script_id,
            user_id=user_id,
            title=script.title,
            price_tokens=price,
            background_video=background.name,
            created_at=now,
            deadline_at=now + DEADLINE,
            check_at=now + check_after,
        )
        snapshot = JobSnapshot(
            job_id=job_id,
            user_id=user_id,
            lines=tuple(Line(speaker=line.speaker, text=line.text) for line in script.dialogue),
            speakers=speakers,
            background=background,
        )
        if key:
            remember(transaction, key, job_id, now)
        transaction.create(job_reference(db, job_id), job.to_document())
        transaction.create(snapshot_reference(db, job_id), snapshot.to_document())
        transaction.update(db.document("scripts", script_id), {"videoJobId": job_id})
        write_hold(
            transaction,
            db,
            user_id=user_id,
            job_id=job_id,
            price_tokens=price,
            ledger_tokens=user.ledger_tokens,
            held=user.held,
            now=now,
        )
        return job

    return transact(db, start)


def _require_job(job: VideoJob | None) -> VideoJob:
    if job is None:
        raise NotFound("There is no such video job.")
    return job


def _speakers(db: "Client", transaction: "Transaction", script: "Script", user_id: str) -> tuple[Speaker, ...]:
    """The characters that speak in the dialogue, in the order in which they first do."""
    ids = list(dict.fromkeys(line.speaker for line in script.dialogue))
    found = find_characters(db, ids, transaction=transaction)
    speakers = []
    for character_id in ids:
        character = found.get(character_id)
        if character is None or not character.is_visible_to(user_id):
            message = "A character of this script no longer exists; edit the dialogue."
            raise ValidationFailed([{"loc": ["path", "scriptId"], "msg": message, "type": "value_error"}])
        speakers.append(
            Speaker(
                character_id=character_id,
                display_name=character.display_name,
                recording=character.recording.object_name,
                ref_text=character.recording.ref_text,
                ref_text_by=character.recording.ref_text_by,
                pictures=character.pictures,
                speed=character.config.speed,
                nfe_steps=character.config.nfe_steps,
                cross_fade_duration=character.config.cross_fade_duration,
                remove_silences=character.config.remove_silences,
            )
        )
    return tuple(speakers)


def mark_enqueued(db: "Client", job_id: str, attempt: int, now: datetime) -> None:
    """The intention of this attempt counts as fulfilled."""

    def mark(transaction: "Transaction") -> None:
        job = find_job(db, job_id, transaction=transaction)
        if job is None or job.enqueueing.attempt != attempt or job.status.is_terminal:
            return
        fields: dict[str, object] = {"enqueueing": Enqueueing(state="created", attempt=attempt).to_document()}
        if job.status is JobStatus.QUEUED:
            fields["checkAt"] = now + QUEUE_PATIENCE
        transaction.update(job_reference(db, job_id), fields)

    transact(db, mark)


def plan_next_attempt(db: "Client", job: VideoJob, now: datetime) -> Enqueueing:
    """The intention of one more task, because the queue has none for the job; the same when planned twice at once."""
    planned = Enqueueing(attempt=job.enqueueing.attempt + 1)

    def plan(transaction: "Transaction") -> Enqueueing:
        current = find_job(db, job.job_id, transaction=transaction)
        if current is None or current.status.is_terminal or current.enqueueing != job.enqueueing:
            return current.enqueueing if current else job.enqueueing
        fields = {"enqueueing": planned.to_document(), "checkAt": now + ENQUEUE_PATIENCE}
        transaction.update(job_reference(db, job.job_id), fields)
        return planned

    return transact(db, plan)


def postpone_check(db: "Client", job: VideoJob, check_at: datetime) -> None:
    """The job is looked at again then, unless somebody changed that in the meantime."""

    def postpone(transaction: "Transaction") -> None:
        current = find_job(db, job.job_id, transaction=transaction)
        if current and current.check_at == job.check_at:
            transaction.update(job_reference(db, job.job_id), {"checkAt": check_at})

    transact(db, postpone)


def fail_overdue_job(db: "Client", job_id: str, now: datetime) -> None:
    """A job past its deadline is failed, with its dead letter, and a runner that still holds its lease has lost it."""

    def fail(transaction: "Transaction") -> DeadLetter | None:
        job = find_job(db, job_id, transaction=transaction)
        if job is None or job.status.is_terminal or now < job.deadline_at:
            return None
        fields = failed_fields(job, now, job.steps, _OVERDUE_CODE, _OVERDUE)
        transaction.update(job_reference(db, job_id), fields)
        letter = dead_letter_of(job, code=_OVERDUE_CODE, reason="the deadline passed", now=now)
        transaction.set(dead_letter_reference(db, job_id), letter.to_document())
        return letter

    if written := transact(db, fail):
        log_dead_letter(written)


def cancel_job(db: "Client", job_id: str, now: datetime) -> VideoJob | None:
    """The job is cancelled unless it has ended, and a runner that holds its lease has lost it; the job as it is then.

    A task of it that the queue still has is answered by the runner with nothing to do.
    """

    def cancel(transaction: "Transaction") -> VideoJob | None:
        job = find_job(db, job_id, transaction=transaction)
        if job is None or job.status.is_terminal:
            return job
        fields = ended_fields(job, now, JobStatus.CANCELLED)
        transaction.update(job_reference(db, job_id), fields)
        return VideoJob.model_validate(job.to_document() | fields)

    return transact(db, cancel)


def settle_job(db: "Client", job_id: str, now: datetime) -> JobStatus | None:
    """The ended job's hold is captured or released, and its activities are in the log. Its status, if this call did it.

    Called by the trigger, by whoever cancels and by the minute function, in any order and any number of times: the
    hold's state decides once, in the transaction that moves the money. The snapshot goes with it: an ended job is
    rendered no more, and media is kept for jobs that have one. Videos of attempts that did not end the job are listed
    for deletion.
    """

    def settle(transaction: "Transaction") -> JobStatus | None:
        job = find_job(db, job_id, transaction=transaction)
        hold_fields = hold_reference(db, job_id).get(transaction=transaction).to_dict()
        if job is None or not job.status.is_terminal:
            return None
        hold = Hold.model_validate(hold_fields) if hold_fields else None
        user = find_user(db, job.user_id, transaction=transaction)
        if hold is None or hold.state != "held":
            if job.check_at is not None:
                transaction.update(job_reference(db, job_id), {"checkAt": None})
                transaction.delete(snapshot_reference(db, job_id))
            return None
        # The books go on without a document that an admin deleted: the next sign-in makes it again from their sums.
        sums = Sums(user.ledger_tokens, user.held) if user else sum_ledger(db, transaction, hold.user_id)
        transaction.update(job_reference(db, job_id), {"checkAt": None})
        transaction.delete(snapshot_reference(db, job_id))
        write_settlement(
            transaction,
            db,
            hold=hold,
            capture=job.status is JobStatus.COMPLETED,
            ledger_tokens=sums.tokens,
            held=sums.held,
            has_user=user is not None,
            now=now,
        )
        write_media_deletion(transaction, db, f"{job_id}_videos", _unused_videos(job), owner_id=job.user_id, now=now)
        for activity in job_activities(job, now) if user else ():
            write_activity(transaction, db, job.user_id, job_id, activity)
        return job.status

    return transact(db, settle)


def _unused_videos(job: VideoJob) -> list[str]:
    """What the ended job's runners may have uploaded before they died or lost their lease: all but its own video."""
    kept = job.video.object_name if job.video else None
    # The job's end took the last fence, without a runner.
    names = (video_object(job.user_id, job.job_id, fence) for fence in range(1, job.fence))
    return [name for name in names if name != kept]


def settle_and_log(db: "Client", job_id: str, now: datetime) -> bool:
    """As settle_job, with the line in the log that the trigger writes otherwise: the alerts count it."""
    status = settle_job(db, job_id, now)
    if status is not None:
        log.info("video_job_settled", job_id=job_id, status=status, by_this_event=True)
    return status is not None


def started_activity(job: VideoJob) -> Activity:
    return Activity(
        type=ActivityType.VIDEO_GENERATION_STARTED,
        message=f"Video generation started for script '{job.title}'",
        timestamp=job.created_at,
        script_id=job.script_id,
    )


def job_activities(job: VideoJob, now: datetime) -> list[Activity]:
    """All that the log says of an ended job, in order."""
    ended_at = job.completed_at or now
    activities = [started_activity(job)]
    if job.status is JobStatus.COMPLETED:
        activities += [
            Activity(
                type=ActivityType.VIDEO_GENERATION_COMPLETED,
                message=f"Video generation completed successfully for script '{job.title}'",
                timestamp=ended_at,
                script_id=job.script_id,
                video_object=job.video.object_name if job.video else None,
            ),
            Activity(
                type=ActivityType.TOKENS_DEDUCTED,
                message=f"{tokens_text(job.price_tokens)} deducted for the video of script '{job.title}'",
                timestamp=now,
                script_id=job.script_id,
            ),
        ]
    else:
        reason = "cancelled" if job.status is JobStatus.CANCELLED else "failed"
        activities.append(
            Activity(
                type=ActivityType.VIDEO_GENERATION_FAILED,
                message=f"Video generation {reason} for script '{job.title}'. You were not charged.",
                timestamp=ended_at,
                script_id=job.script_id,
            )
        )
    return activities

"""The videos of one user, moved on by one event at a time, in whatever order a test says.

What the platform does in production is done by hand: a write's event is kept until it is delivered, the queue keeps a
task until a runner has answered it, and the clock stands still between two events.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from activities.triggers import on_activity_created
from contracts.video_job import JobStatus, Step, StepName, VideoFile, VideoJob
from gcp import clients
from gcp.errors import InsufficientTokens, JobEnded, JobUnfinished
from gpu_runner.errors import HopelessError, LeaseLostError
from gpu_runner.jobs import Jobs
from videos.cancellation import cancel_own_job
from videos.jobs import cancel_job, find_job, new_job_id, start_job
from videos.minute import repair_due_jobs
from videos.queue import enqueue, has_render_task, task_name
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client

BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)
USER = "ann"
SCRIPTS = ("1" * 32, "2" * 32)
# How long the queue tries; three such times are longer than a job may take.
_QUEUE_GIVES_UP = timedelta(hours=2)
# Far more rounds than anything needs: a life that does not come to rest is a defect.
_ROUNDS = 12


class Event(NamedTuple):
    """A write of a job that changed its status."""

    job_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


class Life:
    """One user with SCRIPTS in a database that has nothing else, and all that happens to the user's jobs."""

    def __init__(self, db: "Client") -> None:
        self._db = db
        self._clock = BEGINNING
        self._job_ids: list[str] = []
        self._in_hand: list[VideoJob] = []
        self._events: list[Event] = []
        self._undelivered: list[Event] = []
        # What became of the events themselves: refused, too late, done.
        self.seen: Counter[str] = Counter()
        # What must never happen: a job that has ended ends otherwise.
        self.broken: list[str] = []

    def jobs(self) -> list[VideoJob]:
        """As they are stored."""
        found = (find_job(self._db, job_id) for job_id in self._job_ids)
        return [job for job in found if job is not None]

    # The five kinds of event.

    def start(self) -> None:
        """The user starts a video of the one script or of the other, in turn."""
        # Never the same in two lives: the queue remembers the names of tasks that it had.
        job_id = new_job_id()
        try:
            job = start_job(
                self._db,
                job_id=job_id,
                user_id=USER,
                script_id=SCRIPTS[self.seen["start"] % len(SCRIPTS)],
                background_video=None,
                now=self._clock,
            )
        except (InsufficientTokens, JobUnfinished) as refusal:
            self.seen[type(refusal).__name__] += 1
        else:
            self._job_ids.append(job_id)
            enqueue(self._db, job_id, job.enqueueing, self._clock)
        self.seen["start"] += 1

    def runner(self) -> None:
        """The runner takes a task, or ends the job in its hands, which another one took if its lease ran out."""
        held = self._in_hand.pop() if self._in_hand else None
        if held is not None and held.lease_until is not None and held.lease_until > self._clock:
            self._complete(held)
            return
        for job in self.jobs():
            if not has_render_task(job.job_id, job.enqueueing.attempt):
                continue
            claim = Jobs(self._db, now=lambda: self._clock).claim(job.job_id)
            if isinstance(claim, VideoJob):
                self._in_hand.append(claim)
                break
            self._answered(job)
        if held is not None:
            self._complete(held)

    def trigger(self) -> None:
        """Every event so far is delivered, the newest first; those that were delivered before, again."""
        self._undelivered.clear()
        for event in reversed(self._events):
            deliver(event)

    def minute(self) -> None:
        """The queue has given up what it has, and the minute function looks at what is due."""
        self._clock += _QUEUE_GIVES_UP
        for job in self.jobs():
            if has_render_task(job.job_id, job.enqueueing.attempt):
                self._answered(job)
        repair_due_jobs(self._db, self._clock)

    def cancel(self) -> None:
        """The user cancels the newest job."""
        if not self._job_ids:
            return
        try:
            cancel_own_job(self._db, self._job_ids[-1], USER, self._clock)
        except JobEnded:
            self.seen["JobEnded"] += 1

    def happens(self, kind: str) -> None:
        """One event of that kind."""
        self._clock += timedelta(seconds=1)
        getattr(self, kind)()
        self._notice()

    def comes_to_rest(self, *, renders: bool) -> None:
        """Everything is delivered, some of it twice, and the clock runs, until nothing is due.

        `renders`: a runner is there, and renders what it is given; otherwise there is none any more, and no event is
        delivered before every deadline has passed.
        """
        if not renders:
            self._clock = max([self._clock, *(job.deadline_at for job in self.jobs())])
            repair_due_jobs(self._db, self._clock)
            self._notice()
        for _ in range(_ROUNDS):
            for event in self._undelivered[::-1]:
                deliver(event)
            self._undelivered.clear()
            jobs = self.jobs()
            if all(job.check_at is None for job in jobs):
                break
            for job in jobs:
                self._clock = max(self._clock, job.check_at or self._clock, job.lease_until or self._clock)
            if renders and not all(job.status.is_terminal for job in jobs):
                self.runner()
                self.runner()
            repair_due_jobs(self._db, self._clock)
            self._notice()
        for event in self._events:
            deliver(event)
        count_log(self._db)
        forget_listed_media(self._db)

    def ends(self, status: JobStatus) -> list[Event]:
        """The first job was taken up and ended so, by its runner or by its owner; what nobody was told of yet."""
        self.happens("start")
        self.happens("runner")
        (job,) = self._in_hand
        if status is JobStatus.COMPLETED:
            self.happens("runner")
        elif status is JobStatus.FAILED:
            Jobs(self._db).fail(job, HopelessError("REFUSED", "The voice refused it."), job.steps)
        else:
            # And not settled: whoever cancelled it died in between.
            cancel_job(self._db, job.job_id, self._clock)
        self._notice()
        return self._undelivered

    def _complete(self, job: VideoJob) -> None:
        video = VideoFile(object_name=f"videos/{USER}/{job.job_id}_{job.fence}.mp4", duration_seconds=9.0, size_bytes=5)
        steps = [Step(step_name=name) for name in StepName]
        jobs = Jobs(self._db, now=lambda: self._clock)
        try:
            jobs.complete(job, steps=steps, video=video, encoder="libx264", audio_objects={})
        except LeaseLostError:
            self.seen["LeaseLostError"] += 1
        else:
            self._answered(job)

    def _answered(self, job: VideoJob) -> None:
        """The queue has the job's task no more."""
        stored = find_job(self._db, job.job_id)
        assert stored
        if has_render_task(stored.job_id, stored.enqueueing.attempt):
            clients.tasks().delete_task(name=task_name(stored.job_id, stored.enqueueing.attempt))

    def _notice(self) -> None:
        """What was written since is an event, to be delivered some time."""
        told: dict[str, Mapping[str, Any]] = {event.job_id: event.after for event in self._events}
        for job in self.jobs():
            before = told.get(job.job_id)
            if before is None or before["status"] != job.status:
                if before is not None and JobStatus(before["status"]).is_terminal:
                    self.broken.append(f"a job that was {before['status']} is {job.status}")
                event = Event(job.job_id, before, job.to_document())
                self._events.append(event)
                self._undelivered.append(event)


def deliver(event: Event) -> None:
    """To the trigger on the job's document."""
    on_video_job_written.handler({"jobId": event.job_id}, event.before, event.after)


def count_log(db: "Client") -> None:
    """The creation of every entry of the log that is not counted yet is delivered."""
    for entry in db.collection("users", USER, "activities").stream():
        if not (entry.to_dict() or {}).get("counted"):
            count_entry(entry.id)


def forget_listed_media(db: "Client") -> None:
    """What is listed for deletion has been removed: nothing here is in any bucket."""
    for listed in db.collection("mediaDeletions").stream():
        listed.reference.delete()


def count_entry(entry_id: str) -> None:
    """The creation of that entry of the log is delivered."""
    on_activity_created.handler({"userId": USER, "activityId": entry_id}, {})

"""What the trigger and the minute function do with an ended job: once, in any order, any number of times."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from contracts.video_job import JobStatus, VideoFile, VideoJob
from tests.functions.videos.conftest import NOW
from videos.jobs import find_job, settle_job
from videos.minute import repair_due_jobs
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client

ENDS = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]


def end(db: "Client", job: VideoJob, status: JobStatus) -> VideoJob:
    """The job as its runner leaves it."""
    video = VideoFile(object_name=f"videos/ann/{job.job_id}_1.mp4", duration_seconds=9.0, size_bytes=5)
    fields: dict[str, Any] = {"status": status, "completedAt": NOW, "checkAt": NOW}
    if status is JobStatus.COMPLETED:
        fields["video"] = video.to_document()
    db.document("videoJobs", job.job_id).update(fields)
    ended = find_job(db, job.job_id)
    assert ended
    return ended


def balance(db: "Client") -> tuple[int, int]:
    fields = db.document("users", "ann").get().to_dict() or {}
    return fields["tokens"], fields["held"]


def ledger(db: "Client") -> list[tuple[str, int, int]]:
    entries = (each.to_dict() or {} for each in db.collection("users", "ann", "ledger").stream())
    return sorted((entry["kind"], entry["tokens"], entry["held"]) for entry in entries)


def activities(db: "Client") -> list[str]:
    return sorted(str((each.to_dict() or {})["type"]) for each in db.collection("users", "ann", "activities").stream())


def deliver(job_before: VideoJob | None, job_after: VideoJob) -> None:
    """The event of one write, as the platform delivers it."""
    before = job_before.to_document() if job_before else None
    on_video_job_written.handler({"jobId": job_after.job_id}, before, job_after.to_document())


def test_a_completed_job_is_captured_once_with_its_entry_and_activity(db: "Client", started_job: VideoJob) -> None:
    end(db, started_job, JobStatus.COMPLETED)

    outcomes = [settle_job(db, started_job.job_id, NOW) for _ in range(3)]

    assert outcomes == [JobStatus.COMPLETED, None, None]
    assert balance(db) == (19, 0)
    assert ledger(db) == [("capture", -1, -1), ("grant", 20, 0), ("hold", 0, 1)]
    assert "tokens_deducted" in activities(db)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_that_gave_no_video_costs_nothing(db: "Client", started_job: VideoJob, status: JobStatus) -> None:
    end(db, started_job, status)

    settle_job(db, started_job.job_id, NOW)

    assert balance(db) == (20, 0)
    assert ledger(db) == [("grant", 20, 0), ("hold", 0, 1), ("release", 0, -1)]
    assert activities(db) == ["video_generation_failed", "video_generation_started"]


@pytest.mark.parametrize(
    ("status", "left_by"),
    [(JobStatus.COMPLETED, [2, 3]), (JobStatus.FAILED, [1, 2, 3]), (JobStatus.CANCELLED, [1, 2, 3])],
)
def test_videos_of_attempts_that_did_not_end_the_job_are_listed_for_deletion(
    db: "Client", started_job: VideoJob, status: JobStatus, left_by: list[int]
) -> None:
    end(db, started_job, status)
    # Three runners had the lease, and the end took it from the last.
    db.document("videoJobs", started_job.job_id).update({"fence": 4})

    settle_job(db, started_job.job_id, NOW)

    deletion = db.document("mediaDeletions", f"{started_job.job_id}_videos").get().to_dict() or {}
    assert deletion["objectNames"] == [f"videos/ann/{started_job.job_id}_{fence}.mp4" for fence in left_by]
    assert deletion["ownerId"] == "ann"


def test_a_job_that_its_first_runner_completed_lists_nothing_for_deletion(db: "Client", started_job: VideoJob) -> None:
    end(db, started_job, JobStatus.COMPLETED)
    db.document("videoJobs", started_job.job_id).update({"fence": 2})

    settle_job(db, started_job.job_id, NOW)

    assert list(db.collection("mediaDeletions").stream()) == []


def test_an_unfinished_job_is_not_settled(db: "Client", started_job: VideoJob) -> None:
    assert not settle_job(db, started_job.job_id, NOW)
    assert balance(db) == (20, 1)


@pytest.mark.parametrize("order", list(itertools.permutations(("created", "claimed", "ended"))), ids="-".join)
def test_events_in_any_order_and_twice_charge_once(db: "Client", started_job: VideoJob, order: tuple[str, ...]) -> None:
    claimed = started_job.model_copy(update={"status": JobStatus.IN_PROGRESS})
    ended = end(db, started_job, JobStatus.COMPLETED)
    events = {"created": (None, started_job), "claimed": (started_job, claimed), "ended": (claimed, ended)}

    for name in (*order, *order):
        deliver(*events[name])

    assert balance(db) == (19, 0)
    assert activities(db) == ["tokens_deducted", "video_generation_completed", "video_generation_started"]


def test_a_write_that_changes_no_status_does_nothing(db: "Client", started_job: VideoJob) -> None:
    deliver(started_job, started_job.model_copy(update={"overall_progress": 50.0}))

    assert activities(db) == []


@pytest.mark.parametrize(
    ("moved_by", "status"),
    [(timedelta(minutes=-1), JobStatus.FAILED), (timedelta(hours=1), JobStatus.QUEUED)],
    ids=["into the past", "within the time to come"],
)
def test_a_deadline_that_an_admin_moved_into_the_past_ends_the_job_at_once(
    db: "Client", started_job: VideoJob, moved_by: timedelta, status: JobStatus
) -> None:
    moved = started_job.model_copy(update={"deadline_at": datetime.now(UTC) + moved_by})
    db.document("videoJobs", started_job.job_id).update({"deadlineAt": moved.deadline_at})

    deliver(started_job, moved)

    stored = find_job(db, started_job.job_id)
    assert stored
    assert stored.status is status


@pytest.mark.parametrize("status", ENDS)
def test_a_lost_event_is_made_up_for_within_the_minute(db: "Client", started_job: VideoJob, status: JobStatus) -> None:
    end(db, started_job, status)

    repair_due_jobs(db, NOW)

    assert balance(db) == ((19, 0) if status is JobStatus.COMPLETED else (20, 0))


def test_a_settled_job_is_not_looked_at_again(db: "Client", started_job: VideoJob) -> None:
    end(db, started_job, JobStatus.COMPLETED)
    repair_due_jobs(db, NOW)

    assert repair_due_jobs(db, NOW + timedelta(days=1)) == 0


@pytest.mark.parametrize("status", ENDS)
def test_a_user_whose_document_an_admin_deleted_has_whole_books(
    db: "Client", started_job: VideoJob, make_user: Callable[..., User], status: JobStatus
) -> None:
    end(db, started_job, status)
    db.document("users", "ann").delete()

    outcomes = [settle_job(db, started_job.job_id, NOW) for _ in range(2)]

    paid = 1 if status is JobStatus.COMPLETED else 0
    kind = "capture" if paid else "release"
    entry = db.document("users", "ann", "ledger", f"{started_job.job_id}_{kind}").get().to_dict() or {}
    assert outcomes == [status, None]
    assert not db.document("users", "ann").get().exists
    assert ledger(db) == sorted([("grant", 20, 0), ("hold", 0, 1), (kind, -paid, -1)])
    assert (entry["balanceAfter"], entry["heldAfter"]) == (20 - paid, 0)
    # The next sign-in makes the document of it.
    make_user("ann")
    assert balance(db) == (20 - paid, 0)


def damage(db: "Client", job: VideoJob) -> None:
    """As an admin's slip in the console leaves it."""
    db.document("videoJobs", job.job_id).update({"createdAt": "yesterday"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/video-jobs/{job}"),
        ("POST", "/api/video-jobs/{job}/cancel"),
        ("GET", "/api/scripts/{script}/video-job"),
    ],
)
def test_a_damaged_job_is_not_found(
    db: "Client", call_api: Callable[..., Any], started_job: VideoJob, method: str, path: str
) -> None:
    damage(db, started_job)

    asked = path.format(job=started_job.job_id, script=started_job.script_id)
    assert call_api(method, asked, user_id="ann").status == 404


def test_an_event_of_a_damaged_job_is_not_delivered_for_ever_and_the_job_is_settled_when_it_is_mended(
    db: "Client", started_job: VideoJob
) -> None:
    end(db, started_job, JobStatus.FAILED)
    reference = db.document("videoJobs", started_job.job_id)
    damage(db, started_job)

    on_video_job_written.handler({"jobId": started_job.job_id}, None, reference.get().to_dict())
    assert balance(db) == (20, 1)

    reference.update({"createdAt": NOW})
    repair_due_jobs(db, NOW)
    assert balance(db) == (20, 0)

"""What one video reads and writes behind the operations: the runner's transactions, and the triggers that follow."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from activities.triggers import on_activity_created
from contracts.media_paths import video_object
from contracts.video_job import Step, StepName, VideoFile, VideoJob
from gcp import clients
from gpu_runner.jobs import Jobs
from gpu_runner.reports import Reports
from scripts.triggers import on_script_written
from tests.functions.costs.counting import Counted, count_calls
from tests.functions.costs.test_costs import COSTS
from tests.functions.videos.conftest import background_video, started_job, write_script
from videos.jobs import find_job
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client

__all__ = ["background_video", "started_job", "write_script"]
STEPS = [Step(step_name=name) for name in StepName]


class Bill:
    """Lines of the table, each with what was read and written since the one before."""

    def __init__(self, *counted: Counted) -> None:
        self._counted = counted
        self.lines = ["| what | reads | writes |", "|---|---:|---:|"]

    def add(self, what: str) -> None:
        reads, writes = (sum(getattr(each, kind) for each in self._counted) for kind in ("reads", "writes"))
        self.lines.append(f"| {what} | {reads} | {writes} |")
        self.forget()

    def forget(self) -> None:
        """What was read and written since is nobody's but the test's."""
        for each in self._counted:
            each.reads = each.writes = 0


def deliver(before: VideoJob | None, after: VideoJob) -> None:
    fields = before.to_document() if before else None
    on_video_job_written.handler({"jobId": after.job_id}, fields, after.to_document())


def stored(db: "Client", job: VideoJob) -> VideoJob:
    found = find_job(db, job.job_id)
    assert found
    return found


def test_one_video_costs_what_the_table_says(db: "Client", started_job: VideoJob) -> None:
    script = db.document("scripts", started_job.script_id).get().to_dict() or {}
    bill = Bill(count_calls(db), count_calls(clients.firestore()))

    on_script_written.handler({"scriptId": started_job.script_id}, None, script, datetime.now(UTC))
    bill.add("trigger: a script was made, its activity")
    deliver(None, started_job)
    bill.add("trigger: the job was made, its activity")

    jobs = Jobs(db, now=lambda: started_job.created_at)
    with Reports(db, lambda: ()).of_work():
        claimed = jobs.claim(started_job.job_id)
        assert isinstance(claimed, VideoJob)
        jobs.read_snapshot(claimed)
        name = video_object("ann", claimed.job_id, claimed.fence)
        video = VideoFile(object_name=name, duration_seconds=45.0, size_bytes=22_500_000)
        jobs.complete(claimed, steps=STEPS, video=video, encoder="h264_nvenc", audio_objects={})
    bill.add("runner: lease, snapshot, completion, two reports")
    ended = stored(db, claimed)
    bill.forget()

    deliver(started_job, claimed)
    bill.add("trigger: the job was taken up; its activity is there")
    deliver(claimed, ended)
    bill.add("trigger: the job ended, its hold is captured")
    for activity in list(db.collection("users", "ann", "activities").list_documents()):
        on_activity_created.handler({"userId": "ann", "activityId": activity.id}, {})
    bill.add("trigger: four activities are counted")

    table = "\n".join(bill.lines)
    assert table in COSTS.read_text(), f"docs/costs.md should have:\n{table}"


@pytest.mark.parametrize("write", ["write_progress", "extend_lease"])
def test_each_progress_and_each_heartbeat_costs_a_read_and_a_write(
    db: "Client", started_job: VideoJob, write: str
) -> None:
    jobs = Jobs(db)
    claimed = jobs.claim(started_job.job_id)
    assert isinstance(claimed, VideoJob)
    counted = count_calls(db)

    if write == "write_progress":
        jobs.write_progress(claimed, STEPS, StepName.AUDIO_GENERATION)
    else:
        jobs.extend_lease(claimed)

    assert (counted.reads, counted.writes) == (1, 1)

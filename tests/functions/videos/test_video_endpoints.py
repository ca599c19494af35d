"""What clients see of their jobs, on the Firestore emulator."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic.alias_generators import to_camel

from accounts.users import User
from contracts.video_job import JobStatus, Step, StepName, VideoJob
from gcp.page import NEXT_PAGE_HEADER
from scripts.script import DialogueLine
from scripts.store import update_dialogue
from tests.functions.videos.conftest import NOW
from videos.job_view import EDITED_SINCE
from videos.jobs import find_job, new_job_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
STEPS = tuple(
    Step(step_name=name, message="Generating..." if name is StepName.AUDIO_GENERATION else "") for name in StepName
)


def stored_job(db: "Client", *, user_id: str = "ann", age: int = 0) -> str:
    job = VideoJob(
        job_id=new_job_id(),
        script_id="5" * 32,
        user_id=user_id,
        title="t",
        price_tokens=1,
        background_video="sea.mp4",
        created_at=NOW - timedelta(seconds=age),
        deadline_at=NOW,
    )
    db.document("videoJobs", job.job_id).set(job.to_document())
    return job.job_id


def edit(db: "Client", job: VideoJob) -> None:
    lines = [DialogueLine(speaker="ada", text="Another line.")]
    update_dialogue(db, script_id=job.script_id, owner_id="ann", lines=lines, now=NOW)


def change(db: "Client", job: VideoJob, **fields: object) -> None:
    """The job's document with these fields changed, by an update of them alone, as the runner writes."""
    changed = VideoJob.model_validate(job.model_dump() | fields).to_document()
    db.document("videoJobs", job.job_id).update({to_camel(name): changed[to_camel(name)] for name in fields})


def test_a_scripts_newest_job_is_answered_as_the_job_itself(call_api: CallApi, started_job: VideoJob) -> None:
    status, body, _ = call_api("GET", f"/api/scripts/{started_job.script_id}/video-job", user_id="ann")

    assert (status, body["jobId"], body["note"]) == (200, started_job.job_id, None)
    assert body == call_api("GET", f"/api/video-jobs/{started_job.job_id}", user_id="ann").body


@pytest.mark.parametrize("job_id", [None, "d" * 32], ids=["it never had one", "its document is gone"])
def test_a_script_without_a_job_answers_404(
    db: "Client", call_api: CallApi, started_job: VideoJob, job_id: str | None
) -> None:
    db.document("scripts", started_job.script_id).update({"videoJobId": job_id})

    status, body, _ = call_api("GET", f"/api/scripts/{started_job.script_id}/video-job", user_id="ann")

    assert (status, body["detail"]) == (404, "There is no video job of this script.")


CALLERS: dict[str, tuple[str | None, str, int]] = {
    "owner": ("ann", "its id", 200),
    "stranger": ("bert", "its id", 404),
    "nobody": (None, "its id", 401),
    "no such id": ("ann", "0" * 32, 404),
    "malformed id": ("ann", "__x__", 404),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("path", ["/api/scripts/{}/video-job", "/api/scripts/{}/video-status", "/api/video-jobs/{}"])
def test_a_job_is_its_owners(
    call_api: CallApi, make_user: Callable[..., User], started_job: VideoJob, path: str, caller: str
) -> None:
    make_user("bert")
    user_id, asked, status = CALLERS[caller]
    its_id = started_job.job_id if "video-jobs" in path else started_job.script_id

    assert call_api("GET", path.format(its_id if asked == "its id" else asked), user_id=user_id).status == status


def test_the_list_holds_the_callers_ten_newest_jobs(
    db: "Client", call_api: CallApi, make_user: Callable[..., User]
) -> None:
    make_user("ann")
    ids = [stored_job(db, age=age) for age in range(12)]
    stored_job(db, user_id="bert")

    answered = call_api("GET", "/api/my-video-jobs", user_id="ann")

    assert answered.status == 200
    assert [job["jobId"] for job in answered.body] == ids[:10]
    assert answered.body[0] == call_api("GET", f"/api/video-jobs/{ids[0]}", user_id="ann").body


@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
def test_pages_walk_all_jobs(db: "Client", call_api: CallApi, make_user: Callable[..., User], limit: int) -> None:
    make_user("ann")
    ids = [stored_job(db, age=age) for age in (0, 1, 1, 1, 2)]

    walked, token = [], ""
    while token is not None:
        answered = call_api("GET", f"/api/my-video-jobs?limit={limit}&pageToken={token}", user_id="ann")
        walked.append([job["jobId"] for job in answered.body])
        token = answered.headers.get(NEXT_PAGE_HEADER)

    assert [each for page in walked for each in page] == [ids[0], *sorted(ids[1:4], reverse=True), ids[4]]
    assert [len(page) for page in walked[:-1]] == [limit] * (len(walked) - 1)


def test_a_user_without_jobs_has_an_empty_list(call_api: CallApi, make_user: Callable[..., User]) -> None:
    make_user("ann")

    assert call_api("GET", "/api/my-video-jobs", user_id="ann").body == []


@pytest.mark.parametrize("parameter", ["limit=many", "pageToken=x"])
def test_a_parameter_of_the_list_that_cannot_be_read_is_refused(
    call_api: CallApi, make_user: Callable[..., User], parameter: str
) -> None:
    make_user("ann")

    assert call_api("GET", f"/api/my-video-jobs?{parameter}", user_id="ann").status == 422


def test_the_list_needs_a_signed_in_user(call_api: CallApi) -> None:
    assert call_api("GET", "/api/my-video-jobs").status == 401


# The job's status after the dialogue was edited, and whether its video is made from older lines.
NOTED = {
    JobStatus.QUEUED: True,
    JobStatus.IN_PROGRESS: True,
    JobStatus.COMPLETED: True,
    JobStatus.FAILED: False,
    JobStatus.CANCELLED: False,
}


@pytest.mark.parametrize(("status", "noted"), NOTED.items(), ids=list(NOTED))
def test_a_job_whose_dialogue_was_edited_says_what_it_is_made_from(
    db: "Client", call_api: CallApi, started_job: VideoJob, status: JobStatus, *, noted: bool
) -> None:
    edit(db, started_job)
    change(db, started_job, status=status, steps=STEPS, current_step=StepName.AUDIO_GENERATION)

    job = call_api("GET", f"/api/video-jobs/{started_job.job_id}", user_id="ann").body
    brief = call_api("GET", f"/api/scripts/{started_job.script_id}/video-status", user_id="ann").body

    assert job["note"] == (EDITED_SINCE if noted else None)
    assert brief["message"] == (f"Generating... {EDITED_SINCE}" if noted else "Generating...")


def test_a_job_that_says_nothing_else_says_the_note(db: "Client", call_api: CallApi, started_job: VideoJob) -> None:
    edit(db, started_job)

    brief = call_api("GET", f"/api/scripts/{started_job.script_id}/video-status", user_id="ann").body

    assert brief["message"] == EDITED_SINCE


def test_editing_after_the_job_ended_leaves_it_without_a_note(
    db: "Client", call_api: CallApi, started_job: VideoJob
) -> None:
    change(db, started_job, status=JobStatus.COMPLETED)
    edit(db, started_job)

    assert call_api("GET", f"/api/video-jobs/{started_job.job_id}", user_id="ann").body["note"] is None


def test_the_job_renders_the_lines_with_which_it_was_started(db: "Client", started_job: VideoJob) -> None:
    edit(db, started_job)

    snapshot = db.document("videoJobSnapshots", started_job.job_id).get().to_dict() or {}
    assert [line["text"] for line in snapshot["lines"]] == ["Hello.", "Hi."]
    job = find_job(db, started_job.job_id)
    assert job == started_job.model_copy(update={"dialogue_edited_at": NOW})

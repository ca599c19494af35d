from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.users import User
from contracts.video_job import DEADLINE, JobStatus, VideoFile, VideoJob
from gcp.errors import NotFound, ValidationFailed
from gcp.page import PageRequest
from gcp.transactions import transact
from scripts.script import DialogueLine, Script
from scripts.store import (
    create_script,
    delete_script,
    find_own_script,
    find_script,
    list_scripts,
    new_script_id,
    update_dialogue,
)

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LINE_OBJECT = "lines/anna/" + "a" * 64 + ".wav"
TEA = DialogueLine(speaker="c1", text="Tea.", audio_object=LINE_OBJECT)
COFFEE = DialogueLine(speaker="c2", text="Coffee.")
VIDEO = VideoFile(object_name="videos/anna/" + "b" * 32 + "_1.mp4", duration_seconds=4.5, size_bytes=90)


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., User]) -> None:
    make_user("anna")
    make_user("bert")


def stored_script(
    db: "Client", *, owner_id: str = "anna", created_at: datetime = NOW, video: VideoFile | None = None
) -> Script:
    script = Script(
        id=new_script_id(),
        owner_id=owner_id,
        selected_characters=("c1", "c2"),
        original_prompt="Two friends argue about tea.",
        dialogue=(TEA, COFFEE),
        created_at=created_at,
        updated_at=created_at,
        video=video,
    )
    create_script(db, script)
    return script


def test_a_stored_script_is_found_as_it_was(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)

    assert find_script(db, script.id) == script


def test_the_document_holds_camel_case_fields_and_no_id(db: "Client") -> None:
    script = stored_script(db)

    fields = db.document("scripts", script.id).get().to_dict() or {}
    assert sorted(fields) == [
        "createdAt",
        "dialogue",
        "mediaObjects",
        "originalPrompt",
        "ownerId",
        "selectedCharacters",
        "updatedAt",
        "video",
        "videoJobId",
    ]
    assert fields["dialogue"][0] == {"speaker": "c1", "text": "Tea.", "audioObject": LINE_OBJECT}


@pytest.mark.parametrize(
    "script_id",
    ["0" * 32, "..", "__x__", "a/b", "", "A" * 32, "0" * 5000, "\x00", "0" * 32 + "\n"],
    ids=["absent", "dots", "reserved", "slash", "empty", "capitals", "5000 characters", "NUL", "line break"],
)
def test_a_text_that_is_no_scripts_id_finds_nothing(db: "Client", script_id: str) -> None:
    assert find_script(db, script_id) is None


def test_somebody_elses_script_is_not_found(db: "Client") -> None:
    script = stored_script(db, owner_id="bert")

    with pytest.raises(NotFound):
        find_own_script(db, script.id, "anna")


def test_a_list_holds_the_newest_of_the_owners_scripts(db: "Client") -> None:
    scripts = [stored_script(db, created_at=NOW + timedelta(seconds=age)) for age in (0, 2, 1)]
    stored_script(db, owner_id="bert", created_at=NOW + timedelta(seconds=3))

    listed = list_scripts(db, "anna", PageRequest(2))

    assert [script.id for script in listed.items] == [scripts[1].id, scripts[2].id]


def test_an_update_stores_the_lines_with_the_audio_that_stays(db: "Client") -> None:
    script = stored_script(db)
    later = NOW + timedelta(minutes=1)
    lines = [DialogueLine(speaker="c2", text="Milk."), DialogueLine(speaker="c1", text="Tea.")]

    answered = update_dialogue(db, script_id=script.id, owner_id="anna", lines=lines, now=later)

    found = find_script(db, script.id)
    assert found == answered
    assert found is not None
    assert [line.audio_object for line in found.dialogue] == [None, LINE_OBJECT]


def stored_job(db: "Client", script: Script, status: JobStatus) -> VideoJob:
    """The script's newest job."""
    job = VideoJob(
        job_id="7" * 32,
        script_id=script.id,
        user_id=script.owner_id,
        title="Tea",
        status=status,
        price_tokens=1,
        background_video="sea.mp4",
        created_at=NOW,
        deadline_at=NOW + DEADLINE,
    )
    db.document("scripts", script.id).update({"videoJobId": job.job_id})
    db.document("videoJobs", job.job_id).set(job.to_document())
    return job


def as_stored(db: "Client", job: VideoJob) -> VideoJob:
    return VideoJob.model_validate(db.document("videoJobs", job.job_id).get().to_dict())


def test_an_update_leaves_what_others_write_alone(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)
    db.document("scripts", script.id).update({"videoJobId": "j1"})

    update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], now=NOW)

    found = find_script(db, script.id)
    assert found is not None
    assert (found.video_job_id, found.video) == ("j1", VIDEO)


@pytest.mark.parametrize("status", list(JobStatus))
def test_an_update_tells_an_unfinished_job_and_no_other(db: "Client", status: JobStatus) -> None:
    script = stored_script(db)
    job = stored_job(db, script, status)
    later = NOW + timedelta(minutes=1)

    update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], now=later)

    told = {} if status.is_terminal else {"dialogue_edited_at": later}
    assert as_stored(db, job) == job.model_copy(update=told)


def test_an_update_with_the_lines_that_were_there_tells_no_job(db: "Client") -> None:
    script = stored_script(db)
    job = stored_job(db, script, JobStatus.QUEUED)
    lines = [DialogueLine(speaker=line.speaker, text=line.text) for line in script.dialogue]

    update_dialogue(db, script_id=script.id, owner_id="anna", lines=lines, now=NOW)

    assert as_stored(db, job) == job


def test_a_refused_update_tells_no_job(db: "Client") -> None:
    script = stored_script(db)
    db.document("scripts", script.id).update({"videoJobId": "j1"})
    db.document("videoJobs", "j1").set({"status": "queued"})
    foreign = DialogueLine(speaker="c9", text="Tea.")

    with pytest.raises(ValidationFailed):
        update_dialogue(db, script_id=script.id, owner_id="anna", lines=[foreign], now=NOW)

    assert db.document("videoJobs", "j1").get().to_dict() == {"status": "queued"}


def test_an_update_and_the_end_of_the_job_at_once_both_happen(db: "Client") -> None:
    """Whichever comes first: what the job says is that it ended, and the lines are the new ones."""
    script = stored_script(db)
    db.document("scripts", script.id).update({"videoJobId": "j1"})
    job = db.document("videoJobs", "j1")
    job.set({"status": "in_progress"})

    def end(transaction: "Transaction") -> None:
        job.get(transaction=transaction)
        transaction.update(job, {"status": "completed"})

    with ThreadPoolExecutor(max_workers=2) as pool:
        ended = pool.submit(transact, db, end)
        edited = pool.submit(update_dialogue, db, script_id=script.id, owner_id="anna", lines=[COFFEE], now=NOW)
    ended.result()
    edited.result()

    found = find_script(db, script.id)
    assert found is not None
    assert found.dialogue == (COFFEE,)
    assert (job.get().to_dict() or {})["status"] == "completed"


def test_somebody_elses_script_is_not_updated(db: "Client") -> None:
    script = stored_script(db, owner_id="bert")

    with pytest.raises(NotFound):
        update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], now=NOW)

    assert find_script(db, script.id) == script


def test_a_deleted_script_is_gone(db: "Client") -> None:
    script = stored_script(db)

    delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert find_script(db, script.id) is None


def test_the_media_of_a_deleted_script_is_listed_for_deletion(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)

    deleted = delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert deleted == ((LINE_OBJECT, VIDEO.object_name), None)
    listed = db.document("mediaDeletions", script.id).get().to_dict() or {}
    assert (listed["objectNames"], listed["ownerId"]) == ([LINE_OBJECT, VIDEO.object_name], "anna")


def test_somebody_elses_script_is_not_deleted(db: "Client") -> None:
    script = stored_script(db, owner_id="bert", video=VIDEO)

    with pytest.raises(NotFound):
        delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert find_script(db, script.id) == script
    assert not db.document("mediaDeletions", script.id).get().exists


def test_a_script_is_deleted_once(db: "Client") -> None:
    script = stored_script(db)
    delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    with pytest.raises(NotFound):
        delete_script(db, script_id=script.id, owner_id="anna", now=NOW)


@pytest.mark.parametrize("status", list(JobStatus))
def test_deleting_cancels_an_unfinished_job_and_no_other(db: "Client", status: JobStatus) -> None:
    script = stored_script(db)
    job = stored_job(db, script, status)

    deleted = delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    ended = {"status": JobStatus.CANCELLED, "completed_at": NOW, "fence": job.fence + 1, "check_at": NOW}
    assert deleted.cancelled_job_id == (None if status.is_terminal else job.job_id)
    assert as_stored(db, job) == job.model_copy(update={} if status.is_terminal else ended)

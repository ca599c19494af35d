from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.video_job import VideoFile
from gcp.errors import NotFound
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
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LINE_OBJECT = "lines/anna/" + "a" * 64 + ".wav"
TEA = DialogueLine(speaker="c1", text="Tea.", audio_object=LINE_OBJECT)
COFFEE = DialogueLine(speaker="c2", text="Coffee.")
VIDEO = VideoFile(object_name="videos/anna/" + "b" * 32 + "_1.mp4", duration_seconds=4.5, size_bytes=90)


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


def activities(db: "Client", user_id: str = "anna") -> list[tuple[str, str, str | None]]:
    log = (each.to_dict() or {} for each in db.collection("users", user_id, "activities").stream())
    return [(each["type"], each["message"], each["scriptId"]) for each in log]


def test_a_stored_script_is_found_as_it_was(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)

    assert find_script(db, script.id) == script


def test_the_document_holds_camel_case_fields_and_no_id(db: "Client") -> None:
    script = stored_script(db)

    fields = db.document("scripts", script.id).get().to_dict() or {}
    assert sorted(fields) == [
        "createdAt",
        "dialogue",
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

    listed = list_scripts(db, "anna", 2)

    assert [script.id for script in listed] == [scripts[1].id, scripts[2].id]


def test_an_update_stores_the_lines_with_the_audio_that_stays(db: "Client") -> None:
    script = stored_script(db)
    later = NOW + timedelta(minutes=1)
    lines = [DialogueLine(speaker="c2", text="Milk."), DialogueLine(speaker="c1", text="Tea.")]

    answered = update_dialogue(db, script_id=script.id, owner_id="anna", lines=lines, cause="request1", now=later)

    found = find_script(db, script.id)
    assert found == answered
    assert found is not None
    assert [line.audio_object for line in found.dialogue] == [None, LINE_OBJECT]


def test_an_update_leaves_what_others_write_alone(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)
    db.document("scripts", script.id).update({"videoJobId": "j1"})

    update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], cause="request1", now=NOW)

    found = find_script(db, script.id)
    assert found is not None
    assert (found.video_job_id, found.video) == ("j1", VIDEO)


def test_each_update_is_one_activity(db: "Client") -> None:
    script = stored_script(db)

    for cause in ("request1", "request2"):
        update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], cause=cause, now=NOW)

    updated = ("script_updated", "Script 'Two friends argue about tea.' updated", script.id)
    assert activities(db) == [updated, updated]


def test_somebody_elses_script_is_not_updated(db: "Client") -> None:
    script = stored_script(db, owner_id="bert")

    with pytest.raises(NotFound):
        update_dialogue(db, script_id=script.id, owner_id="anna", lines=[COFFEE], cause="request1", now=NOW)

    assert find_script(db, script.id) == script


def test_a_deleted_script_is_gone_and_the_log_says_so(db: "Client") -> None:
    script = stored_script(db)

    delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert find_script(db, script.id) is None
    assert activities(db) == [("script_deleted", "Script 'Two friends argue about tea.' deleted", script.id)]


def test_the_media_of_a_deleted_script_is_listed_for_deletion(db: "Client") -> None:
    script = stored_script(db, video=VIDEO)

    deleted = delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert deleted == (LINE_OBJECT, VIDEO.object_name)
    assert db.document("mediaDeletions", script.id).get().to_dict() == {
        "objectNames": [LINE_OBJECT, VIDEO.object_name],
        "ownerId": "anna",
        "createdAt": NOW,
    }


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


def test_deleting_leaves_an_unfinished_job_to_its_runner(db: "Client") -> None:
    script = stored_script(db)
    db.document("scripts", script.id).update({"videoJobId": "j1"})
    db.document("videoJobs", "j1").set({"status": "in_progress"})

    delete_script(db, script_id=script.id, owner_id="anna", now=NOW)

    assert db.document("videoJobs", "j1").get().to_dict() == {"status": "in_progress"}

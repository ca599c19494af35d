"""A document that an admin damaged in the console is not found; its neighbours are, and the log names it."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.conftest import CallApi, MakeUser
from tests.functions.things import JOB_ID, NOW, SCRIPT_ID, write_character, write_failed_job, write_script

if TYPE_CHECKING:
    from google.cloud.firestore import Client

OTHER_SCRIPT, OTHER_JOB = "6" * 32, "8" * 32
# A document, what is done to it, and the field that the log then names.
DAMAGES = [
    pytest.param(("characters/tom", {"displayName": 5}, "displayName"), id="character"),
    pytest.param(("characters/tom", {"images": "x"}, "images"), id="pictures"),
    pytest.param((f"scripts/{SCRIPT_ID}", {"dialogue": "x"}, "dialogue"), id="script"),
    pytest.param((f"videoJobs/{JOB_ID}", {"status": "lost"}, "status"), id="job"),
    pytest.param(("users/ann/activities/one", {"type": "danced"}, "type"), id="activity"),
    pytest.param(("users/ann/ledger/grant", {"tokens": "x"}, "tokens"), id="ledger entry"),
    pytest.param(("feedback/one", {"message": 5}, "message"), id="feedback"),
]
LISTS = (
    "/api/characters",
    "/api/my-characters",
    "/api/my-favorites",
    "/api/characters-combined",
    "/api/my-scripts",
    "/api/my-video-jobs",
    "/api/my-activities",
    "/api/my-activities-combined",
    "/api/my-data",
)


@pytest.fixture
def things(db: "Client", make_user: MakeUser) -> None:
    """Two of everything that is ann's."""
    make_user("ann")
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    db.document("stars", "ann").set({"characters": {"tom": NOW, "eva": NOW}})
    for script_id in (SCRIPT_ID, OTHER_SCRIPT):
        write_script(db, script_id, job_id=JOB_ID)
    write_failed_job(db)
    job = db.document("videoJobs", JOB_ID).get().to_dict() or {}
    db.document("videoJobs", OTHER_JOB).set(job | {"jobId": OTHER_JOB})
    for name in ("one", "two"):
        activity = {"type": "script_created", "message": name, "timestamp": NOW}
        db.document("users", "ann", "activities", name).set(activity)
        db.document("feedback", name).set({"userId": "ann", "message": name, "createdAt": NOW})


@pytest.mark.parametrize("case", DAMAGES)
@pytest.mark.usefixtures("things")
def test_lists_leave_out_the_damaged_document_and_name_it(
    db: "Client", call_api: CallApi, capsys: pytest.CaptureFixture[str], case: tuple[str, dict[str, Any], str]
) -> None:
    path, damage, field = case
    if path.endswith("/grant"):
        path = next(each.reference.path for each in db.collection("users", "ann", "ledger").stream())
    whole = {each: call_api("GET", each, user_id="ann") for each in LISTS}
    db.document(path).update(damage)

    damaged = {each: call_api("GET", each, user_id="ann") for each in LISTS}

    assert {each: answer.status for each, answer in damaged.items()} == dict.fromkeys(LISTS, 200)
    assert count(damaged["/api/my-data"].body) == count(whole["/api/my-data"].body) - 1
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    named = {(each["document"], *each["fields"]) for each in logged if each["event"] == "document_malformed"}
    assert named == {(path, field)}


@pytest.mark.usefixtures("things")
def test_a_document_whose_date_is_none_is_in_no_page(db: "Client", call_api: CallApi) -> None:
    db.document("characters", "tom").update({"createdAt": "yesterday"})
    page = call_api("GET", "/api/characters?limit=1", user_id="ann")
    assert (page.status, [each["id"] for each in page.body]) == (200, ["eva"])
    assert "X-Next-Page-Token" not in page.headers


@pytest.mark.usefixtures("things")
def test_a_star_of_a_damaged_character_is_kept_and_one_of_a_missing_character_goes(
    db: "Client", call_api: CallApi
) -> None:
    db.document("characters", "tom").update({"displayName": 5})
    db.document("characters", "eva").delete()
    assert call_api("GET", "/api/my-favorites", user_id="ann").body == []
    assert list((db.document("stars", "ann").get().to_dict() or {})["characters"]) == ["tom"]


@pytest.mark.usefixtures("things")
def test_a_damaged_document_is_not_found_by_itself(db: "Client", call_api: CallApi) -> None:
    db.document("characters", "tom").update({"displayName": 5})
    db.document("scripts", SCRIPT_ID).update({"dialogue": "x"})
    asked = ("/api/characters/tom", f"/api/scripts/{SCRIPT_ID}")
    assert [call_api("GET", path, user_id="ann").status for path in asked] == [404, 404]


def count(data: dict[str, Any]) -> int:
    """The documents of an export."""
    return sum(len(section) for section in data.values() if isinstance(section, list))

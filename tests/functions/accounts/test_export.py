"""All that is stored about a user, given to that user."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.export import export_page, export_request
from accounts.users import find_user
from tests.functions.accounts.test_deletion import NOW, world
from tests.functions.conftest import Answered, CallApi
from tests.functions.costs.counting import count_calls

if TYPE_CHECKING:
    from google.cloud.firestore import Client

LISTS = ("stars", "characters", "scripts", "videoJobs", "ledger", "activities", "feedback")
MANY = 7


@pytest.fixture(autouse=True)
def stored(db: "Client") -> None:
    """Two users with everything, and of Ann's jobs and ledger entries several with the same time."""
    batch = db.batch()
    documents = world()
    for number in range(MANY):
        documents[f"users/ann/ledger/e{number}"] = documents["users/ann/ledger/initial_grant"]
    for path, fields in documents.items():
        batch.set(db.document(path), fields)
    batch.commit()


def pages(call_api: CallApi, limit: int) -> list[Answered]:
    """All pages, as a client follows them."""
    answers = [call_api("GET", f"/api/my-data?limit={limit}", user_id="ann")]
    while token := answers[-1].headers.get("X-Next-Page-Token"):
        answers.append(call_api("GET", f"/api/my-data?limit={limit}&pageToken={token}", user_id="ann"))
    return answers


def joined(answers: list[Answered]) -> dict[str, list[Any]]:
    return {name: [each for answer in answers for each in answer.body[name]] for name in LISTS}


def test_one_page_holds_everything_of_a_small_account(call_api: CallApi) -> None:
    answer = call_api("GET", "/api/my-data", user_id="ann")

    assert answer.status == 200
    assert answer.body["profile"]["email"] == "ann@example.com"
    assert {name: len(answer.body[name]) for name in LISTS} == {
        "stars": 3,
        "characters": 1,
        "scripts": 1,
        "videoJobs": 2,
        "ledger": 3 + MANY,
        "activities": 1,
        "feedback": 1,
    }
    assert "X-Next-Page-Token" not in answer.headers


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_the_pages_one_after_the_other_are_the_whole_without_repetition(call_api: CallApi, limit: int) -> None:
    whole = joined([call_api("GET", "/api/my-data", user_id="ann")])

    answers = pages(call_api, limit)

    assert joined(answers) == whole
    assert all(sum(len(each.body[name]) for name in LISTS[1:]) <= limit for each in answers)
    assert [each.body["profile"] is not None for each in answers] == [True] + [False] * (len(answers) - 1)


def test_media_is_given_as_paths_that_load_and_no_object_is_named(call_api: CallApi) -> None:
    body = call_api("GET", "/api/my-data", user_id="ann").body

    assert "signature=" in body["characters"][0]["audioFile"]
    assert "signature=" in body["scripts"][0]["dialogue"][0]["audioFile"]
    assert "signature=" in next(job["finalVideoPath"] for job in body["videoJobs"] if job["status"] == "completed")
    text = json.dumps(body)
    assert not [folder for folder in ("recordings/", '"images/', "lines/", '"videos/') if folder in text]


def test_nothing_of_another_user_is_in_it(call_api: CallApi) -> None:
    assert "bob" not in json.dumps(call_api("GET", "/api/my-data", user_id="ann").body).lower()


def test_what_was_cleared_from_the_log_is_not_in_it(db: "Client", call_api: CallApi) -> None:
    db.document("users", "ann").update({"activitiesClearedAt": NOW + timedelta(seconds=1)})

    assert call_api("GET", "/api/my-data", user_id="ann").body["activities"] == []


@pytest.mark.parametrize("token", ["users.x", "ledger.x", "x", "ledger", ".", "characters.%00", "profile."])
def test_a_made_up_token_is_refused_or_begins_somewhere(call_api: CallApi, token: str) -> None:
    answer = call_api("GET", f"/api/my-data?pageToken={token}", user_id="ann")

    assert answer.status in {200, 422}
    assert (answer.status == 422) == (token not in {"ledger", "."})


def test_a_page_reads_no_more_than_its_documents_and_one_per_section(db: "Client", product: pytest.MonkeyPatch) -> None:
    assert product
    user = find_user(db, "ann")
    assert user
    counted = count_calls(db)

    data, _ = export_page(db, user, export_request({"limit": "4"}), ("j" * 40,), NOW)

    assert len(data.characters) + len(data.scripts) + len(data.video_jobs) == 4
    # The stars, and per section one document more than the page shows.
    assert counted.reads <= 1 + 4 + 3

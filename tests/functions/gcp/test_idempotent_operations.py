"""The operations that cost something, sent again with their key after the first request died anywhere."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from local.writer_server import Desk, ScriptedAnswer
from tests.functions.gcp.commits import counted_commits, killed_after_upload, killed_at_commit, unheard_commit
from tests.functions.gcp.conftest import Forms, RenderQueue, Send
from tests.functions.things import NOW, SCRIPT_ID, write_background, write_character, write_script

if TYPE_CHECKING:
    from google.cloud.firestore import Client

OTHER_SCRIPT_ID = "6" * 32
PROMPT = "Write a funny dialogue about tea."
# Each operation's commits: the claim, the rate limit and the resource; for a video the job with its hold, and that it
# has its task.
COMMITS = {"create_character": 3, "generate_script": 3, "generate_video": 2}
KILLS = [
    pytest.param(operation, number, after, id=f"{operation} {'after' if after else 'before'} commit {number}")
    for operation, commits in COMMITS.items()
    for number in range(1, commits + 1)
    for after in (False, True)
]


@dataclass(frozen=True)
class Sent:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def made(self) -> str:
        """The id of what was made."""
        body = self.body.get("job", self.body)
        resource_id: str = body.get("jobId") or body["id"]
        return resource_id


@dataclass(frozen=True)
class Operation:
    """One of the three, as a client calls it."""

    call: Callable[..., Sent]
    collection: str


@pytest.fixture
def operations(
    *,
    db: "Client",
    make_user: Callable[..., User],
    send: Send,
    forms: Forms,
    writer: Desk,
    render_queue: RenderQueue,
    call_api: Callable[..., Any],
) -> dict[str, Operation]:
    """The operations by name, with what they need; `other=True` sends other content."""
    assert writer
    assert render_queue
    make_user("ann", tokens=5)
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    for script_id in (SCRIPT_ID, OTHER_SCRIPT_ID):
        write_script(db, script_id)
    write_background(db)

    def create_character(*, key: str | None = "key", other: bool = False) -> Sent:
        response = send(
            "POST",
            "/api/characters/complete",
            user_id="ann",
            fields={"displayName": "Other" if other else "Ada"},
            uploads=[("audioFile", forms.recording), ("imageFiles", forms.picture), ("imageFiles", forms.picture)],
            headers=header(key),
        )
        return Sent(response.status_code, json.loads(response.get_data()), dict(response.headers))

    def generate_script(*, key: str | None = "key", other: bool = False) -> Sent:
        body = {"selectedCharacters": ["tom", "eva"], "prompt": PROMPT + " Please." * other}
        return Sent(*call_api("POST", "/api/scripts/generate", user_id="ann", body=body, headers=header(key)))

    def generate_video(*, key: str | None = "key", other: bool = False) -> Sent:
        path = f"/api/scripts/{OTHER_SCRIPT_ID if other else SCRIPT_ID}/generate-video"
        return Sent(*call_api("POST", path, user_id="ann", body={}, headers=header(key)))

    return {
        "create_character": Operation(create_character, "characters"),
        "generate_script": Operation(generate_script, "scripts"),
        "generate_video": Operation(generate_video, "videoJobs"),
    }


def header(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def made_since(db: "Client", operation: Operation) -> list[str]:
    """The ids of what the operation has made, and not the test."""
    given = {"tom", "eva", SCRIPT_ID, OTHER_SCRIPT_ID}
    return [each.id for each in db.collection(operation.collection).stream() if each.id not in given]


def end_leases(db: "Client") -> None:
    """What a client sees who waits long enough."""
    for record in db.collection("idempotency").stream():
        record.reference.update({"leaseUntil": NOW})


@pytest.mark.parametrize("name", COMMITS)
def test_every_commit_has_its_kill_points(operations: dict[str, Operation], name: str) -> None:
    with counted_commits() as commits:
        assert operations[name].call().status == 200

    assert len(commits) == COMMITS[name]


@pytest.mark.parametrize(("name", "number", "after"), KILLS)
def test_a_request_that_died_and_came_again_made_one_thing(
    db: "Client", operations: dict[str, Operation], name: str, number: int, *, after: bool
) -> None:
    operation = operations[name]
    with killed_at_commit(number, after=after):
        operation.call()
    end_leases(db)

    again, once_more = operation.call(), operation.call()

    assert (again.status, once_more.status) == (200, 200)
    assert made_since(db, operation) == [again.made] == [once_more.made]


@pytest.mark.parametrize("number", [1, 2, 3], ids=["the recording", "the first picture", "the last picture"])
def test_a_character_whose_uploads_were_cut_short_is_made_once(
    db: "Client", operations: dict[str, Operation], number: int
) -> None:
    operation = operations["create_character"]
    with killed_after_upload(number):
        operation.call()
    end_leases(db)

    again = operation.call()

    assert made_since(db, operation) == [again.made]


def test_a_script_whose_writer_had_answered_is_made_once(
    db: "Client", operations: dict[str, Operation], writer: Desk
) -> None:
    operation = operations["generate_script"]
    with killed_at_commit(3, after=False):
        operation.call()
    assert writer.calls() == 1
    end_leases(db)

    operation.call()

    assert (writer.calls(), len(made_since(db, operation))) == (2, 1)


@pytest.mark.parametrize(("number", "after"), [(1, False), (1, True), (2, False), (2, True)])
def test_a_video_that_was_started_again_is_held_and_enqueued_once(
    db: "Client", operations: dict[str, Operation], render_queue: RenderQueue, number: int, *, after: bool
) -> None:
    with killed_at_commit(number, after=after):
        operations["generate_video"].call()

    operations["generate_video"].call()

    held = (db.document("users", "ann").get().to_dict() or {})["held"]
    assert (held, len(list(db.collection("holds").stream())), render_queue.pending()) == (1, 1, 1)


@pytest.mark.parametrize("name", ["create_character", "generate_script"])
def test_while_the_first_request_works_the_second_is_told_to_wait(operations: dict[str, Operation], name: str) -> None:
    with killed_at_commit(2, after=False):
        operations[name].call()

    second = operations[name].call()

    assert (second.status, second.body["error"]["code"]) == (409, "REQUEST_IN_PROGRESS")
    assert 60 < int(second.headers["Retry-After"]) <= 90


@pytest.mark.parametrize(
    ("name", "number"), [(name, number + 1) for name, commits in COMMITS.items() for number in range(commits)]
)
def test_a_commit_whose_answer_was_lost_makes_one_thing(
    db: "Client", operations: dict[str, Operation], name: str, number: int
) -> None:
    with unheard_commit(number):
        sent = operations[name].call()

    assert sent.status == 200
    assert made_since(db, operations[name]) == [sent.made]


# Without a key there is no claim, so one commit less where there is one.
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("create_character", 1),
        ("create_character", 2),
        ("generate_script", 1),
        ("generate_script", 2),
        ("generate_video", 1),
        ("generate_video", 2),
    ],
)
def test_without_a_key_too_a_commit_whose_answer_was_lost_makes_one_thing(
    db: "Client", operations: dict[str, Operation], name: str, number: int
) -> None:
    with unheard_commit(number):
        sent = operations[name].call(key=None)

    assert sent.status == 200
    assert made_since(db, operations[name]) == [sent.made]


@pytest.mark.parametrize("name", COMMITS)
def test_two_at_once_make_one_thing(db: "Client", operations: dict[str, Operation], name: str) -> None:
    operation = operations[name]
    with ThreadPoolExecutor(3) as pool:
        at_once = list(pool.map(lambda _: operation.call(), range(3)))

    afterwards = operation.call()

    assert {sent.status for sent in at_once} <= {200, 409}
    assert {sent.made for sent in at_once if sent.status == 200} == {afterwards.made}
    assert made_since(db, operation) == [afterwards.made]


@pytest.mark.parametrize("name", COMMITS)
def test_the_same_key_is_answered_in_the_same_shape(operations: dict[str, Operation], name: str) -> None:
    first = operations[name].call()

    second = operations[name].call()

    assert (second.status, second.made) == (200, first.made)
    assert second.body.keys() == first.body.keys()


def test_a_repeated_answer_shows_the_current_state(operations: dict[str, Operation], call_api: Any) -> None:
    first = operations["generate_script"].call()
    dialogue = [{"speaker": "eva", "text": "Edited."}]
    call_api("PUT", f"/api/scripts/{first.made}", user_id="ann", body={"dialogue": dialogue})

    second = operations["generate_script"].call()

    assert [line["text"] for line in second.body["dialogue"]] == ["Edited."]


@pytest.mark.parametrize("name", COMMITS)
def test_the_same_key_with_other_content_is_refused(db: "Client", operations: dict[str, Operation], name: str) -> None:
    first = operations[name].call()

    second = operations[name].call(other=True)

    assert (second.status, second.body["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert second.body["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert made_since(db, operations[name]) == [first.made]


@pytest.mark.parametrize("name", COMMITS)
def test_two_keys_or_none_make_two_things(db: "Client", operations: dict[str, Operation], name: str) -> None:
    operation = operations[name]
    operation.call(key="one")

    # Another script for the video, since one script has one unfinished job.
    operation.call(key=None, other=True)

    assert len(made_since(db, operation)) == 2


@pytest.mark.parametrize("name", COMMITS)
def test_a_bad_key_is_refused(db: "Client", operations: dict[str, Operation], name: str) -> None:
    sent = operations[name].call(key="two words")

    assert (sent.status, sent.body["detail"][0]["loc"]) == (422, ["header", "Idempotency-Key"])
    assert made_since(db, operations[name]) == []


@pytest.mark.parametrize(
    ("name", "path"), [("create_character", "/api/characters/"), ("generate_script", "/api/scripts/")]
)
def test_a_thing_that_was_deleted_since_is_not_made_again(
    db: "Client", operations: dict[str, Operation], call_api: Any, name: str, path: str
) -> None:
    first = operations[name].call()
    call_api("DELETE", path + first.made, user_id="ann")

    second = operations[name].call()

    assert (second.status, made_since(db, operations[name])) == (404, [])


def test_a_repeat_costs_nothing_of_the_rate_limit(db: "Client", operations: dict[str, Operation]) -> None:
    operations["generate_script"].call()
    for window in db.collection("rateLimits").stream():
        window.reference.update({"spent": 1_000_000})

    assert operations["generate_script"].call().status == 200


def test_a_repeat_is_answered_though_no_tokens_are_left(db: "Client", operations: dict[str, Operation]) -> None:
    operations["generate_video"].call()
    db.document("users", "ann").update({"tokens": 1})

    assert operations["generate_video"].call().status == 200


# A refused request consumes nothing: the same key works afterwards, and for other content too.


def test_a_script_that_the_writer_refused_leaves_the_key_free(operations: dict[str, Operation], writer: Desk) -> None:
    writer.replace_answers([ScriptedAnswer(status=500), ScriptedAnswer(refusal="No.")])
    assert operations["generate_script"].call().status == 502

    assert operations["generate_script"].call(other=True).status == 200


def test_too_many_scripts_in_an_hour_leave_the_key_free(db: "Client", operations: dict[str, Operation]) -> None:
    operations["generate_script"].call(key="before")
    for window in db.collection("rateLimits").stream():
        window.reference.update({"spent": 1_000_000})
    refused = operations["generate_script"].call()
    assert (refused.status, refused.body["error"]["code"]) == (429, "RATE_LIMITED")
    for window in db.collection("rateLimits").stream():
        window.reference.delete()

    assert operations["generate_script"].call(other=True).status == 200


def test_characters_that_cannot_speak_leave_the_key_free(db: "Client", operations: dict[str, Operation]) -> None:
    db.document("characters", "eva").update({"hidden": True, "ownerId": "eve"})
    assert operations["generate_script"].call().status == 422
    db.document("characters", "eva").update({"hidden": False})

    assert operations["generate_script"].call(other=True).status == 200


def test_pictures_that_are_refused_leave_the_key_free(
    operations: dict[str, Operation], send: Send, forms: Forms
) -> None:
    refused = send(
        "POST",
        "/api/characters/complete",
        user_id="ann",
        fields={"displayName": "Ada"},
        uploads=[("audioFile", forms.recording), ("imageFiles", b"no picture")],
        headers=header("key"),
    )
    assert refused.status_code == 422

    assert operations["create_character"].call().status == 200


def test_too_few_tokens_leave_the_key_free(db: "Client", operations: dict[str, Operation]) -> None:
    db.document("users", "ann").update({"tokens": 0})
    assert operations["generate_video"].call().status == 400
    db.document("users", "ann").update({"tokens": 5})

    assert operations["generate_video"].call(other=True).status == 200


def test_a_key_of_yesterday_makes_something_new(db: "Client", operations: dict[str, Operation]) -> None:
    first = operations["generate_script"].call()
    for record in db.collection("idempotency").stream():
        record.reference.update({"expireAt": datetime.now(UTC) - timedelta(seconds=1)})

    assert operations["generate_script"].call().made != first.made

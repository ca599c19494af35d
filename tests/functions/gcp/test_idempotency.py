"""What an Idempotency-Key stands for, on a real Firestore emulator."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import ServiceUnavailable
from pydantic import BaseModel

import main
from accounts.users import User
from characters.character import CharacterForm
from gcp.endpoint import Call
from gcp.errors import IdempotencyKeyReused, NotFound, RequestInProgress, ValidationFailed
from gcp.idempotency import KEPT, Key, begin, find_earlier, finish, given_back_unless_made, key_of, remember
from gcp.transactions import transact
from routes import route_of
from scripts.endpoints import GenerateScriptBody

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
KeyOf = Callable[..., Key]
FIELDS = {"selectedCharacters": ["tom", "eva"], "prompt": "A dialogue about tea."}
FORM = {"displayName": "Ada", "speed": "1.5"}
OPERATIONS = sorted(name for name in main.FUNCTIONS if getattr(getattr(main, name), "idempotent", False))


@pytest.fixture
def make_key(db: "Client", make_user: Callable[..., User]) -> KeyOf:
    """A function that makes the key of a request as its handler does."""

    def make(
        text: str = "first",
        *,
        user_id: str = "ann",
        operation: str = "generate_script",
        body: BaseModel | None = None,
        path: Mapping[str, str] | None = None,
        files: Mapping[str, Sequence[bytes]] | None = None,
        request_id: str = "request1",
    ) -> Key:
        call: Call[Any] = Call(
            body=body or script_body(FIELDS),
            path=path or {},
            query={},
            request_id=request_id,
            request_path="/",
            user=make_user(user_id),
            files=files or {},
            headers={"idempotency-key": text},
        )
        key = key_of(db, call, operation)
        assert key is not None
        return key

    return make


def script_body(fields: Mapping[str, Any]) -> GenerateScriptBody:
    return GenerateScriptBody.model_validate_json(json.dumps(fields))


def records(db: "Client") -> list[dict[str, Any]]:
    return [each.to_dict() or {} for each in db.collection("idempotency").stream()]


def make_thing(db: "Client", key: Key, resource_id: str) -> None:
    """The thing is stored as an operation does it, in one transaction with its key."""

    def store(transaction: Any) -> None:
        if finish(transaction, key):
            transaction.create(db.document("things", resource_id), {})

    transact(db, store)


@pytest.mark.parametrize("text", ["x", "!~", "x" * 255, "6f1c0f0e-8f0a-4c57-9d3f-2f6f0f1c7a51"])
def test_visible_ascii_is_a_key(make_key: KeyOf, text: str) -> None:
    assert make_key(text).reference


@pytest.mark.parametrize(
    "text",
    ["", "x" * 256, "two words", "caf\u00e9", "a\tb", "a\x7fb", "key\n"],
    ids=["empty", "256", "a space", "not ASCII", "a tab", "delete", "a line break"],
)
def test_anything_else_is_no_key(make_key: KeyOf, text: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        make_key(text)

    assert refusal.value.details[0]["loc"] == ["header", "Idempotency-Key"]


def test_two_requests_without_a_key_make_two_things(db: "Client") -> None:
    assert begin(db, None, now=NOW).resource_id != begin(db, None, now=NOW).resource_id
    assert records(db) == []


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ({}, True),
        ({"text": "second"}, False),
        ({"user_id": "eve"}, False),
        ({"operation": "create_character"}, False),
        ({"path": {"scriptId": "5"}}, True),
    ],
    ids=["the same", "another key", "another user", "another operation", "another path"],
)
def test_a_key_belongs_to_a_user_and_an_operation(make_key: KeyOf, other: Mapping[str, Any], *, is_same: bool) -> None:
    assert (make_key(**other).reference.path == make_key().reference.path) is is_same


@pytest.mark.parametrize(
    ("fields", "is_same"),
    [
        (dict(reversed(FIELDS.items())), True),
        (FIELDS | {"newerClientsField": 7, "ownerId": "eve"}, True),
        (FIELDS | {"prompt": "  A dialogue about tea. "}, True),
        (FIELDS | {"prompt": "A dialogue about coffee."}, False),
        (FIELDS | {"selectedCharacters": ["eva", "tom"]}, False),
    ],
    ids=["another order of fields", "unknown fields", "spaces that are not read", "a value", "an order that means"],
)
def test_content_is_what_is_read_of_the_body(make_key: KeyOf, fields: Mapping[str, Any], *, is_same: bool) -> None:
    assert (make_key(body=script_body(fields)).fingerprint == make_key().fingerprint) is is_same


def test_the_paths_variables_are_content(make_key: KeyOf) -> None:
    assert make_key(path={"scriptId": "5"}).fingerprint != make_key(path={"scriptId": "6"}).fingerprint


@pytest.mark.parametrize(
    ("form", "files", "is_same"),
    [
        (FORM, {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"]}, True),
        (FORM | {"speed": "1.50", "unknown": "x"}, {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"]}, True),
        (FORM, {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"], "unknown": [b"more"]}, True),
        (FORM | {"removeSilences": "true"}, {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"]}, True),
        (FORM, {"audioFile": [b"Voice"], "imageFiles": [b"one", b"two"]}, False),
        (FORM, {"audioFile": [b"voice"], "imageFiles": [b"two", b"one"]}, False),
        (FORM, {"audioFile": [b"voice"], "imageFiles": [b"onetwo"]}, False),
        (FORM | {"speed": "1.6"}, {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"]}, False),
    ],
    ids=[
        "the same",
        "written differently",
        "an unknown file",
        "a default",
        "another recording",
        "another order of pictures",
        "two pictures as one",
        "another field",
    ],
)
def test_a_forms_content_is_its_fields_and_each_files_bytes(
    make_key: KeyOf, form: Mapping[str, str], files: Mapping[str, Sequence[bytes]], *, is_same: bool
) -> None:
    sent = {"audioFile": [b"voice"], "imageFiles": [b"one", b"two"]}
    first = make_key(body=CharacterForm.model_validate(FORM), files=sent)

    second = make_key(body=CharacterForm.model_validate(form), files=files)

    assert (second.fingerprint == first.fingerprint) is is_same


def test_a_record_tells_neither_key_nor_content(db: "Client", make_key: KeyOf) -> None:
    begin(db, make_key("my-key"), now=NOW)

    (document,) = db.collection("idempotency").stream()
    assert "my-key" not in document.id
    assert not {"my-key", "A dialogue about tea."} & set(map(str, (document.to_dict() or {}).values()))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_lease_is_longer_than_the_functions_timeout(db: "Client", make_key: KeyOf, operation: str) -> None:
    begin(db, make_key(operation=operation), now=NOW)

    (record,) = records(db)
    assert record["leaseUntil"] - NOW > timedelta(seconds=route_of(operation).timeout_seconds)


def test_what_costs_something_keeps_a_key() -> None:
    assert OPERATIONS == ["create_character", "generate_script", "generate_video"]


def test_the_second_of_two_is_refused_until_the_lease_ends(db: "Client", make_key: KeyOf) -> None:
    begin(db, make_key(), now=NOW)

    with pytest.raises(RequestInProgress) as refusal:
        begin(db, make_key(request_id="request2"), now=NOW + timedelta(seconds=30))

    assert refusal.value.headers["Retry-After"] == "60"


def test_whoever_comes_after_the_lease_takes_over_under_the_same_id(db: "Client", make_key: KeyOf) -> None:
    died = begin(db, make_key(), now=NOW)

    taken_over = begin(db, make_key(request_id="request2"), now=NOW + timedelta(seconds=90))

    assert taken_over == died


def test_whoever_lost_the_lease_stores_nothing(db: "Client", make_key: KeyOf) -> None:
    slow, next_one = make_key(), make_key(request_id="request2")
    attempt = begin(db, slow, now=NOW)
    begin(db, next_one, now=NOW + timedelta(seconds=90))

    with pytest.raises(RequestInProgress):
        make_thing(db, slow, attempt.resource_id)

    assert list(db.collection("things").stream()) == []


def test_whoever_lost_the_lease_gives_nothing_back(db: "Client", make_key: KeyOf) -> None:
    slow, next_one = make_key(), make_key(request_id="request2")
    begin(db, slow, now=NOW)
    attempt = begin(db, next_one, now=NOW + timedelta(seconds=90))

    with pytest.raises(NotFound), given_back_unless_made(db, slow):
        raise NotFound("Gone.")

    make_thing(db, next_one, attempt.resource_id)
    assert begin(db, make_key(request_id="request3"), now=NOW + timedelta(seconds=91)).is_repeat


def test_what_is_made_is_answered_again(db: "Client", make_key: KeyOf) -> None:
    attempt = begin(db, make_key(), now=NOW)
    make_thing(db, make_key(), attempt.resource_id)

    again = begin(db, make_key(request_id="request2"), now=NOW + KEPT - timedelta(seconds=1))

    assert again == (attempt.resource_id, True)


def test_a_thing_is_stored_once_though_its_commit_is_repeated(db: "Client", make_key: KeyOf) -> None:
    attempt = begin(db, make_key(), now=NOW)
    make_thing(db, make_key(), attempt.resource_id)

    make_thing(db, make_key(), attempt.resource_id)

    assert len(list(db.collection("things").stream())) == 1


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "in progress"])
def test_a_key_with_other_content_is_refused(db: "Client", make_key: KeyOf, *, is_done: bool) -> None:
    attempt = begin(db, make_key(), now=NOW)
    if is_done:
        make_thing(db, make_key(), attempt.resource_id)

    with pytest.raises(IdempotencyKeyReused):
        begin(db, make_key(path={"scriptId": "5"}, request_id="request2"), now=NOW)


def test_a_refused_request_leaves_its_key_free_for_anything(db: "Client", make_key: KeyOf) -> None:
    begin(db, make_key(), now=NOW)
    with pytest.raises(NotFound), given_back_unless_made(db, make_key()):
        raise NotFound("Gone.")

    other = begin(db, make_key(path={"scriptId": "5"}, request_id="request2"), now=NOW)

    assert not other.is_repeat


def test_a_request_whose_commits_answer_was_lost_keeps_its_key(db: "Client", make_key: KeyOf) -> None:
    attempt = begin(db, make_key(), now=NOW)

    def make_unheard() -> None:
        make_thing(db, make_key(), attempt.resource_id)
        raise ServiceUnavailable("no answer")  # type: ignore[no-untyped-call]  # the package leaves it so

    with pytest.raises(ServiceUnavailable), given_back_unless_made(db, make_key()):
        make_unheard()

    assert begin(db, make_key(request_id="request2"), now=NOW) == (attempt.resource_id, True)


def test_a_key_can_be_used_for_something_new_after_a_day(db: "Client", make_key: KeyOf) -> None:
    first = begin(db, make_key(), now=NOW)
    make_thing(db, make_key(), first.resource_id)

    second = begin(db, make_key(path={"scriptId": "5"}, request_id="request2"), now=NOW + KEPT)

    assert not second.is_repeat
    assert second.resource_id != first.resource_id


def test_what_one_transaction_makes_needs_no_claim(db: "Client", make_key: KeyOf) -> None:
    transact(db, lambda transaction: remember(transaction, make_key(), "thing1", NOW))

    earlier = transact(db, lambda transaction: find_earlier(transaction, make_key(request_id="request2"), NOW))

    assert earlier
    assert (earlier.resource_id, earlier.state) == ("thing1", "done")


def test_a_record_may_go_after_a_day(db: "Client", make_key: KeyOf) -> None:
    begin(db, make_key(), now=NOW)

    assert records(db)[0]["expireAt"] == NOW + timedelta(hours=24)

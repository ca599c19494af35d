"""Having a script written, on the Firestore emulator, by the development writer in place of OpenAI."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from characters.character import Character, Recording, VoiceConfig
from characters.store import write_new_character
from local.writer_server import Desk, ScriptedAnswer
from scripts.store import find_script

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROMPT = "Write a funny dialogue about tea."


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., User]) -> None:
    make_user("anna")
    make_user("bert")


def stored_character(db: "Client", character_id: str, *, owner_id: str = "anna", hidden: bool = False) -> str:
    character = Character(
        id=character_id,
        display_name=character_id.title(),
        config=VoiceConfig(),
        recording=Recording(object_name=f"recordings/{owner_id}/{'c' * 32}.wav", duration_seconds=3.0),
        images={},
        next_image_key=0,
        output_prefix=character_id,
        owner_id=owner_id,
        owner_name=owner_id.title(),
        hidden=hidden,
        created_at=NOW,
        updated_at=NOW,
    )
    write_new_character(db, character)
    return character_id


def generate(call_api: CallApi, ids: list[str], prompt: str = PROMPT) -> Any:
    body = {"selectedCharacters": ids, "prompt": prompt}
    return call_api("POST", "/api/scripts/generate", user_id="anna", body=body)


def test_a_generated_script_is_answered_and_stored(db: "Client", call_api: CallApi, writer: Desk) -> None:
    ids = [stored_character(db, "tom"), stored_character(db, "eva", owner_id="bert")]

    status, body, _ = generate(call_api, ids)

    assert (status, writer.calls()) == (200, 1)
    stored = find_script(db, body["id"])
    assert stored is not None
    assert (stored.owner_id, stored.selected_characters, stored.original_prompt) == ("anna", ("tom", "eva"), PROMPT)
    assert body["dialogue"] == [
        {"speaker": line.speaker, "text": line.text, "audioFile": ""} for line in stored.dialogue
    ]
    assert {line["speaker"] for line in body["dialogue"]} == {"tom", "eva"}


def test_a_generated_script_is_answered_as_get_answers_it(db: "Client", call_api: CallApi, writer: Desk) -> None:
    assert writer
    ids = [stored_character(db, "tom"), stored_character(db, "eva")]

    generated = generate(call_api, ids).body

    assert call_api("GET", f"/api/scripts/{generated['id']}", user_id="anna").body == generated


@pytest.mark.parametrize(
    "case",
    ["one", "six", "twice the same", "unknown", "hidden of another", "a path", "a reserved id", "a number"],
)
def test_characters_that_cannot_speak_are_refused_before_anything_is_written(
    db: "Client", call_api: CallApi, writer: Desk, case: str
) -> None:
    tom, eva = stored_character(db, "tom"), stored_character(db, "eva")
    hidden = stored_character(db, "spy", owner_id="bert", hidden=True)
    six: list[Any] = [tom, eva, *(stored_character(db, f"more{number}") for number in range(4))]
    ids = {
        "one": [tom],
        "six": six,
        "twice the same": [tom, tom],
        "unknown": [tom, "nobody"],
        "hidden of another": [tom, hidden],
        "a path": [tom, "a/b"],
        "a reserved id": [tom, "__x__"],
        "a number": [tom, 7],
    }[case]

    status, body, _ = generate(call_api, ids)

    assert (status, body["detail"][0]["loc"][:2]) == (422, ["body", "selectedCharacters"])
    assert writer.calls() == 0


def test_ones_own_hidden_character_can_speak(db: "Client", call_api: CallApi, writer: Desk) -> None:
    assert writer
    ids = [stored_character(db, "tom"), stored_character(db, "spy", hidden=True)]

    assert generate(call_api, ids).status == 200


@pytest.mark.parametrize(
    "prompt",
    ["too short", " " * 30, "x" * 2001, 12345678901, "a prompt with \0 in it", "\u200b\ufeff" * 9],
    ids=["9 characters", "spaces", "2001", "a number", "a control character", "nothing to see"],
)
def test_a_prompt_outside_its_limits_is_refused(call_api: CallApi, writer: Desk, prompt: str) -> None:
    status, body, _ = generate(call_api, ["tom", "eva"], prompt)

    assert (status, body["detail"][0]["loc"]) == (422, ["body", "prompt"])
    assert writer.calls() == 0


@pytest.mark.parametrize("prompt", ["x" * 10, "y" * 2000], ids=["10 characters", "2000 characters"])
def test_a_prompt_at_its_limits_is_taken(db: "Client", call_api: CallApi, writer: Desk, prompt: str) -> None:
    assert writer
    ids = [stored_character(db, "tom"), stored_character(db, "eva")]

    assert generate(call_api, ids, prompt).status == 200


def test_a_writer_that_fails_twice_is_a_502_and_no_script(db: "Client", call_api: CallApi, writer: Desk) -> None:
    ids = [stored_character(db, "tom"), stored_character(db, "eva")]
    writer.replace_answers([ScriptedAnswer(status=500), ScriptedAnswer(refusal="No.")])

    status, body, _ = generate(call_api, ids)

    assert (status, body["error"]["code"], writer.calls()) == (502, "WRITER_FAILED", 2)
    assert list(db.collection("scripts").stream()) == []

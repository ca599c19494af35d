"""The triggers that only write activities, called with events as Eventarc delivers them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from accounts.triggers import on_user_created
from accounts.users import User
from scripts.script import DialogueLine, Script
from scripts.store import create_script
from scripts.triggers import on_script_created

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Deliver = Callable[..., None]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def activities(db: "Client", user_id: str) -> list[dict[str, Any]]:
    return [each.to_dict() or {} for each in db.collection("users", user_id, "activities").stream()]


def stored_script(db: "Client", prompt: str) -> str:
    script = Script(
        id="a" * 32,
        owner_id="anna",
        selected_characters=("c1", "c2"),
        original_prompt=prompt,
        dialogue=(DialogueLine(speaker="c1", text="Tea."),),
        created_at=NOW,
        updated_at=NOW,
    )
    create_script(db, script)
    return f"scripts/{script.id}"


def test_a_created_script_is_in_the_log_under_the_beginning_of_its_prompt(
    db: "Client", deliver_created: Deliver
) -> None:
    path = stored_script(db, "Tea " * 20)

    deliver_created(on_script_created, path)

    assert activities(db, "anna") == [
        {
            "type": "script_created",
            "message": f"Script '{'Tea ' * 14}Tea' created",
            "timestamp": NOW,
            "scriptId": "a" * 32,
            "characterId": None,
            "videoObject": None,
        }
    ]


def test_a_creation_delivered_twice_is_one_activity(db: "Client", deliver_created: Deliver) -> None:
    path = stored_script(db, "Two friends argue about tea.")

    deliver_created(on_script_created, path, event_id="event1")
    deliver_created(on_script_created, path, event_id="event2")

    assert len(activities(db, "anna")) == 1


@pytest.mark.parametrize(
    ("tokens", "messages"),
    [
        (20, {"user_signed_up": "Welcome to Duologue", "tokens_granted": "20 tokens granted"}),
        (1, {"user_signed_up": "Welcome to Duologue", "tokens_granted": "1 token granted"}),
        (0, {"user_signed_up": "Welcome to Duologue"}),
    ],
    ids=["20 tokens", "1 token", "no tokens"],
)
def test_a_new_users_log_begins_with_the_sign_up(
    db: "Client",
    deliver_created: Deliver,
    make_user: Callable[..., User],
    tokens: int,
    messages: dict[str, str],
) -> None:
    make_user("anna", tokens=tokens)

    deliver_created(on_user_created, "users/anna")

    assert {each["type"]: each["message"] for each in activities(db, "anna")} == messages


def test_a_sign_up_delivered_twice_is_logged_once(
    db: "Client", deliver_created: Deliver, make_user: Callable[..., User]
) -> None:
    make_user("anna")

    deliver_created(on_user_created, "users/anna", event_id="event1")
    deliver_created(on_user_created, "users/anna", event_id="event2")

    assert len(activities(db, "anna")) == 2

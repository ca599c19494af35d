"""An admin sets `hidden` on a character in the console: at once it is its owner's alone."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from characters.character import Character, Recording, VoiceConfig
from tests.functions.conftest import CallApi

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def hide(db: "Client", make_user: Callable[..., User]) -> Callable[[Any], None]:
    """A function that sets `hidden` of ann's public character `ada`, as typed; eve is another user."""
    make_user("ann")
    make_user("eve")
    for character_id, owner_id in (("ada", "ann"), ("ben", "eve")):
        character = Character(
            id=character_id,
            display_name=character_id.title(),
            config=VoiceConfig(),
            recording=Recording(object_name=f"recordings/{owner_id}/{'a' * 32}.wav", duration_seconds=8.0),
            images={"0": f"images/{owner_id}/{'b' * 32}.png"},
            next_image_key=1,
            output_prefix=character_id,
            owner_id=owner_id,
            owner_name=owner_id.title(),
            created_at=NOW,
            updated_at=NOW,
        )
        fields = {name: value for name, value in character.to_document().items() if name != "id"}
        db.document("characters", character_id).set(fields)

    def hide(value: Any) -> None:
        db.document("characters", "ada").update({"hidden": value})

    return hide


def listed(call_api: CallApi, path: str, user_id: str) -> list[str]:
    return sorted(each["id"] for each in call_api("GET", path, user_id=user_id).body)


@pytest.mark.parametrize("value", [True, "true", "yes, please", 1], ids=repr)
def test_a_hidden_character_is_its_owners_alone(hide: Callable[[Any], None], call_api: CallApi, value: Any) -> None:
    assert listed(call_api, "/api/characters", "eve") == ["ada", "ben"]

    hide(value)

    assert listed(call_api, "/api/characters", "eve") == ["ben"]
    assert call_api("GET", "/api/characters/ada", user_id="eve").status == 404
    assert call_api("GET", "/api/characters/ada", user_id="ann").status == 200
    assert listed(call_api, "/api/my-characters", "ann") == ["ada"]


def test_a_hidden_character_is_starred_by_nobody_else(hide: Callable[[Any], None], call_api: CallApi) -> None:
    hide(True)

    assert call_api("POST", "/api/characters/ada/star", user_id="eve").status == 404


def test_a_hidden_character_is_written_for_nobody_else(hide: Callable[[Any], None], call_api: CallApi) -> None:
    hide(True)

    body = {"selectedCharacters": ["ada", "ben"], "prompt": "Two friends argue about tea."}
    answer = call_api("POST", "/api/scripts/generate", user_id="eve", body=body)

    assert (answer.status, answer.body["error"]["param"]) == (422, "selectedCharacters")


def test_a_character_is_shown_again(hide: Callable[[Any], None], call_api: CallApi) -> None:
    hide(True)

    hide(False)

    assert listed(call_api, "/api/characters", "eve") == ["ada", "ben"]

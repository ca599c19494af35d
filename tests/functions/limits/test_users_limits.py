"""What a user may do so often in an hour, through the API and as `config/platform` says.

Uploads are limited the same way (tests/functions/characters), and unfinished videos by their holds
(tests/functions/videos).
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from accounts.users import User
from config import platform
from local.writer_server import Desk
from tests.functions.conftest import Answered, CallApi
from tests.functions.things import write_character

if TYPE_CHECKING:
    from google.cloud.firestore import Client


class Limited(NamedTuple):
    setting: str
    path: str
    body: dict[str, Any]
    makes: str


SCRIPTS = Limited(
    "scriptsPerHour",
    "/api/scripts/generate",
    {"selectedCharacters": ["tom", "eva"], "prompt": "Write a funny dialogue about tea."},
    "scripts",
)
FEEDBACK = Limited("feedbackPerHour", "/api/feedback", {"message": "More tea, please."}, "feedback")
LIMITED = pytest.mark.parametrize("limited", [SCRIPTS, FEEDBACK], ids=lambda limited: limited.setting)

Ask = Callable[..., Answered]


@pytest.fixture
def ask(db: "Client", call_api: CallApi, make_user: Callable[..., User], writer: Desk) -> Ask:
    """A function with which ann, or another user, does what is limited to two in an hour."""
    assert writer
    for user_id in ("ann", "eve"):
        make_user(user_id)
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    db.document("config", "effective").set({SCRIPTS.setting: 2, FEEDBACK.setting: 2})
    platform._cache.clear()

    def ask_as(limited: Limited, user_id: str = "ann") -> Answered:
        answer: Answered = call_api("POST", limited.path, user_id=user_id, body=limited.body)
        return answer

    return ask_as


def count(db: "Client", limited: Limited) -> int:
    return len(list(db.collection(limited.makes).stream()))


@LIMITED
def test_one_more_than_configured_is_refused_with_the_time_to_wait(db: "Client", ask: Ask, limited: Limited) -> None:
    taken = [ask(limited).status for _ in range(2)]

    refused = ask(limited)

    assert taken == [200, 200]
    assert (refused.status, refused.body["error"]["code"]) == (429, "RATE_LIMITED")
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert count(db, limited) == 2


@LIMITED
def test_the_next_hour_is_a_new_one(db: "Client", ask: Ask, limited: Limited) -> None:
    for _ in range(2):
        ask(limited)

    for window in db.collection("rateLimits").stream():
        window.reference.update({"expireAt": datetime.now(UTC) - timedelta(seconds=1)})

    assert ask(limited).status == 200


@LIMITED
def test_another_user_has_an_hour_of_their_own(ask: Ask, limited: Limited) -> None:
    for _ in range(2):
        ask(limited)

    assert ask(limited, "eve").status == 200


def test_what_one_limit_refuses_another_does_not(ask: Ask) -> None:
    for _ in range(3):
        ask(FEEDBACK)

    assert ask(SCRIPTS).status == 200

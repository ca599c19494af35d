"""What users tell us, on a real Firestore emulator."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from limits.rate_limits import window_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]


@pytest.fixture(autouse=True)
def _user(make_user: Callable[..., User]) -> None:
    make_user("ann")


def send_feedback(call_api: CallApi, message: Any) -> Any:
    return call_api("POST", "/api/feedback", user_id="ann", body={"message": message})


def stored(db: "Client") -> list[dict[str, Any]]:
    return [each.to_dict() or {} for each in db.collection("feedback").stream()]


def test_feedback_is_stored_with_its_user_and_answered_with_its_id(db: "Client", call_api: CallApi) -> None:
    status, body, _ = send_feedback(call_api, "I like it.")

    assert (status, set(body)) == (200, {"success", "message", "feedbackId"})
    fields = db.document("feedback", body["feedbackId"]).get().to_dict() or {}
    assert body["success"] is True
    assert (fields["userId"], fields["message"]) == ("ann", "I like it.")
    assert set(fields) == {"userId", "message", "createdAt"}


@pytest.mark.parametrize("message", ["x", "y" * 2000, "Two\nlines."], ids=["1", "2000", "two lines"])
def test_a_message_at_its_limits_is_taken(call_api: CallApi, message: str) -> None:
    assert send_feedback(call_api, message).status == 200


def test_a_message_is_stored_without_the_spaces_around_it(db: "Client", call_api: CallApi) -> None:
    send_feedback(call_api, "  " + "z" * 2000 + "\n")

    assert stored(db)[0]["message"] == "z" * 2000


@pytest.mark.parametrize(
    "message",
    ["", "  \n ", "x" * 2001, "a\0b", "\u200b\ufeff", 7, None],
    ids=["empty", "spaces", "2001", "a control character", "nothing to see", "a number", "null"],
)
def test_anything_else_is_refused(db: "Client", call_api: CallApi, message: Any) -> None:
    status, body, _ = send_feedback(call_api, message)

    assert (status, body["detail"][0]["loc"]) == (422, ["body", "message"])
    assert stored(db) == []


def test_a_message_is_asked_for(call_api: CallApi) -> None:
    assert call_api("POST", "/api/feedback", user_id="ann", body={}).status == 422


def test_who_sends_too_much_in_an_hour_is_told_to_wait(db: "Client", call_api: CallApi) -> None:
    send_feedback(call_api, "The first.")
    window_reference(db, "create_feedback", "ann").update({"spent": 20})

    status, body, headers = send_feedback(call_api, "One too many.")

    assert (status, body["error"]["code"]) == (429, "RATE_LIMITED")
    assert "20" in body["detail"]
    assert 3500 < int(headers["Retry-After"]) <= 3600
    assert len(stored(db)) == 1


def test_no_log_has_the_message(call_api: CallApi, capsys: pytest.CaptureFixture[str]) -> None:
    send_feedback(call_api, "A very particular sentence.")

    written = capsys.readouterr()
    assert "create_feedback" in written.out + written.err
    assert "particular" not in written.out + written.err

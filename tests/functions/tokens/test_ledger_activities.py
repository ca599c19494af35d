"""What the user's log says of the ledger, and in which order."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.triggers import on_user_written
from tests.functions.conftest import DeliverCreated, DeliverWritten, MakeUser
from tests.functions.tokens.conftest import Account
from tokens.ledger import LedgerEntry
from tokens.triggers import on_ledger_entry_created

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
GRANT = "users/ann/ledger/initial_grant"


def activities(db: "Client") -> list[dict[str, Any]]:
    """The log in order of time."""
    return [each.to_dict() or {} for each in db.collection("users", "ann", "activities").order_by("timestamp").stream()]


@pytest.mark.parametrize(
    ("kind", "tokens", "logged"),
    [
        ("grant", 20, [("tokens_granted", "20 tokens granted")]),
        ("grant", 1, [("tokens_granted", "1 token granted")]),
        ("grant", 0, []),
        ("adjustment", 5, [("tokens_adjusted", "5 tokens added: A present")]),
        ("adjustment", -1, [("tokens_adjusted", "1 token removed: A present")]),
        ("adjustment", 25_000, [("tokens_adjusted", "25,000 tokens added: A present")]),
        ("hold", 0, []),
        ("capture", -1, []),
        ("release", 0, []),
    ],
)
def test_an_entry_delivered_twice_is_told_once_in_a_sentence(
    *, db: "Client", deliver_created: DeliverCreated, kind: Any, tokens: int, logged: list[tuple[str, str]]
) -> None:
    entry = LedgerEntry(
        kind=kind, tokens=tokens, held=0, balance_after=9, held_after=0, reason="A present", created_at=NOW
    )
    db.document("users/ann/ledger/e1").set(entry.to_document())

    for event_id in ("event1", "event2"):
        deliver_created(on_ledger_entry_created, "users/ann/ledger/e1", event_id=event_id)

    assert [(each["type"], each["message"]) for each in activities(db)] == logged


@pytest.mark.parametrize("grant_first", [True, False], ids=["the grant's event first", "the user's event first"])
def test_the_log_begins_with_the_sign_up_whichever_event_is_first(
    *,
    db: "Client",
    make_user: MakeUser,
    deliver_created: DeliverCreated,
    deliver_written: DeliverWritten,
    grant_first: bool,
) -> None:
    make_user("ann")
    user = db.document("users", "ann").get().to_dict()
    if grant_first:
        deliver_created(on_ledger_entry_created, GRANT)

    deliver_written(on_user_written, "users/ann", before=None, after=user)
    deliver_created(on_ledger_entry_created, GRANT)
    deliver_written(on_user_written, "users/ann", before=None, after=user, event_id="event2")

    assert [each["type"] for each in activities(db)] == ["user_signed_up", "tokens_granted"]


def test_an_edit_in_the_console_is_told(ann: Account, db: "Client", deliver_created: DeliverCreated) -> None:
    ann.deliver(ann.edit(tokens=25))
    edited = next(each for each in db.collection("users", "ann", "ledger").stream() if each.id != "initial_grant")

    deliver_created(on_ledger_entry_created, edited.reference.path)

    assert [each["message"] for each in activities(db)] == ["5 tokens added: Edited in the console"]


def test_an_entry_made_by_hand_is_passed_over(db: "Client", deliver_created: DeliverCreated) -> None:
    db.document("users/ann/ledger/mine").set({"kind": "grant", "tokens": "5"})

    deliver_created(on_ledger_entry_created, "users/ann/ledger/mine")

    assert activities(db) == []


def test_a_user_made_by_hand_is_welcomed(db: "Client", deliver_written: DeliverWritten) -> None:
    deliver_written(on_user_written, "users/ann", before=None, after={"name": "Ann"})

    [welcome] = activities(db)
    assert datetime.now(UTC) - welcome["timestamp"] < timedelta(minutes=1)

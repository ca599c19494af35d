"""An admin edits `tokens`, `held` or `ledgerTokens` in the console: entered in the ledger or put back, once."""

import itertools
import math
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from gcp.errors import Unavailable
from tests.functions.conftest import CallApi
from tests.functions.tokens.conftest import Account, Written

EDITED = "Edited in the console"


@pytest.mark.parametrize(("tokens", "delta"), [(25, 5), (3, -17), (0, -20), (1_000_000_000, 999_999_980)])
def test_an_edited_balance_is_in_the_ledger(ann: Account, tokens: int, delta: int) -> None:
    ann.deliver(ann.edit(tokens=tokens))

    assert ann.entries == [("adjustment", delta, EDITED)]
    assert ann.amounts == (tokens, tokens, 0)
    ann.assert_books_agree()


def test_an_edit_delivered_twice_is_entered_once(ann: Account) -> None:
    edited = ann.edit(tokens=25)

    ann.deliver(edited)
    ann.deliver(edited)

    assert ann.entries == [("adjustment", 5, EDITED)]


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 0, 1))))
def test_two_edits_end_at_the_last_in_any_order_of_their_events(ann: Account, order: tuple[int, ...]) -> None:
    edits = [ann.edit(tokens=25), ann.edit(tokens=7)]

    for number in order:
        ann.deliver(edits[number])

    assert ann.amounts == (7, 7, 0)
    ann.assert_books_agree()


def test_the_write_that_enters_an_edit_leads_to_no_other(ann: Account) -> None:
    edited = ann.edit(tokens=25)
    ann.deliver(edited)
    entered = ann.fields

    ann.deliver(edited._replace(before=edited.after, after=entered))

    assert ann.fields == entered


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("25", 'a balance is a whole number, not "25"'),
        (2.5, "a balance is a whole number, not 2.5"),
        (math.nan, "a balance is a whole number, not nan"),
        (math.inf, "a balance is a whole number, not inf"),
        (True, "a balance is a whole number, not true"),
        (None, "a balance is a whole number, not nothing"),
        ({}, "a balance is a whole number, not {}"),
        (2, "a balance is at least the 3 held for unfinished videos"),
        (-1, "a balance is at least the 3 held for unfinished videos"),
        (1_000_000_001, "a balance is at most 1,000,000,000"),
        (2**62, "a balance is at most 1,000,000,000"),
    ],
)
def test_an_impossible_balance_is_put_back_with_the_reason(ann: Account, value: Any, said: str) -> None:
    ann.hold("job1", 3)

    ann.deliver(ann.edit(tokens=value))

    assert ann.amounts == (20, 20, 3)
    assert ann.fields["tokensProblem"].startswith("Put back to 20 on ")
    assert ann.fields["tokensProblem"].endswith(f" UTC: {said}.")
    assert ann.entries == [("hold", 0, None)]


def test_a_removed_balance_is_put_back(ann: Account) -> None:
    before = ann.fields
    without = {name: value for name, value in before.items() if name != "tokens"}
    ann.db.document("users", "ann").set(without)

    ann.deliver(Written(before, ann.fields))

    assert ann.amounts == (20, 20, 0)


def test_the_next_good_edit_clears_the_problem(ann: Account) -> None:
    ann.deliver(ann.edit(tokens="many"))

    ann.deliver(ann.edit(tokens=30))

    assert ann.fields["tokensProblem"] is None
    assert ann.amounts == (30, 30, 0)


@pytest.mark.parametrize("value", ["many", -1, math.nan, None, True, 10**12])
def test_a_user_with_an_impossible_balance_is_served_with_the_ledgers(
    ann: Account, call_api: CallApi, value: Any
) -> None:
    ann.edit(tokens=value)

    assert call_api("GET", "/api/me", user_id="ann").body["tokens"] == 20


@pytest.mark.parametrize("fields", [{"held": "x"}, {"ledgerTokens": "x"}, {"ledgerTokens": None, "tokens": "x"}])
def test_a_user_with_impossible_books_is_served(ann: Account, call_api: CallApi, fields: dict[str, Any]) -> None:
    ann.edit(**fields)

    assert call_api("GET", "/api/me", user_id="ann").status == 200


@pytest.mark.parametrize("capture", [True, False], ids=["captured", "released"])
@pytest.mark.parametrize(("edited", "tokens"), [(25, 25), ("many", 20), (math.nan, 20), (-7, 20), (None, 20)])
def test_a_movement_while_an_edit_is_pending_keeps_it_pending(
    ann: Account, edited: Any, tokens: int, *, capture: bool
) -> None:
    ann.hold("job1", 2)
    edit = ann.edit(tokens=edited)
    held = ann.hold("job2", 3)
    settled = ann.settle("job1", capture=capture)

    assert ann.entries[-1][:2] == (("capture", -2) if capture else ("release", 0))
    assert "adjustment" not in {kind for kind, _, _ in ann.entries}

    for event in (settled, held, edit, edit, held, settled):
        ann.deliver(event)
    paid = 2 if capture else 0
    assert ann.amounts == (tokens - paid, tokens - paid, 3)
    ann.assert_books_agree()


@pytest.mark.parametrize(
    "fields", [{"held": 0}, {"held": 99}, {"held": "2"}, {"ledgerTokens": 30}, {"ledgerTokens": -1}]
)
def test_edited_books_are_put_back_and_no_balance_changes(ann: Account, fields: dict[str, Any]) -> None:
    ann.hold("job1", 2)

    ann.deliver(ann.edit(**fields))

    assert ann.amounts == (20, 20, 2)
    assert "held and ledgerTokens follow from the ledger" in ann.fields["tokensProblem"]
    ann.assert_books_agree()


@pytest.mark.parametrize("order", list(itertools.permutations((0, 1, 2))))
def test_books_edited_between_two_movements_are_put_back(ann: Account, order: tuple[int, ...]) -> None:
    ann.hold("job1", 2)
    writes = [ann.edit(held=0), ann.hold("job2", 3), ann.settle("job1", capture=True)]

    for number in order:
        ann.deliver(writes[number])

    assert ann.amounts == (18, 18, 3)
    ann.assert_books_agree()


def test_a_document_made_by_hand_gets_its_books(ann: Account) -> None:
    for each in ann.db.collection("users", "ann", "ledger").stream():
        each.reference.delete()
    ann.db.document("users", "ann").set({"name": "Ann", "tokens": 50})

    ann.deliver(Written(None, ann.fields))

    assert ann.amounts == (50, 50, 0)
    assert "tokensProblem" not in ann.fields
    ann.assert_books_agree()


def test_a_deleted_account_is_left_alone(ann: Account) -> None:
    ann.deliver(ann.edit(tokens=99, deletedAt=ann.fields["createdAt"]))

    assert ann.amounts == (99, 20, 0)


def test_edits_and_movements_at_once_leave_books_that_agree(ann: Account) -> None:
    for number in range(4):
        ann.hold(f"job{number}")
    edited = ann.edit(tokens=40)

    def act(number: int) -> None:
        # The emulator gives up on contended transactions; what counts is what it committed.
        try:
            ann.settle(f"job{number}", capture=number % 2 == 0)
            ann.deliver(edited)
        except Unavailable:
            return

    threads = [threading.Thread(target=act, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ann.deliver(edited)

    assert [tokens for kind, tokens, _ in ann.entries if kind == "adjustment"] == [20]
    ann.assert_books_agree()


@pytest.mark.parametrize("tokens", [5, -5])
def test_a_ledger_entry_made_by_hand_is_taken_back_by_another_and_the_balance_stays(ann: Account, tokens: int) -> None:
    """As docs/console.md tells admins."""
    entry = {"kind": "adjustment", "tokens": tokens, "held": 0, "reason": "By hand", "createdAt": datetime.now(UTC)}
    ann.db.document("users", "ann", "ledger", "mine").set(entry)

    ann.deliver(ann.edit(ledgerTokens=0))

    assert ann.amounts == (20, 20, 0)
    assert ann.entries == [("adjustment", tokens, "By hand"), ("adjustment", -tokens, EDITED)]

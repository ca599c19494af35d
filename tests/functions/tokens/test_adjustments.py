"""An admin adds a document `{delta, reason}` under the user: applied once or refused, and it says which."""

import itertools
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from gcp.errors import Unavailable
from gcp.page import PageRequest, page_request, read_page
from tests.functions.conftest import DeliverCreated
from tests.functions.tokens.conftest import Account
from tokens.triggers import on_adjustment_created

Adjust = Callable[..., dict[str, Any]]
PATH = "users/ann/adjustments/a1"


@pytest.fixture
def adjust(ann: Account, deliver_created: DeliverCreated) -> Adjust:
    """A function that adds the adjustment, delivers its event so many times, and gives what became of it."""

    def add(fields: dict[str, Any], *, path: str = PATH, times: int = 1) -> dict[str, Any]:
        ann.db.document(path).set(fields)
        for number in range(times):
            deliver_created(on_adjustment_created, path, fields=fields, event_id=f"event{number}")
        return ann.db.document(path).get().to_dict() or {}

    return add


@pytest.mark.parametrize(("delta", "tokens"), [(5, 25), (-5, 15), (-20, 0), (1_000_000, 1_000_020)])
def test_an_adjustment_is_applied_with_its_entry(ann: Account, adjust: Adjust, delta: int, tokens: int) -> None:
    became = adjust({"delta": delta, "reason": " A late present "})

    assert (became["status"], became["problem"]) == ("applied", None)
    assert became["appliedAt"] is not None
    assert ann.amounts == (tokens, tokens, 0)
    assert ann.entries == [("adjustment", delta, "A late present")]
    ann.assert_books_agree()


def test_an_adjustment_delivered_three_times_is_applied_once(ann: Account, adjust: Adjust) -> None:
    became = adjust({"delta": 5, "reason": "Present"}, times=3)

    assert became["status"] == "applied"
    assert ann.amounts == (25, 25, 0)
    assert len(ann.entries) == 1


def test_an_adjustment_delivered_twice_at_once_is_applied_once(
    ann: Account, adjust: Adjust, deliver_created: DeliverCreated
) -> None:
    present = {"delta": 5, "reason": "Present"}
    adjust(present, times=0)

    def deliver() -> None:
        # The emulator gives up on contended transactions; the platform delivers again then.
        with suppress(Unavailable):
            deliver_created(on_adjustment_created, PATH, fields=present)

    deliveries = [threading.Thread(target=deliver) for _ in range(3)]
    for each in deliveries:
        each.start()
    for each in deliveries:
        each.join()
    deliver()

    assert ann.amounts == (25, 25, 0)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"delta": value}, f"delta is a whole number other than 0 from -1,000,000 to 1,000,000, not {told}")
        for value, told in [
            (0, "0"),
            ("5", '"5"'),
            (5.0, "5.0"),
            (math.nan, "nan"),
            (True, "true"),
            (None, "nothing"),
            (1_000_001, "1000001"),
            (-1_000_001, "-1000001"),
        ]
    ]
    + [({"reason": reason}, "reason is a text of 1 to 500 characters") for reason in ("", "  ", None, 5, "x" * 501)]
    + [
        ({"reason": "two\nlines"}, "reason is one line"),
        ({"reason": "read \u202edrawkcab"}, "reason is one line: control characters"),
        ({"delta": -18}, "the balance would be 2, and a balance is at least the 3 held for unfinished videos"),
        ({"delta": -21}, "the balance would be -1, and a balance is at least the 3 held"),
    ],
    ids=str,
)
def test_a_refused_adjustment_says_why_and_changes_nothing(
    ann: Account, adjust: Adjust, fields: dict[str, Any], said: str
) -> None:
    ann.hold("job1", 3)
    before = ann.fields

    became = adjust({"delta": 5, "reason": "Present"} | fields, times=2)

    assert became["status"] == "refused"
    assert became["problem"].startswith(f"Refused: {said}")
    assert ann.fields == before
    assert ann.entries == [("hold", 0, None)]


def test_a_balance_has_its_maximum(ann: Account, adjust: Adjust) -> None:
    ann.deliver(ann.edit(tokens=1_000_000_000))

    became = adjust({"delta": 1, "reason": "More"})

    assert "at most 1,000,000,000" in became["problem"]


def test_an_adjustment_of_nobody_is_refused(ann: Account, adjust: Adjust) -> None:
    assert ann.amounts == (20, 20, 0)

    became = adjust({"delta": 1, "reason": "More"}, path="users/nobody/adjustments/a1")

    assert became["problem"] == "Refused: there is no user of this id. Add a new document."


def test_an_adjustment_of_any_name_has_an_entry_that_a_page_can_end_with(ann: Account, adjust: Adjust) -> None:
    path = f"users/ann/adjustments/Ann's refund, as promised: {'ü' * 300}"

    became = adjust({"delta": 5, "reason": "Present"}, path=path, times=2)

    _, token = read_page(ann.db.collection("users", "ann", "ledger").select(["createdAt"]), "createdAt", PageRequest(1))
    assert (became["status"], ann.amounts) == ("applied", (25, 25, 0))
    assert token
    assert page_request({"pageToken": token}).after


def test_an_adjustment_put_in_the_place_of_an_applied_one_is_refused(ann: Account, adjust: Adjust) -> None:
    adjust({"delta": 5, "reason": "Present"})

    became = adjust({"delta": 7, "reason": "Another"})

    assert became["status"] == "refused"
    assert ann.amounts == (25, 25, 0)


@pytest.mark.parametrize("status", ["applied", "refused", "", None, ["applied"]], ids=repr)
def test_an_adjustment_that_begins_with_a_status_is_refused_once(ann: Account, adjust: Adjust, status: Any) -> None:
    """As a document of another user's that was cloned, with all that became of it."""
    cloned = {"delta": 5, "reason": "Present", "status": status, "problem": None, "appliedAt": None}

    became = adjust(cloned, times=3)

    assert became["status"] == "refused"
    assert became["problem"].startswith("Refused: leave `status` out")
    assert ann.amounts == (20, 20, 0)
    assert ann.entries == []


def test_a_clone_of_what_was_refused_for_its_status_says_so_as_well(ann: Account, adjust: Adjust) -> None:
    refused = adjust({"delta": 5, "reason": "Present", "status": "applied"})

    became = adjust(refused, path="users/ann/adjustments/a2", times=2)

    assert became == refused
    assert ann.amounts == (20, 20, 0)


def test_an_adjustment_that_is_gone_before_its_event_does_nothing(
    ann: Account, adjust: Adjust, deliver_created: DeliverCreated
) -> None:
    adjust({"delta": 5, "reason": "Present"}, times=0)
    ann.db.document(PATH).delete()

    deliver_created(on_adjustment_created, PATH)

    assert ann.amounts == (20, 20, 0)
    assert not ann.db.document(PATH).get().exists


@pytest.mark.parametrize("order", list(itertools.permutations(("edit", "adjustment", "adjustment"))))
@pytest.mark.parametrize(("edited", "tokens"), [(100, 50), ("many", -30)], ids=["possible", "impossible"])
def test_an_edit_made_before_an_adjustment_counts_before_it(
    *,
    ann: Account,
    adjust: Adjust,
    deliver_created: DeliverCreated,
    edited: Any,
    tokens: int,
    order: tuple[str, ...],
) -> None:
    edit, adjustment = ann.edit(tokens=edited), {"delta": -50, "reason": "Too much"}
    adjust(adjustment, times=0)

    for event in order:
        if event == "edit":
            ann.deliver(edit)
        else:
            deliver_created(on_adjustment_created, PATH, fields=adjustment)

    # Put back to 20, an impossible edit leaves too little for the adjustment.
    assert ann.amounts == ((tokens, tokens, 0) if tokens >= 0 else (20, 20, 0))
    assert [each[1] for each in ann.entries] == ([80, -50] if tokens >= 0 else [])
    ann.assert_books_agree()

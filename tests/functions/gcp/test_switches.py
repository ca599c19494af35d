"""`hidden` of a character and `disabled` of a user, set in the console to something else than true or false."""

import itertools
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from accounts.triggers import on_user_written
from characters.triggers import on_character_written
from tests.functions.conftest import CallApi, DeliverWritten, MakeUser
from tests.functions.things import write_character

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Fields = dict[str, Any]
GONE = object()


class Written(NamedTuple):
    before: Fields | None
    after: Fields


class Document:
    """A document with a switch, as an admin in the console acts on it; its events may be delivered again."""

    def __init__(
        self, db: "Client", deliver: DeliverWritten, path: str, switch: str, trigger: Callable[..., None]
    ) -> None:
        self._reference, self._deliver, self._trigger = db.document(path), deliver, trigger
        self.path, self.switch = path, switch

    @property
    def fields(self) -> Fields:
        return self._reference.get().to_dict() or {}

    @property
    def state(self) -> tuple[Any, str | None]:
        """The switch, and what is told of the last slip, up to the moment in it."""
        problem = self.fields.get(f"{self.switch}Problem")
        return self.fields.get(self.switch, GONE), problem and re.sub(" on [0-9].* UTC:", ":", problem)

    def edit(self, value: Any) -> Written:
        """The admin saves the value, or deletes the field."""
        # Deferred: gRPC.
        from google.cloud.firestore import DELETE_FIELD

        before = self.fields
        self._reference.update({self.switch: DELETE_FIELD if value is GONE else value})
        return Written(before, self.fields)

    def deliver(self, written: Written) -> Written:
        """The event, and what its function wrote."""
        before = self.fields
        self._deliver(self._trigger, self.path, before=written.before, after=written.after)
        return Written(before, self.fields)

    def deliver_all(self, events: Sequence[Written]) -> None:
        """The events, and those of what their functions write, until nothing is written any more."""
        waiting = list(events)
        for _ in range(20):
            if not waiting:
                return
            written = self.deliver(waiting.pop(0))
            if written.after != written.before:
                waiting.append(written)
        raise AssertionError("the function's writes have no end")


@pytest.fixture(params=["character", "user"])
def document(
    request: pytest.FixtureRequest, db: "Client", make_user: MakeUser, deliver_written: DeliverWritten
) -> Document:
    make_user("ann")
    if request.param == "user":
        return Document(db, deliver_written, "users/ann", "disabled", on_user_written)
    write_character(db, "tom")
    return Document(db, deliver_written, "characters/tom", "hidden", on_character_written)


def told(switch: str, put: str, value: str) -> str:
    return f"Put back to {put}: {switch} is true or false (boolean), not {value}."


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("value", "shown"),
    [("true", '"true"'), ("false", '"false"'), ("", '""'), (0, "0"), (1.5, "1.5"), ([True], "a value of another type")],
    ids=str,
)
def test_a_value_of_another_type_is_put_back_to_what_was_there(
    document: Document, value: Any, shown: str, *, before: bool
) -> None:
    document.edit(before)

    document.deliver_all([document.edit(value)])

    assert document.state == (before, told(document.switch, str(before).lower(), shown))


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
@pytest.mark.parametrize("first", ["yes", "", 0], ids=repr)
def test_a_slip_upon_a_slip_does_not_take_the_switch_off(
    document: Document, first: Any, order: tuple[int, ...]
) -> None:
    document.edit(True)
    events = [document.edit(first), document.edit("true")]

    document.deliver_all([events[number] for number in order])

    assert document.state == (True, told(document.switch, "true", '"true"'))


@pytest.mark.parametrize("value", [None, GONE], ids=["null", "deleted"])
def test_no_value_is_false(document: Document, value: Any) -> None:
    document.edit(True)

    document.deliver_all([document.edit(value)])

    assert document.state == (False, told(document.switch, "false", "no value"))


def test_a_document_that_is_made_without_the_switch_gets_it(document: Document) -> None:
    document.edit(GONE)

    document.deliver_all([Written(None, document.fields)])

    assert document.state == (False, told(document.switch, "false", "no value"))


def test_the_next_good_edit_takes_the_problem_away(document: Document) -> None:
    document.deliver_all([document.edit("yes")])

    document.deliver_all([document.edit(True)])

    assert document.state == (True, None)


def test_any_other_edit_leaves_the_problem(document: Document) -> None:
    document.deliver_all([document.edit("yes")])
    before = document.fields

    document.deliver_all([Written(before, before | {"anything": 1})])

    assert document.state == (False, told(document.switch, "false", '"yes"'))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_events_of_one_slip_after_another_in_any_order_and_twice_end_the_same(
    document: Document, order: tuple[int, ...]
) -> None:
    document.edit(False)
    events = [document.edit("x"), document.edit(True), document.edit("false")]

    for _ in range(2):
        document.deliver_all([events[number] for number in order])

    assert document.state == (True, told(document.switch, "true", '"false"'))


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))), ids=str)
def test_a_slip_that_was_corrected_before_its_event_stays_corrected(document: Document, order: tuple[int, ...]) -> None:
    events = [document.edit("true"), document.edit(True)]

    for _ in range(2):
        document.deliver_all([events[number] for number in order])

    assert document.state == (True, None)


def test_the_event_of_an_older_good_edit_takes_no_newer_problem_away(document: Document) -> None:
    document.deliver_all([document.edit("one")])
    good = document.edit(True)
    document.deliver_all([good])
    document.deliver_all([document.edit("two")])

    document.deliver_all([good])

    assert document.state == (True, told(document.switch, "true", '"two"'))


def test_a_document_that_is_gone_stays_gone(db: "Client", document: Document) -> None:
    slip = document.edit("x")
    db.document(document.path).delete()

    document.deliver(slip)

    assert not db.document(document.path).get().exists


def test_a_deleted_account_gets_no_switch(db: "Client", make_user: MakeUser, deliver_written: DeliverWritten) -> None:
    make_user("ann")
    user = Document(db, deliver_written, "users/ann", "disabled", on_user_written)
    before = user.fields
    db.document("users", "ann").set({"tokens": 20, "deletedAt": datetime.now(UTC)})

    user.deliver(Written(before, user.fields))

    assert user.state == (GONE, None)


@pytest.mark.parametrize("value", ["false", 0, None, ""], ids=repr)
def test_until_it_is_mended_a_user_counts_as_disabled(
    db: "Client", make_user: MakeUser, call_api: CallApi, value: Any
) -> None:
    make_user("ann")
    db.document("users", "ann").update({"disabled": value})

    assert call_api("GET", "/api/me", user_id="ann").status == 401


@pytest.mark.parametrize("value", ["false", 0, None, ""], ids=repr)
def test_until_it_is_mended_a_character_counts_as_hidden(
    db: "Client", make_user: MakeUser, call_api: CallApi, value: Any
) -> None:
    make_user("ann")
    make_user("eve")
    write_character(db, "tom")
    db.document("characters", "tom").update({"hidden": value})

    statuses = [call_api("GET", "/api/characters/tom", user_id=each).status for each in ("eve", "ann")]

    assert statuses == [404, 200]


def test_a_character_whose_switch_was_deleted_is_listed_again(
    db: "Client", make_user: MakeUser, call_api: CallApi, deliver_written: DeliverWritten
) -> None:
    make_user("ann")
    write_character(db, "tom")
    tom = Document(db, deliver_written, "characters/tom", "hidden", on_character_written)

    tom.deliver_all([tom.edit(GONE)])

    assert [each["id"] for each in call_api("GET", "/api/characters").body] == ["tom"]

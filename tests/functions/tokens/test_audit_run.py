"""The nightly run of the audit: its lines in the log, and that it goes on where it was cut off."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.conftest import MakeUser
from tests.functions.tokens.conftest import Account
from tokens import audit
from tokens.audit_records import read_records
from tokens.audit_run import AuditState, run_audit
from tokens.triggers import audit_ledgers

if TYPE_CHECKING:
    from google.cloud.firestore import Client

YEARS = timedelta(days=1000)


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def users(db: "Client", make_user: MakeUser, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Five users, two in a page; the third's and the last's held amounts are not the sums of their ledgers."""
    monkeypatch.setattr(audit, "PAGE", 2)
    user_ids = [f"user{number}" for number in range(5)]
    for user_id in user_ids:
        make_user(user_id)
    for user_id in (user_ids[2], user_ids[4]):
        db.document("users", user_id).update({"held": 1})
    return user_ids


def state(db: "Client") -> dict[str, Any]:
    return db.document("audits", "latest").get().to_dict() or {}


def logged(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_each_disagreement_is_one_line_with_its_documents_and_no_amount(
    db: "Client", users: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run_audit(db, later, datetime.now(UTC) + YEARS)

    lines = logged(capsys, "ledger_disagreement")
    assert [
        (line["severity"], line["kind"], line["documents"], line["user_id"], line["is_repaired"]) for line in lines
    ] == [("ERROR", "held_is_not_the_sum", [f"users/{users[each]}"], users[each], True) for each in (2, 4)]
    assert lines[0].keys() == {"severity", "event", "time", "kind", "documents", "user_id", "is_repaired"}
    assert (state(db)["users"], state(db)["disagreements"], state(db)["repaired"]) == (5, 2, 2)
    assert state(db)["finishedAt"]


def test_a_run_that_has_no_more_time_leaves_the_rest_to_the_next(db: "Client", users: list[str]) -> None:
    checked = []
    for _ in range(3):
        run_audit(db, later, datetime.now(UTC))
        checked.append((state(db)["collection"], state(db)["after"], state(db)["users"], state(db)["disagreements"]))

    assert checked == [("users", users[1], 2, 0), ("users", users[3], 4, 1), ("videoJobs", "", 5, 2)]
    run_audit(db, later, datetime.now(UTC) + YEARS)
    assert state(db)["finishedAt"]
    assert (state(db)["users"], state(db)["disagreements"]) == (5, 2)


def test_a_run_that_is_killed_goes_on_after_its_last_page(
    db: "Client", users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def die_at(victim: str) -> Callable[..., Any]:
        def read_or_die(database: "Client", user_id: str) -> Any:
            asked.append(user_id)
            if user_id == victim:
                raise KeyboardInterrupt
            return read_records(database, user_id)

        return read_or_die

    monkeypatch.setattr(audit, "read_records", die_at(users[3]))
    with pytest.raises(KeyboardInterrupt):
        run_audit(db, later, datetime.now(UTC) + YEARS)
    asked.clear()
    monkeypatch.setattr(audit, "read_records", die_at("nobody"))

    run_audit(db, later, datetime.now(UTC) + YEARS)

    assert list(dict.fromkeys(asked)) == users[2:]
    assert state(db)["users"] == 5


def test_the_night_after_a_finished_run_begins_anew(db: "Client", users: list[str]) -> None:
    first = run_audit(db, later, datetime.now(UTC) + YEARS)

    second = run_audit(db, later, datetime.now(UTC) + YEARS)

    assert (first.users, first.disagreements) == (5, 2)
    assert (second.users, second.disagreements) == (len(users), 0)


@pytest.mark.parametrize("edited", [{"collection": "nothing", "startedAt": 5}, {"after": 7}, {}], ids=str)
def test_a_state_that_somebody_edited_begins_anew(db: "Client", users: list[str], edited: dict[str, Any]) -> None:
    db.document("audits", "latest").set(edited)

    assert run_audit(db, later, datetime.now(UTC) + YEARS).users == len(users)


def test_a_user_who_cannot_be_read_keeps_no_other_from_its_turn(
    db: "Client", users: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def refuse_one(database: "Client", user_id: str) -> Any:
        if user_id == users[0]:
            raise ValueError("no such thing")
        return read_records(database, user_id)

    monkeypatch.setattr(audit, "read_records", refuse_one)

    done = run_audit(db, later, datetime.now(UTC) + YEARS)

    assert (done.users, done.unread, done.repaired) == (5, 1, 2)
    [line] = logged(capsys, "user_not_audited")
    assert (line["user_id"], line["error"]) == (users[0], "ValueError")


def test_a_repair_that_fails_is_told_as_not_repaired(
    db: "Client", users: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_db: object, _user_id: str, _now: object) -> str:
        raise ValueError("busy")

    monkeypatch.setitem(audit.REPAIRS, "reconcile_user", refuse)

    done = run_audit(db, later, datetime.now(UTC) + YEARS)

    assert (done.users, done.disagreements, done.repaired) == (len(users), 2, 0)
    assert {line["of"] for line in logged(capsys, "ledger_not_repaired")} == {users[2], users[4]}


def test_the_scheduled_function_runs_the_audit(ann: Account, db: "Client") -> None:
    ann.edit(held=1)

    audit_ledgers.handler()

    assert ann.amounts == (20, 20, 0)
    assert state(db)["finishedAt"]
    assert AuditState.model_validate(state(db)).users == 1

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User, stands
from tests.functions.conftest import CallApi, MakeUser

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def user(**fields: Any) -> User:
    return User(
        id="ann",
        name="Ann",
        email="ann@example.com",
        tokens=20,
        ledger_tokens=20,
        created_at=NOW,
        updated_at=NOW,
        **fields,
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="as signed up"),
        pytest.param({"tokens_valid_after": NOW}, id="signed in at the very second from which tokens are valid"),
        pytest.param({"tokens_valid_after": NOW - timedelta(seconds=1)}, id="signed in after a new password"),
        pytest.param({"access_until": NOW - timedelta(days=1)}, id="away for a day"),
    ],
)
def test_an_account_stands(fields: dict[str, Any]) -> None:
    assert stands(user(**fields), NOW)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"disabled": True}, id="disabled by an admin"),
        pytest.param({"identity_disabled": True}, id="disabled at Firebase Auth"),
        pytest.param({"deleted_at": NOW}, id="deleted"),
        pytest.param({"tokens_valid_after": NOW + timedelta(seconds=1)}, id="signed in before a new password"),
    ],
)
def test_an_account_does_not_stand(fields: dict[str, Any]) -> None:
    assert not stands(user(**fields), NOW)


def edit(db: "Client", **fields: Any) -> None:
    """What an admin saves in the console; `...` deletes a field."""
    from google.cloud.firestore import DELETE_FIELD

    db.document("users", "ann").update(
        {name: DELETE_FIELD if value is ... else value for name, value in fields.items()}
    )


@pytest.mark.parametrize("path", ["/api/me", "/api/my-data"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("createdAt", "yesterday"),
        ("createdAt", "2026-01-01"),
        ("createdAt", ...),
        ("updatedAt", 5),
        ("isVerified", "yes"),
        ("subscription", None),
        ("accessUntil", "later"),
        ("identityDisabled", 0),
    ],
    ids=repr,
)
def test_a_damaged_user_is_named_once_with_the_field(
    *,
    db: "Client",
    make_user: MakeUser,
    call_api: CallApi,
    capsys: pytest.CaptureFixture[str],
    path: str,
    field: str,
    value: Any,
) -> None:
    make_user("ann")
    edit(db, **{field: value})

    answer = call_api("GET", path, user_id="ann")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(line["user_id"], line["fields"]) for line in lines if line["event"] == "user_malformed"]
    assert (answer.status, answer.body["error"]["code"]) == (500, "INTERNAL")
    assert told == [("ann", [field])]


@pytest.mark.parametrize("field", ["name", "email"])
@pytest.mark.parametrize("value", [5, None, ...], ids=["number", "null", "deleted"])
def test_a_user_whose_name_or_address_is_none_has_an_empty_one(
    db: "Client", make_user: MakeUser, call_api: CallApi, field: str, value: Any
) -> None:
    make_user("ann")
    edit(db, **{field: value})

    answer = call_api("GET", "/api/me", user_id="ann")

    assert (answer.status, answer.body[field]) == (200, "")

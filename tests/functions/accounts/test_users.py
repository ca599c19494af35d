from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.users import User, stands

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

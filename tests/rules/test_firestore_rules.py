"""firestore.rules, decided by Google's emulator: who may read what, and that nobody may write."""

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from google.cloud.firestore import Client

from local.addresses import ROOT

pytestmark = pytest.mark.attacks

VALID_AFTER = datetime(2026, 5, 4, 12, tzinfo=UTC)
BEFORE, AFTER = int(VALID_AFTER.timestamp()) - 1, int(VALID_AFTER.timestamp())

USERS: dict[str, dict[str, Any]] = {
    "ann": {},
    "bob": {},
    "changed": {"tokensValidAfter": VALID_AFTER},
    "disabled": {"disabled": True},
    "misspelt": {"disabled": "true"},
    "locked": {"identityDisabled": True},
    "deleted": {"deletedAt": VALID_AFTER},
    # From when the documents are made: a whole run takes longer than these.
    "away": {"accessUntil": timedelta(minutes=-6)},
    "unwatched": {"accessUntil": None},
    "leaving": {"accessUntil": timedelta(minutes=-2)},
}
OWNED = ("users/{0}", "scripts/of_{0}", "videoJobs/of_{0}", "users/{0}/activities/one")
PRIVATE = (
    "users/ann/ledger/one",
    "users/ann/adjustments/one",
    "users/ann/anything/one",
    "characters/one",
    "videoJobSnapshots/of_ann",
    "holds/of_ann",
    "deadLetters/of_ann",
    "stars/ann",
    "activityStats/ann",
    "mediaDeletions/one",
    "accountDeletions/ann",
    "idempotency/one",
    "rateLimits/one",
    "grants/one",
    "feedback/one",
    "backgrounds/one",
    "runnerReports/one",
    "config/platform",
    "config/effective",
    "scripts/of_ann/anything/one",
    "anything/one",
)


class Rules:
    """The emulator's database of one project, as a client sees it that is bound by the rules."""

    def __init__(self, host: str, project: str) -> None:
        self._documents = f"http://{host}/v1/projects/{project}/databases/(default)/documents"
        self._emulator = f"http://{host}/emulator/v1/projects/{project}"

    def load(self, content: str) -> None:
        rules = {"rules": {"files": [{"name": "firestore.rules", "content": content}]}}
        loaded = requests.put(f"{self._emulator}:securityRules", json=rules, timeout=30)
        assert loaded.status_code == 200, loaded.text
        assert "issues" not in loaded.json(), loaded.text

    def get(self, path: str, user: str | None, auth_time: int = AFTER, **claims: int) -> int:
        headers = _as(user, auth_time, **claims)
        return requests.get(f"{self._documents}/{path}", headers=headers, timeout=30).status_code

    def query(self, parent: str, collection: str, user: str | None, *where: str) -> int:
        """The status of a query, of those whose field has the value when `where` names both."""
        query: dict[str, Any] = {"from": [{"collectionId": collection}], "limit": 10}
        if where:
            field, value = where
            query["where"] = {
                "fieldFilter": {"field": {"fieldPath": field}, "op": "EQUAL", "value": {"stringValue": value}}
            }
        address = f"{self._documents}{parent}:runQuery"
        return requests.post(address, json={"structuredQuery": query}, headers=_as(user, AFTER), timeout=30).status_code

    def write(self, method: str, path: str, user: str | None) -> int:
        fields = {"fields": {"tokens": {"integerValue": "999"}}}
        body = None if method == "DELETE" else fields
        headers = _as(user, AFTER)
        return requests.request(method, f"{self._documents}/{path}", json=body, headers=headers, timeout=30).status_code

    def coverage(self) -> list[dict[str, Any]]:
        report: dict[str, Any] = requests.get(f"{self._emulator}:ruleCoverage", timeout=30).json()
        return list(report["report"])


def _as(user: str | None, auth_time: int, **further: int) -> dict[str, str]:
    """An unsigned token, which the emulator takes for a verified one."""
    if user is None:
        return {}
    claims = {"sub": user, "user_id": user, "iat": 0, "auth_time": auth_time, **further}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (_HEADER, claims)]
    return {"Authorization": f"Bearer {parts[0]}.{parts[1]}."}


_HEADER = {"alg": "none", "typ": "JWT"}


@pytest.fixture(scope="module")
def rules(firestore_emulator: str) -> Iterator[Rules]:
    """The rules over a database in which every user has one of everything."""
    db = Client(project=f"demo-{uuid.uuid4().hex[:20]}")
    now = datetime.now(UTC)
    for user, fields in USERS.items():
        stored = {"name": user, "tokens": 20, "accessUntil": timedelta(hours=1)} | fields
        moments = {name: now + value for name, value in stored.items() if isinstance(value, timedelta)}
        db.document("users", user).set(stored | moments)
        db.document("users", user, "activities", "one").set({"type": "user_signed_up"})
        db.document("scripts", f"of_{user}").set({"ownerId": user})
        db.document("videoJobs", f"of_{user}").set({"userId": user})
    db.document("scripts", "of_nobody").set({"title": "no owner"})
    for path in PRIVATE:
        db.document(path).set({"userId": "ann", "ownerId": "ann"})
    rules = Rules(firestore_emulator, db.project)
    rules.load((ROOT / "firestore.rules").read_text())
    yield rules
    db.close()  # type: ignore[no-untyped-call]  # the package leaves it so


@pytest.mark.parametrize("path", [each.format("ann") for each in OWNED])
def test_a_user_reads_what_is_its_own(rules: Rules, path: str) -> None:
    assert rules.get(path, "ann") == 200


@pytest.mark.parametrize("user", ["bob", None])
@pytest.mark.parametrize("path", [each.format("ann") for each in OWNED])
def test_nobody_reads_what_is_anothers(rules: Rules, path: str, user: str | None) -> None:
    assert rules.get(path, user) == 403


@pytest.mark.parametrize("user", ["disabled", "misspelt", "locked", "deleted", "away", "unwatched"])
@pytest.mark.parametrize("path", OWNED)
def test_an_account_that_does_not_stand_reads_nothing(rules: Rules, path: str, user: str) -> None:
    assert rules.get(path.format(user), user) == 403


@pytest.mark.parametrize(("auth_time", "status"), [(BEFORE, 403), (AFTER, 200)], ids=["before", "after"])
@pytest.mark.parametrize("path", OWNED)
def test_a_change_of_password_ends_older_tokens(rules: Rules, path: str, auth_time: int, status: int) -> None:
    assert rules.get(path.format("changed"), "changed", auth_time) == status


@pytest.mark.parametrize(("signed_in_at", "status"), [(BEFORE, 403), (AFTER, 200)], ids=["before", "after"])
def test_a_custom_token_is_as_old_as_its_sign_in(rules: Rules, signed_in_at: int, status: int) -> None:
    assert rules.get("users/changed", "changed", AFTER + 60, signedInAt=signed_in_at) == status


def test_a_token_that_was_not_worth_a_write_reads_to_its_end(rules: Rules) -> None:
    assert rules.get("scripts/of_leaving", "leaving") == 200


def test_a_token_whose_user_has_no_document_reads_nothing(rules: Rules) -> None:
    assert rules.get("users/nobody", "nobody") == 403


def test_a_document_without_an_owner_is_nobodys(rules: Rules) -> None:
    assert rules.get("scripts/of_nobody", "ann") == 403


@pytest.mark.parametrize(("collection", "field"), [("scripts", "ownerId"), ("videoJobs", "userId")])
def test_a_user_queries_its_own_documents_and_no_others(rules: Rules, collection: str, field: str) -> None:
    statuses = [
        rules.query("", collection, "ann", field, "ann"),
        rules.query("", collection, "bob", field, "ann"),
        rules.query("", collection, "ann"),
    ]

    assert statuses == [200, 403, 403]


def test_a_user_lists_its_own_activities_and_no_others(rules: Rules) -> None:
    assert [rules.query("/users/ann", "activities", user) for user in ("ann", "bob", None)] == [200, 403, 403]


def test_nobody_lists_the_users(rules: Rules) -> None:
    assert rules.query("", "users", "ann") == 403


@pytest.mark.parametrize("path", PRIVATE)
def test_everything_else_is_closed(rules: Rules, path: str) -> None:
    assert [rules.get(path, user) for user in ("ann", None)] == [403, 403]


@pytest.mark.parametrize("user", ["ann", "bob", None])
@pytest.mark.parametrize("path", [*(each.format("ann") for each in OWNED), *PRIVATE, "scripts/new", "users/new"])
def test_nobody_writes(rules: Rules, path: str, user: str | None) -> None:
    assert [rules.write(method, path, user) for method in ("PATCH", "DELETE")] == [403, 403]


def test_every_allow_is_decided_both_ways(rules: Rules) -> None:
    for user in ("ann", "bob"):
        for path in OWNED:
            rules.get(path.format("ann"), user)
    lines = (ROOT / "firestore.rules").read_text().splitlines()
    allows = {number for number, line in enumerate(lines, start=1) if line.strip().startswith("allow ")}

    decided = {
        report["sourcePosition"]["line"]: {str(each["value"].get("boolValue")) for each in report["values"]}
        for report in rules.coverage()
    }

    assert allows
    assert [line for line in sorted(allows) if decided.get(line, set()) < {"True", "False"}] == []

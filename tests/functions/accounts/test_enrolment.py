import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.enrolment import InitialTokens, changes_of_identity, display_name, ensure_user, extend_access
from accounts.identity import Identity
from accounts.users import User, find_user

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
INITIAL = InitialTokens(20, "k" * 40)
PASSWORD_USER = Identity("ann", "Ann", "ann@example.com", has_password=True)
VERIFIED_USER = Identity("ann", "Ann", "ann@example.com", is_verified=True)
UNVERIFIED_USER = Identity("ann", "Ann", "ann@example.com")


def ensure(db: "Client", identity: Identity = PASSWORD_USER, *, now: datetime = NOW, **changes: Any) -> User:
    return ensure_user(db, identity, changes.pop("initial", INITIAL), now=now, **changes)


def stored(db: "Client", user_id: str = "ann") -> User:
    user = find_user(db, user_id)
    assert user is not None
    return user


def ledger(db: "Client", user_id: str = "ann") -> list[tuple[Any, ...]]:
    entries = [each.to_dict() or {} for each in db.collection("users", user_id, "ledger").stream()]
    return [(each["kind"], each["tokens"], each["balanceAfter"], each["heldAfter"]) for each in entries]


@pytest.mark.parametrize("identity", [PASSWORD_USER, VERIFIED_USER], ids=["password", "verified"])
def test_a_new_user_gets_the_initial_tokens_as_a_ledger_entry(db: "Client", identity: Identity) -> None:
    ensured = ensure(db, identity)

    user = stored(db)
    assert user == ensured
    assert (user.tokens, user.ledger_tokens, user.held, user.subscription) == (20, 20, 0, "free")
    assert ledger(db) == [("grant", 20, 20, 0)]


def test_a_user_who_is_there_is_given_nothing_again(db: "Client") -> None:
    ensure(db)
    db.document("users", "ann").update({"tokens": 3, "ledgerTokens": 3})

    again = ensure(db, initial=InitialTokens(50, INITIAL.address_key))

    assert again.tokens == 3
    assert len(ledger(db)) == 1


def test_an_address_that_had_its_tokens_opens_an_account_without_any(db: "Client") -> None:
    ensure(db, Identity("gone", "Ann", "A.nn@gmail.com", has_password=True))

    ensure(db, Identity("ann", "Ann", "ann+again@googlemail.com", is_verified=True))

    assert stored(db).tokens == stored(db).ledger_tokens == 0
    assert ledger(db) == []


def test_a_grant_tells_no_address(db: "Client") -> None:
    ensure(db)

    grants = [each.to_dict() for each in db.collection("grants").stream()]

    assert grants == [{"tokens": 20, "createdAt": NOW}]


@pytest.mark.attacks
def test_accounts_of_one_address_that_open_at_once_get_the_tokens_once(db: "Client") -> None:
    identities = [Identity(f"ann{n}", "Ann", f"ann+{n}@example.com", has_password=True) for n in range(3)]
    start = threading.Barrier(len(identities))

    def open_account(identity: Identity) -> None:
        start.wait()
        ensure(db, identity)

    threads = [threading.Thread(target=open_account, args=(identity,)) for identity in identities]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(stored(db, identity.user_id).tokens for identity in identities) == 20
    assert sum(len(ledger(db, identity.user_id)) for identity in identities) == 1


def test_first_calls_of_one_user_at_once_make_one_account(db: "Client") -> None:
    start = threading.Barrier(3)

    def open_account() -> None:
        start.wait()
        ensure(db)

    threads = [threading.Thread(target=open_account) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stored(db).tokens == 20
    assert len(ledger(db)) == 1


def test_an_unverified_address_without_a_password_has_no_tokens(db: "Client") -> None:
    ensure(db, UNVERIFIED_USER)

    assert stored(db).tokens == 0
    assert list(db.collection("grants").stream()) == []


@pytest.mark.parametrize("identity", [PASSWORD_USER, VERIFIED_USER], ids=["password", "verified"])
def test_an_address_gets_its_tokens_once_it_is_verified_or_has_a_password(db: "Client", identity: Identity) -> None:
    ensure(db, UNVERIFIED_USER)

    for now in (LATER, LATER + timedelta(days=1)):
        ensure(db, identity, now=now)

    assert (stored(db).tokens, stored(db).ledger_tokens) == (20, 20)
    assert ledger(db) == [("grant", 20, 20, 0)]
    assert stored(db).updated_at == LATER


def test_tokens_that_come_late_are_added_to_what_is_there(db: "Client") -> None:
    ensure(db, UNVERIFIED_USER)
    db.document("users", "ann").update({"tokens": 7, "ledgerTokens": 5, "held": 2})

    ensure(db, VERIFIED_USER)

    assert (stored(db).tokens, stored(db).ledger_tokens, stored(db).held) == (27, 25, 2)
    assert ledger(db) == [("grant", 20, 25, 2)]


def test_a_phones_user_has_no_address_and_no_tokens(db: "Client") -> None:
    ensure(db, Identity("ann"))

    assert (stored(db).email, stored(db).name, stored(db).tokens) == ("", "New user", 0)


@pytest.mark.parametrize("verified", [True, False])
def test_verification_follows_firebase_auth(db: "Client", verified: bool) -> None:
    ensure(db, PASSWORD_USER._replace(is_verified=not verified))

    ensure(db, PASSWORD_USER._replace(is_verified=verified), now=LATER)

    assert stored(db).is_verified is verified
    assert stored(db).updated_at == LATER


def test_the_address_follows_firebase_auth(db: "Client") -> None:
    ensure(db)

    ensure(db, PASSWORD_USER._replace(email="anna@example.com"))

    assert stored(db).email == "anna@example.com"


def test_an_address_stays_as_it_was_written(db: "Client") -> None:
    ensure(db, PASSWORD_USER._replace(email="Ann@example.com"))

    ensure(db, PASSWORD_USER, now=LATER)

    assert stored(db).email == "Ann@example.com"
    assert stored(db).updated_at == NOW


@pytest.mark.parametrize("fields", [{"disabled": True}, {"deletedAt": NOW}], ids=["disabled", "deleted"])
def test_who_is_disabled_or_deleted_stays_so(db: "Client", fields: dict[str, Any]) -> None:
    ensure(db, UNVERIFIED_USER)
    db.document("users", "ann").update(fields)
    before = db.document("users", "ann").get().to_dict()

    ensure(db, VERIFIED_USER, access_until=LATER)

    assert db.document("users", "ann").get().to_dict() == before
    assert ledger(db) == []


def test_a_sign_in_tells_that_the_user_is_enabled_again(db: "Client") -> None:
    ensure(db)
    db.document("users", "ann").update({"identityDisabled": True})

    ensure(db)

    assert not stored(db).identity_disabled


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(NOW, LATER, LATER), (LATER, NOW, LATER)], ids=["later", "earlier"]
)
def test_access_ends_with_the_last_token(db: "Client", first: datetime, second: datetime, kept: datetime) -> None:
    ensure(db, access_until=first)
    ensure(db, access_until=second)
    assert stored(db).access_until == kept

    extend_access(db, "ann", second)

    assert stored(db).access_until == kept
    assert stored(db).updated_at == NOW


def test_the_access_of_nobody_is_not_extended(db: "Client") -> None:
    extend_access(db, "nobody", LATER)

    assert find_user(db, "nobody") is None


@pytest.mark.parametrize(
    ("name", "email", "shown"),
    [
        ("Ann Lee", "x@example.com", "Ann Lee"),
        ("  Ann ", "x@example.com", "Ann"),
        ("", "ann.lee@example.com", "ann.lee"),
        ("A", "ann.lee@example.com", "ann.lee"),
        ("A", "b@example.com", "New user"),
        ("", "", "New user"),
        ("A\nnn", "", "Ann"),
        ("\u202eAnn", "", "Ann"),
        ("\u2066\n", "ann@example.com", "ann"),
        ("\u200b\u200b", "ann@example.com", "ann"),
        ("n" * 60, "", "n" * 50),
        ("n" * 49 + " n", "", "n" * 49),
    ],
)
def test_a_name_is_shown_on_one_line(name: str, email: str, shown: str) -> None:
    assert display_name(name, email) == shown


def known(**fields: Any) -> User:
    return User(id="ann", name="Ann", email="", tokens=0, ledger_tokens=0, created_at=NOW, updated_at=NOW, **fields)


@pytest.mark.parametrize(
    ("user", "identity", "changes"),
    [
        pytest.param(known(), Identity("ann"), {}, id="nothing"),
        pytest.param(known(), Identity("ann", disabled=True), {"identityDisabled": True}, id="disabled"),
        pytest.param(known(identity_disabled=True), Identity("ann", disabled=True), {}, id="still disabled"),
        pytest.param(known(identity_disabled=True), Identity("ann"), {"identityDisabled": False}, id="enabled"),
        pytest.param(known(), None, {"identityDisabled": True}, id="deleted"),
        pytest.param(known(identity_disabled=True), None, {}, id="still deleted"),
        pytest.param(known(), Identity("ann", tokens_valid_after=NOW), {"tokensValidAfter": NOW}, id="first password"),
        pytest.param(
            known(tokens_valid_after=NOW),
            Identity("ann", tokens_valid_after=LATER),
            {"tokensValidAfter": LATER},
            id="new password",
        ),
        pytest.param(known(tokens_valid_after=NOW), Identity("ann", tokens_valid_after=NOW), {}, id="old password"),
        pytest.param(known(tokens_valid_after=NOW), Identity("ann"), {}, id="not told"),
        pytest.param(known(), Identity("ann", created_at=NOW + timedelta(seconds=59)), {}, id="signed up"),
        pytest.param(
            known(), Identity("ann", created_at=LATER), {"identityDisabled": True}, id="deleted, and another made"
        ),
        pytest.param(
            known(identity_disabled=True), Identity("ann", created_at=LATER), {}, id="still deleted, and another made"
        ),
    ],
)
def test_what_firebase_auth_says_of_a_user(user: User, identity: Identity | None, changes: dict[str, Any]) -> None:
    assert changes_of_identity(user, identity) == changes

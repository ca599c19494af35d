from datetime import UTC, datetime
from typing import TYPE_CHECKING

from accounts.users import User, ensure_user, find_user

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ensure(db: "Client", *, tokens: int = 20, is_verified: bool = False) -> User:
    return ensure_user(
        db,
        user_id="ann",
        name="Ann",
        email="ann@example.com",
        is_verified=is_verified,
        tokens_to_give=tokens,
        now=NOW,
    )


def ledger(db: "Client") -> list[dict[str, object]]:
    return [each.to_dict() or {} for each in db.collection("users", "ann", "ledger").stream()]


def test_a_new_user_gets_the_initial_tokens_as_a_ledger_entry(db: "Client") -> None:
    user = ensure(db)

    entries = ledger(db)
    assert (user.tokens, user.subscription, user.is_verified) == (20, "free", False)
    assert [(entry["kind"], entry["tokens"], entry["balanceAfter"]) for entry in entries] == [("grant", 20, 20)]


def test_a_user_who_is_there_is_given_nothing_again(db: "Client") -> None:
    ensure(db)
    db.document("users", "ann").update({"tokens": 3})

    again = ensure(db, tokens=50)

    assert again.tokens == 3
    assert len(ledger(db)) == 1


def test_verification_follows_firebase_auth(db: "Client") -> None:
    ensure(db)

    ensure(db, is_verified=True)

    stored = find_user(db, "ann")
    assert stored is not None
    assert stored.is_verified

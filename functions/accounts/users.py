"""The user document `users/{uid}`."""

from datetime import datetime
from typing import TYPE_CHECKING

from contracts.message import Message
from gcp.models import Answer
from gcp.transactions import transact
from tokens.ledger import entry_reference, grant_entry

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


class User(Message):
    """A user as stored, with the document's id. `tokens` is the balance, `held` what unfinished videos will cost.

    `ledger_tokens` is the balance by the ledger: always `tokens`, until an admin edits that in the console
    (tokens.adjustments). `disabled` is an admin's word, `identity_disabled` and `tokens_valid_after` are Firebase
    Auth's, copied from there within a minute while a token of the user may be alive, until `access_until`.
    """

    id: str
    name: str
    email: str
    tokens: int
    held: int = 0
    ledger_tokens: int
    is_verified: bool = False
    subscription: str = "free"
    disabled: bool = False
    identity_disabled: bool = False
    tokens_valid_after: datetime | None = None
    access_until: datetime | None = None
    # The account is being deleted, or is gone but for its ledger.
    deleted_at: datetime | None = None
    # The activity log shows only what happened later (activities.store).
    activities_cleared_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class UserAnswer(Answer):
    """A user as clients see it."""

    id: str
    name: str
    email: str
    tokens: int
    is_verified: bool
    subscription: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> "UserAnswer":
        return cls(**user.model_dump(include=set(cls.model_fields)))


def find_user(db: "Client", user_id: str, *, transaction: "Transaction | None" = None) -> User | None:
    """The user of that id, or None."""
    fields = db.document("users", user_id).get(transaction=transaction).to_dict()
    return User.model_validate(fields | {"id": user_id}) if fields is not None else None


def ensure_user(
    db: "Client", *, user_id: str, name: str, email: str, is_verified: bool, tokens_to_give: int, now: datetime
) -> User:
    """The user's document, made with its initial tokens and their ledger entry when it is not there yet.

    Safe to repeat: a sign-up that died after Firebase Auth had the address is finished by the next sign-in, and tokens
    are granted once, because the entry is created with the document. `isVerified` follows Firebase Auth.
    """
    reference = db.document("users", user_id)

    def ensure(transaction: "Transaction") -> User:
        user = find_user(db, user_id, transaction=transaction)
        if user is None:
            user = User(
                id=user_id,
                name=name,
                email=email,
                tokens=tokens_to_give,
                ledger_tokens=tokens_to_give,
                is_verified=is_verified,
                created_at=now,
                updated_at=now,
            )
            transaction.create(reference, {key: value for key, value in user.to_document().items() if key != "id"})
            entry = grant_entry(tokens_to_give, now)
            transaction.create(entry_reference(db, user_id, "initial_grant"), entry.to_document())
        elif user.is_verified != is_verified:
            transaction.update(reference, {"isVerified": is_verified, "updatedAt": now})
            user = user.model_copy(update={"is_verified": is_verified, "updated_at": now})
        return user

    return transact(db, ensure)

"""The user document `users/{uid}`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from contracts.message import Message
from gcp.models import Answer, Switch
from tokens.balance import read_balance

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


class User(Message):
    """A user as stored, with the document's id. `tokens` is the balance, `held` what unfinished videos will cost.

    `ledger_tokens` is the balance by the ledger: always `tokens`, until an admin edits that in the console
    (tokens.reconciliation). `disabled` is an admin's word, `identity_disabled` and `tokens_valid_after` are Firebase
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
    disabled: Switch = False
    identity_disabled: bool = False
    tokens_valid_after: datetime | None = None
    access_until: datetime | None = None
    # The account is being deleted, or is gone but for its ledger.
    deleted_at: datetime | None = None
    # The activity log shows only what happened later (activities.store).
    activities_cleared_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @model_validator(mode="before")
    @classmethod
    def read_despite_slips(cls, fields: Any) -> Any:
        """A stored user, with the ledger's balance while the one that an admin typed is no balance."""
        if not isinstance(fields, dict) or "ledger_tokens" in fields:
            return fields
        balance = read_balance(fields)
        amounts = {"tokens": balance.tokens, "ledgerTokens": balance.ledger_tokens, "held": balance.held}
        return fields | amounts


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


def stands(user: User, signed_in_at: datetime) -> bool:
    """Whether a token of this sign-in is good for the account now. firestore.rules ask the same."""
    is_open = not (user.disabled or user.identity_disabled or user.deleted_at is not None)
    return is_open and (user.tokens_valid_after is None or signed_in_at >= user.tokens_valid_after)

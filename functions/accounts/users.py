"""The user document `users/{uid}`."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, ValidationError, model_validator

from contracts import log
from contracts.message import Message
from gcp.documents import fields_of, wrong_fields
from gcp.errors import Unauthenticated
from gcp.models import Answer, Switch
from tokens.balance import read_balance

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

# A custom id of another alphabet could not stand in a media path (contracts.media_paths), nor "/" in a document's.
USER_ID = r"[A-Za-z0-9]{1,128}"


class User(Message):
    """A user as stored, with the document's id. `tokens` is the balance, `held` what unfinished videos will cost.

    `ledger_tokens` is the balance by the ledger: always `tokens`, until an admin edits that in the console
    (tokens.reconciliation). `disabled` is an admin's word, `identity_disabled` and `tokens_valid_after` are Firebase
    Auth's, copied from there within a minute while a token of the user may be alive, until `access_until`.
    """

    # What an admin types is taken for what it is: "yes" for no boolean, and a text for no moment.
    model_config = ConfigDict(strict=True)

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
        """A stored user, with the ledger's balance while the one that an admin typed is no balance.

        A name or an address that is none is empty: both are shown, and nothing is decided by them.
        """
        if not isinstance(fields, dict) or "ledger_tokens" in fields:
            return fields
        balance = read_balance(fields)
        amounts = {"tokens": balance.tokens, "ledgerTokens": balance.ledger_tokens, "held": balance.held}
        texts = {name: "" for name in ("name", "email") if not isinstance(fields.get(name), str)}
        return fields | amounts | texts


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
    """The user of that id, None also for an id that is no user's. Raises ValidationError for a damaged document."""
    if not re.fullmatch(USER_ID, user_id):
        return None
    fields = fields_of(db.document("users", user_id).get(transaction=transaction))
    return read_user(user_id, fields) if fields is not None else None


def read_user(user_id: str, fields: Mapping[str, Any]) -> User:
    """The user whose document has these fields.

    Raises ValidationError where an admin damaged one that cannot be done without; the log says which, and not what it
    holds.
    """
    try:
        return User.model_validate({**fields, "id": user_id})
    except ValidationError as error:
        log.error("user_malformed", user_id=user_id, fields=wrong_fields(error))
        raise


def require_account(db: "Client", user_id: str, *, transaction: "Transaction") -> User:
    """The user, for a transaction that makes or changes something of theirs: nothing outlives the account.

    The user was let in when the request began, which may be a minute ago. Raises Unauthenticated when the account is
    deleted or was never there.
    """
    user = find_user(db, user_id, transaction=transaction)
    if user is None or user.deleted_at is not None:
        raise Unauthenticated
    return user


def stands(user: User, signed_in_at: datetime) -> bool:
    """Whether a token of this sign-in is good for the account now. firestore.rules ask the same."""
    is_open = not (user.disabled or user.identity_disabled or user.deleted_at is not None)
    return is_open and (user.tokens_valid_after is None or signed_in_at >= user.tokens_valid_after)

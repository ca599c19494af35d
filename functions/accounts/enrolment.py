"""The user document made, and kept as Firebase Auth has the user."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from accounts.grants import Grant, grant_reference, hash_address
from accounts.identity import Identity
from accounts.users import User, UserAnswer, find_user
from gcp.text import DIRECTION_CONTROLS, has_controls, is_visible
from gcp.transactions import transact
from tokens.ledger import entry_reference, grant_entry
from tokens.reconciliation import Sums, sum_ledger

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

_FEWEST_LETTERS, _MOST_LETTERS = 2, 50
_NAMELESS = "New user"
_ENTRY_ID = "initial_grant"
# Between Google's record of a new user and our document of it; whoever was recorded later is not the same user.
_ENROLMENT = timedelta(minutes=1)


class InitialTokens(NamedTuple):
    """What a new account starts with, and the key under which addresses are remembered that had it."""

    tokens: int
    address_key: str


def ensure_user(
    db: "Client", identity: Identity, initial: InitialTokens, *, access_until: datetime | None = None, now: datetime
) -> User:
    """The user's document is there, as Firebase Auth has the user, and has its initial tokens if they are due.

    They are due once to an address that is verified or has a password; an address that had them with another account
    is due nothing. Safe to repeat: a sign-up that died after Firebase Auth had the address is finished by the next
    sign-in. Who is disabled or being deleted stays as they are.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import Increment

    reference = db.document("users", identity.user_id)

    def ensure(transaction: "Transaction") -> User:
        stored = find_user(db, identity.user_id, transaction=transaction)
        if stored is not None and (stored.disabled or stored.deleted_at is not None):
            return stored
        user = stored or _new_user(identity, sum_ledger(db, transaction, identity.user_id), now)
        grant = _grant_due(transaction, db, identity, initial)
        given = initial.tokens if grant is not None else 0
        ensured = _followed(user, identity, access_until, given, now)
        before = user.to_document()
        document = {name: value for name, value in ensured.to_document().items() if name != "id"}
        changes = {name: value for name, value in document.items() if value != before[name]}
        if given:
            # Not a number of ours: an admin's edit that is not in the ledger yet stays what it is (tokens.ledger).
            changes["tokens"] = Increment(given)
        if stored is None:
            transaction.create(reference, document)
        elif changes:
            transaction.update(reference, changes)
        if grant is not None:
            transaction.create(grant, Grant(tokens=given, created_at=now).to_document())
            entry = grant_entry(given, now, balance=user.ledger_tokens, held=user.held)
            transaction.create(entry_reference(db, user.id, _ENTRY_ID), entry.to_document())
        return ensured

    return transact(db, ensure)


def extend_access(db: "Client", user_id: str, until: datetime) -> None:
    """The user is watched until then at least, if there still is one."""
    reference = db.document("users", user_id)

    def extend(transaction: "Transaction") -> None:
        user = find_user(db, user_id, transaction=transaction)
        if user is not None and (user.access_until is None or user.access_until < until):
            transaction.update(reference, {"accessUntil": until})

    transact(db, extend)


def changes_of_identity(user: User, identity: Identity | None) -> dict[str, object]:
    """The fields of the user's document in which Firebase Auth, which answered with None for no such user, differs.

    A record that is younger than the document is of somebody else: after a user was deleted from Firebase Auth, a
    custom token of ours that is still good makes a new user of the same id there.
    """
    is_same = identity is not None and not (
        identity.created_at is not None and identity.created_at > user.created_at + _ENROLMENT
    )
    changes: dict[str, object] = {}
    is_disabled = identity is None or not is_same or identity.disabled
    if is_disabled != user.identity_disabled:
        changes["identityDisabled"] = is_disabled
    if identity is not None and identity.tokens_valid_after not in {None, user.tokens_valid_after}:
        changes["tokensValidAfter"] = identity.tokens_valid_after
    return changes


def is_enabled_again(user: User, identity: Identity | None) -> bool:
    """Whether Firebase Auth ended what the document of this disabled user says, and it is the same user."""
    return changes_of_identity(user, identity).get("identityDisabled") is False


def display_name(name: str, email: str) -> str:
    """A name that may be shown: the given one, else what stands before the "@", else none in particular."""
    for text in (name, email.partition("@")[0]):
        shown = "".join(letter for letter in text if not has_controls(letter) and not DIRECTION_CONTROLS.match(letter))
        shown = shown.strip()[:_MOST_LETTERS].strip()
        if len(shown) >= _FEWEST_LETTERS and is_visible(shown):
            return shown
    return _NAMELESS


def _new_user(identity: Identity, books: Sums, now: datetime) -> User:
    """A user whose ledger adds up to this: to nothing, but when an admin has deleted the document."""
    return User(
        id=identity.user_id,
        name=display_name(identity.name, identity.email),
        email=identity.email,
        tokens=books.tokens,
        ledger_tokens=books.tokens,
        held=books.held,
        created_at=now,
        updated_at=now,
    )


def _grant_due(
    transaction: "Transaction", db: "Client", identity: Identity, initial: InitialTokens
) -> "DocumentReference | None":
    """Where the grant of the user's address is to be remembered; None when the user is due nothing."""
    if not identity.email or not (identity.is_verified or identity.has_password):
        return None
    if entry_reference(db, identity.user_id, _ENTRY_ID).get(transaction=transaction).exists:
        return None
    reference = grant_reference(db, hash_address(identity.email, initial.address_key))
    return None if reference.get(transaction=transaction).exists else reference


def _followed(user: User, identity: Identity, access_until: datetime | None, given: int, now: datetime) -> User:
    """The user as Firebase Auth says, with the tokens given, and with access until the later of two moments.

    `updated_at` is now when clients see a change.
    """
    is_same_address = not identity.email or identity.email.lower() == user.email.lower()
    moments = [moment for moment in (user.access_until, access_until) if moment is not None]
    followed = user.model_copy(
        update={
            "email": user.email if is_same_address else identity.email,
            "is_verified": identity.is_verified,
            "identity_disabled": identity.disabled,
            "tokens_valid_after": identity.tokens_valid_after or user.tokens_valid_after,
            "access_until": max(moments, default=None),
            "tokens": user.tokens + given,
            "ledger_tokens": user.ledger_tokens + given,
        }
    )
    is_seen = UserAnswer.of(followed) != UserAnswer.of(user)
    return followed.model_copy(update={"updated_at": now}) if is_seen else followed

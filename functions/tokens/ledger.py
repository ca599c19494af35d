"""The append-only ledger of tokens: `users/{uid}/ledger/{entryId}`.

A balance never changes without its entry in the same transaction, and an entry's id derives from its cause, so that
doing something twice is refused by the database and not by us. Starting a video holds its price; the trigger captures
the hold when the video is complete and releases it when it failed.

A user document has its balance twice: `ledgerTokens` is what the entries add up to, `tokens` is what clients see and
admins edit. A movement changes both by the same amount, so that an edit that is not in the ledger yet stays what it is
until tokens.reconciliation enters it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

HoldState = Literal["held", "captured", "released"]


class LedgerEntry(Message):
    """One movement: what was added to the balance and to the held amount, and both afterwards.

    `reason` is an admin's, of an adjustment.
    """

    kind: Literal["grant", "hold", "capture", "release", "adjustment"]
    tokens: int
    held: int
    balance_after: int
    held_after: int
    job_id: str | None = None
    reason: str | None = None
    created_at: datetime


class Hold(Message):
    """`holds/{jobId}`: the price of an unfinished job, promised and not yet paid."""

    job_id: str
    user_id: str
    price_tokens: int
    state: HoldState = "held"
    created_at: datetime
    settled_at: datetime | None = None


def grant_entry(tokens: int, now: datetime, *, balance: int = 0, held: int = 0) -> LedgerEntry:
    """The entry of tokens given to a user whose ledger had this balance and so much held: nothing, when it is new."""
    return LedgerEntry(
        kind="grant", tokens=tokens, held=0, balance_after=balance + tokens, held_after=held, created_at=now
    )


def entry_reference(db: "Client", user_id: str, entry_id: str) -> "DocumentReference":
    return db.document("users", user_id, "ledger", entry_id)


def hold_reference(db: "Client", job_id: str) -> "DocumentReference":
    return db.document("holds", job_id)


def count_open_holds(db: "Client", user_id: str, *, most: int) -> int:
    """How many of the user's holds are neither captured nor released, counted up to `most`.

    Exact for a transaction that has read the user's document before and is committed: whatever changes a hold changes
    that document with it. Not read in the transaction itself, because a query locks what it looks through, and Google's
    emulator locks everybody's holds for it.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    holds = db.collection("holds").where(filter=FieldFilter("userId", "==", user_id))
    is_open = holds.where(filter=FieldFilter("state", "==", "held")).limit(most)
    counting: Any = is_open.count()  # the package's own types leave `get` undecided
    return int(counting.get()[0][0].value)


def write_hold(
    transaction: "Transaction",
    db: "Client",
    *,
    user_id: str,
    job_id: str,
    price_tokens: int,
    ledger_tokens: int,
    held: int,
    now: datetime,
) -> None:
    """The price of the job is held, with its entry. The caller has read both amounts in this transaction."""
    transaction.update(db.document("users", user_id), {"held": held + price_tokens, "updatedAt": now})
    transaction.create(
        hold_reference(db, job_id),
        Hold(job_id=job_id, user_id=user_id, price_tokens=price_tokens, created_at=now).to_document(),
    )
    entry = LedgerEntry(
        kind="hold",
        tokens=0,
        held=price_tokens,
        balance_after=ledger_tokens,
        held_after=held + price_tokens,
        job_id=job_id,
        created_at=now,
    )
    transaction.create(entry_reference(db, user_id, f"{job_id}_hold"), entry.to_document())


def write_settlement(
    transaction: "Transaction",
    db: "Client",
    *,
    hold: Hold,
    capture: bool,
    ledger_tokens: int,
    held: int,
    has_user: bool = True,
    now: datetime,
) -> None:
    """The hold is captured or released, with its entry. The caller has read all three in this transaction.

    A user without a document has a ledger all the same: the amounts are its sums then.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import Increment

    price = hold.price_tokens
    paid = price if capture else 0
    fields: dict[str, object] = {"ledgerTokens": ledger_tokens - paid, "held": held - price, "updatedAt": now}
    if paid:
        # Not a number of ours: whatever an admin has put there is changed by the price, and stays possible or not.
        fields["tokens"] = Increment(-paid)
    if has_user:
        transaction.update(db.document("users", hold.user_id), fields)
    transaction.update(
        hold_reference(db, hold.job_id), {"state": "captured" if capture else "released", "settledAt": now}
    )
    entry = LedgerEntry(
        kind="capture" if capture else "release",
        tokens=-paid,
        held=-price,
        balance_after=ledger_tokens - paid,
        held_after=held - price,
        job_id=hold.job_id,
        created_at=now,
    )
    transaction.create(entry_reference(db, hold.user_id, f"{hold.job_id}_{entry.kind}"), entry.to_document())

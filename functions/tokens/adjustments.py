"""An admin's corrections of a balance: `users/{uid}/adjustments/{id}`, a document with `delta` and `reason`.

Each is applied once, or refused; either way the document then says what became of it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from gcp.page import plain_id
from gcp.text import name_text
from gcp.transactions import transact
from tokens.balance import balance_problem, is_whole_number, shown
from tokens.ledger import LedgerEntry, entry_reference
from tokens.reconciliation import reconcile, sum_ledger, write_reconciled

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

MAX_DELTA = 1_000_000
MAX_REASON_LENGTH = 500
Outcome = Literal["nothing", "applied", "refused"]
_ADD_ANOTHER = "Add a new document."
# What a cloned document begins with, and so no word of ours on what became of it.
_NOT_OURS = f"Refused: leave `status` out, which tells what became of an adjustment. {_ADD_ANOTHER}"


def adjustment_problem(fields: Mapping[str, object]) -> str | None:
    """Why this is no adjustment; None when it is one."""
    delta, reason = fields.get("delta"), fields.get("reason")
    if not is_whole_number(delta) or delta == 0 or abs(delta) > MAX_DELTA:
        return f"delta is a whole number other than 0 from -{MAX_DELTA:,} to {MAX_DELTA:,}, not {shown(delta)}"
    if not isinstance(reason, str) or not 1 <= len(reason.strip()) <= MAX_REASON_LENGTH:
        return f"reason is a text of 1 to {MAX_REASON_LENGTH} characters; the user reads it"
    try:
        name_text(reason)
    except ValueError as error:
        return f"reason is one line: {error}"
    return None


def apply_adjustment(
    db: "Client", user_id: str, adjustment_id: str, created: Mapping[str, object], now: datetime
) -> Outcome:
    """The adjustment is applied or refused, once; nothing when that was done before. `created` is what it began as.

    A direct edit of the balance that is not in the ledger yet was made first, so it is entered first.
    """
    adjustment_reference = db.document("users", user_id, "adjustments", adjustment_id)
    if "status" in created:
        return _refuse_status(db, adjustment_reference)
    user_reference = db.document("users", user_id)

    def refuse(transaction: "Transaction", problem: str) -> Outcome:
        refusal = {"status": "refused", "problem": f"Refused: {problem}. {_ADD_ANOTHER}"}
        transaction.update(adjustment_reference, refusal)
        return "refused"

    def in_transaction(transaction: "Transaction") -> Outcome:
        fields = adjustment_reference.get(transaction=transaction).to_dict()
        if fields is None or fields.get("status") in ("applied", "refused"):
            return "nothing"
        problem = adjustment_problem(fields)
        if problem:
            return refuse(transaction, problem)
        entry_at = entry_reference(db, user_id, f"adjustment_{plain_id(adjustment_id)}")
        if entry_at.get(transaction=transaction).exists:
            return refuse(transaction, "an adjustment of this id is in the ledger already")
        user_fields = user_reference.get(transaction=transaction).to_dict()
        if user_fields is None or user_fields.get("deletedAt"):
            return refuse(transaction, "there is no user of this id")
        reconciled = reconcile(user_fields, sum_ledger(db, transaction, user_id), now)
        delta = int(fields["delta"])
        after = reconciled.tokens + delta
        problem = balance_problem(after, reconciled.held)
        if problem:
            return refuse(transaction, f"the balance would be {after:,}, and {problem}")
        further = {"tokens": after, "ledgerTokens": after}
        write_reconciled(transaction, db, user_id, reconciled, further=further, now=now)
        entry = LedgerEntry(
            kind="adjustment",
            tokens=delta,
            held=0,
            balance_after=after,
            held_after=reconciled.held,
            reason=fields["reason"].strip(),
            # The entry of an edit made before, when there is one, is older.
            created_at=now + timedelta(microseconds=1) if reconciled.entry else now,
        )
        transaction.create(entry_at, entry.to_document())
        transaction.update(adjustment_reference, {"status": "applied", "problem": None, "appliedAt": now})
        return "applied"

    return transact(db, in_transaction)


def _refuse_status(db: "Client", reference: "DocumentReference") -> Outcome:
    refusal = {"status": "refused", "problem": _NOT_OURS}

    def in_transaction(transaction: "Transaction") -> Outcome:
        fields = reference.get(transaction=transaction).to_dict()
        if fields is None or all(fields.get(name) == told for name, told in refusal.items()):
            return "nothing"
        transaction.update(reference, refusal)
        return "refused"

    return transact(db, in_transaction)

"""What an admin edits directly in a user document becomes an entry of the ledger, or is put back.

The ledger's entries are the books; `ledgerTokens` and `held` are copies of their sums, which nobody edits. So a direct
edit is compared with the sums themselves, in the transaction that enters it or puts it back. State decides and not the
event: a second run finds nothing to do.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gcp.transactions import transact
from tokens.balance import balance_problem, is_whole_number, read_balance
from tokens.ledger import LedgerEntry, entry_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

EDIT_REASON = "Edited in the console"
_PUT_BACK = "held and ledgerTokens follow from the ledger"
_DATE = "%Y-%m-%d %H:%M UTC"
Outcome = Literal["nothing", "entered", "put_back"]


class Sums(NamedTuple):
    """What the entries of a user's ledger add up to."""

    tokens: int
    held: int


class Reconciled(NamedTuple):
    """The balance that the books and the document agree on, once `changes` and the entry are written."""

    tokens: int
    held: int
    changes: dict[str, object]
    entry: LedgerEntry | None

    @property
    def outcome(self) -> Outcome:
        if self.entry:
            return "entered"
        return "put_back" if self.changes else "nothing"


def is_out_of_step(before: Mapping[str, object] | None, after: Mapping[str, object]) -> bool:
    """Whether this write of a user document may have been an admin's direct edit of an amount.

    Our own writes of `held` and `ledgerTokens` come with a new `updatedAt`; the console changes one field at a time.
    """
    ledger_tokens, held = after.get("ledgerTokens"), after.get("held")
    if not (is_whole_number(ledger_tokens) and is_whole_number(held)):
        return True
    balance = read_balance(after)
    if balance.problem or balance.tokens != ledger_tokens:
        return True
    books = ("held", "ledgerTokens")
    is_ours = before is None or before.get("updatedAt") != after.get("updatedAt")
    return not is_ours and any((before or {}).get(name) != after.get(name) for name in books)


def reconcile(fields: Mapping[str, object], sums: Sums, now: datetime) -> Reconciled:
    """What has to be written so that this user document and the ledger's sums agree."""
    copies = {"ledgerTokens": sums.tokens, "held": sums.held}
    is_copied = all(_is_same(fields.get(name), value) for name, value in copies.items())
    changes: dict[str, object] = {} if is_copied else {**copies}
    # Where they are missing they were never there: the document is older than they are, or made by hand.
    if not is_copied and copies.keys() <= fields.keys():
        changes["tokensProblem"] = f"Put back on {now:{_DATE}}: {_PUT_BACK}."
    stored = fields.get("tokens")
    if _is_same(stored, sums.tokens):
        return Reconciled(sums.tokens, sums.held, changes, None)
    problem = balance_problem(stored, sums.held)
    if problem or not is_whole_number(stored):
        told = f"Put back to {sums.tokens:,} on {now:{_DATE}}: {problem}."
        changes |= {"tokens": sums.tokens, "tokensProblem": told}
        return Reconciled(sums.tokens, sums.held, changes, None)
    entry = LedgerEntry(
        kind="adjustment",
        tokens=stored - sums.tokens,
        held=0,
        balance_after=stored,
        held_after=sums.held,
        reason=EDIT_REASON,
        created_at=now,
    )
    cleared: dict[str, object] = {"tokensProblem": None} if fields.get("tokensProblem") else {}
    return Reconciled(stored, sums.held, cleared | changes | {"ledgerTokens": stored}, entry)


def reconcile_user(db: "Client", user_id: str, now: datetime) -> Outcome:
    """The user document and its ledger agree; what was done for that."""
    reference = db.document("users", user_id)

    def in_transaction(transaction: "Transaction") -> Outcome:
        fields = reference.get(transaction=transaction).to_dict()
        # A deleted account keeps its ledger and has no balance to edit.
        if fields is None or fields.get("deletedAt"):
            return "nothing"
        reconciled = reconcile(fields, sum_ledger(db, transaction, user_id), now)
        write_reconciled(transaction, db, user_id, reconciled, now=now)
        return reconciled.outcome

    return transact(db, in_transaction)


def write_reconciled(
    transaction: "Transaction",
    db: "Client",
    user_id: str,
    reconciled: Reconciled,
    *,
    further: Mapping[str, object] | None = None,
    now: datetime,
) -> None:
    """The user has these changes and the further ones, in one write; the entry is in the ledger."""
    changes = reconciled.changes | dict(further or {})
    if changes:
        transaction.update(db.document("users", user_id), changes | {"updatedAt": now})
    if reconciled.entry:
        # No cause has an id here. An edit is entered once all the same: with its entry it is one no longer.
        entry_id = f"edit_{uuid.uuid4().hex}"
        transaction.create(entry_reference(db, user_id, entry_id), reconciled.entry.to_document())


def sum_ledger(db: "Client", transaction: "Transaction", user_id: str) -> Sums:
    """The sums as of this transaction. Every movement writes the user document too, which the caller has read.

    Two queries, because a sum needs an index of all its fields, and those of single fields are there by themselves.
    """
    ledger = db.collection("users", user_id, "ledger")

    def total(field: str) -> int:
        summing: Any = ledger.sum(field)  # the package's own types leave `get` undecided
        return int(summing.get(transaction=transaction)[0][0].value)

    return Sums(total("tokens"), total("held"))


def _is_same(stored: object, value: int) -> bool:
    return is_whole_number(stored) and stored == value

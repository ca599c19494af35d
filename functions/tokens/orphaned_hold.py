"""Giving back what is held for a job whose document is gone."""

from datetime import datetime
from typing import TYPE_CHECKING

from accounts.users import find_user
from contracts.video_job import DEADLINE
from gcp.documents import read_document
from gcp.transactions import transact
from tokens.ledger import Hold, hold_reference, write_settlement
from tokens.reconciliation import Sums, sum_ledger

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


def is_orphaned(hold: Hold, now: datetime) -> bool:
    """Whether an open hold that has no job will never have one: no job lives longer, and none is completed without."""
    return hold.state == "held" and hold.created_at + DEADLINE <= now


def release_orphaned_hold(db: "Client", job_id: str, now: datetime) -> bool:
    """The hold of a job that is gone is released, once that is certain. Whether this call did it."""

    def release(transaction: "Transaction") -> bool:
        job = db.document("videoJobs", job_id).get(transaction=transaction)
        hold = read_document(Hold, hold_reference(db, job_id).get(transaction=transaction))
        if job.exists or hold is None or not is_orphaned(hold, now):
            return False
        user = find_user(db, hold.user_id, transaction=transaction)
        sums = Sums(user.ledger_tokens, user.held) if user else sum_ledger(db, transaction, hold.user_id)
        write_settlement(
            transaction,
            db,
            hold=hold,
            capture=False,
            ledger_tokens=sums.tokens,
            held=sums.held,
            has_user=user is not None,
            now=now,
        )
        # Media is kept for jobs that have one.
        transaction.delete(db.document("videoJobSnapshots", job_id))
        return True

    return transact(db, release)

"""How often somebody may do something: `rateLimits/{sha256 of what is limited and for whom}` counts a fixed window."""

import hashlib
import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts.message import Message
from gcp.errors import RateLimited
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction


class Window(Message):
    """What was spent until `expire_at`, when the next window may begin and the document may go."""

    spent: int
    expire_at: datetime


def spend(db: "Client", name: str, subject: str, *, most: int, window: timedelta, now: datetime, message: str) -> None:
    """One more of `name` is counted for the subject. A window begins with the first one after the last window's end.

    Raises RateLimited with the message, and counts nothing, when `most` of the window are spent; Unavailable when
    others of the same subject kept getting ahead. Costs one read and one write. Has a transaction of its own, so call
    it before anything that costs, and not inside another. A subject that could be guessed, as an address, comes as a
    keyed hash: the document's id is a plain one.
    """
    reference = window_reference(db, name, subject)

    def count(transaction: "Transaction") -> None:
        fields = reference.get(transaction=transaction).to_dict()
        current = Window.model_validate(fields) if fields else None
        if current is None or current.expire_at <= now:
            current = Window(spent=0, expire_at=now + window)
        if current.spent >= most:
            seconds_left = math.ceil((current.expire_at - now).total_seconds())
            raise RateLimited(message, retry_after_seconds=seconds_left)
        transaction.set(reference, current.model_copy(update={"spent": current.spent + 1}).to_document())

    transact(db, count)


def window_reference(db: "Client", name: str, subject: str) -> "DocumentReference":
    """Where the window is counted; the id tells neither a user nor an address."""
    return db.document("rateLimits", hashlib.sha256(f"{name}\0{subject}".encode()).hexdigest())

"""How often somebody may do something: `rateLimits/{sha256 of what is limited and for whom}` counts a fixed window."""

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from contracts.message import Message
from gcp.errors import RateLimited
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction


class Limit(NamedTuple):
    """At most so many of `name` for the subject in a window; the message is for whoever comes too late.

    A subject that could be guessed, as an address, comes as a keyed hash: the document's id is a plain one.
    """

    name: str
    subject: str
    most: int
    window: timedelta
    message: str


class Window(Message):
    """What was spent until `expire_at`, when the next window may begin and the document may go."""

    spent: int
    expire_at: datetime


def spend(db: "Client", name: str, subject: str, *, most: int, window: timedelta, now: datetime, message: str) -> None:
    """`spend_all` of one limit."""
    spend_all(db, [Limit(name, subject, most, window, message)], now)


def spend_all(db: "Client", limits: Sequence[Limit], now: datetime) -> None:
    """One more is counted for every limit. A window begins with the first one after the last window's end.

    Raises RateLimited with the message of the first limit whose window is spent, and then counts nothing for any of
    them; Unavailable when others of the same subject kept getting ahead. Costs one read and one write for each. Has a
    transaction of its own, so call it before anything that costs, and not inside another.
    """
    references = [window_reference(db, limit.name, limit.subject) for limit in limits]

    def count(transaction: "Transaction") -> None:
        found = {snapshot.reference: snapshot.to_dict() for snapshot in transaction.get_all(references)}
        counted = [_counted(limit, found[reference], now) for limit, reference in zip(limits, references, strict=True)]
        for reference, window in zip(references, counted, strict=True):
            transaction.set(reference, window.to_document())

    transact(db, count)


def _counted(limit: Limit, fields: dict[str, object] | None, now: datetime) -> Window:
    """The limit's window with one more in it. Raises RateLimited."""
    current = Window.model_validate(fields) if fields else None
    if current is None or current.expire_at <= now:
        current = Window(spent=0, expire_at=now + limit.window)
    if current.spent >= limit.most:
        seconds_left = math.ceil((current.expire_at - now).total_seconds())
        raise RateLimited(limit.message, retry_after_seconds=seconds_left)
    return current.model_copy(update={"spent": current.spent + 1})


def window_reference(db: "Client", name: str, subject: str) -> "DocumentReference":
    """Where the window is counted; the id tells neither a user nor an address."""
    return db.document("rateLimits", hashlib.sha256(f"{name}\0{subject}".encode()).hexdigest())

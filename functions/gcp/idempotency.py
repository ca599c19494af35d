"""What is sent twice with one `Idempotency-Key` is made once: `idempotency/{sha256 of user, operation and key}`.

A client that lost an answer sends the same request with the same key again. The first one leaves a record of what it
makes; whoever comes later gets that, or is refused while it is being made. The record of a request that takes a while
is a claim with a lease: `begin`, work inside `given_back_unless_made`, and `finish` in the transaction that stores
the thing. What is made in one transaction needs only `find_earlier` and `remember` in it.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import uuid4

from contracts import log
from contracts.message import Message
from gcp.endpoint import Call
from gcp.errors import ApiError, IdempotencyKeyReused, RequestInProgress, ValidationFailed
from gcp.models import Form
from gcp.transactions import transact
from routes import route_of, siblings

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
# What a lease has beyond the function's timeout: instances' clocks differ, and the platform ends nothing to the second.
_SLACK = timedelta(seconds=30)
_KEY = re.compile(r"[!-~]{1,255}")


class Record(Message):
    """`idempotency/{id}`. `fence` is the id of the request that works on it, or has."""

    user_id: str
    operation: str
    fingerprint: str
    state: Literal["in_progress", "done"]
    resource_id: str
    fence: str
    lease_until: datetime
    expire_at: datetime


@dataclass(frozen=True, kw_only=True)
class Key:
    """One request with its key. Two with the same `reference` and `fingerprint` ask for the same thing."""

    reference: "DocumentReference"
    user_id: str
    operation: str
    fingerprint: str
    fence: str

    def new_resource_id(self, now: datetime) -> str:
        """The id of what a request makes whose key is used for the first time, or again after it has expired."""
        return hashlib.sha256(f"{self.reference.id}\0{now.isoformat()}".encode()).hexdigest()[:32]

    def record(self, state: Literal["in_progress", "done"], resource_id: str, now: datetime) -> dict[str, object]:
        """The record's fields when this request is the one that makes the thing."""
        timeout_seconds = max(each.timeout_seconds for each in siblings(route_of(self.operation)))
        return Record(
            user_id=self.user_id,
            operation=self.operation,
            fingerprint=self.fingerprint,
            state=state,
            resource_id=resource_id,
            fence=self.fence,
            lease_until=now + timedelta(seconds=timeout_seconds) + _SLACK,
            expire_at=now + KEPT,
        ).to_document()


class Attempt(NamedTuple):
    """What a request is to make, by its id; `is_repeat` when it was made before."""

    resource_id: str
    is_repeat: bool = False


def key_of(db: "Client", call: Call[Any], operation: str) -> Key | None:
    """The request's key, None when it has none. Raises ValidationFailed for what is no key.

    The fingerprint is over what we read: parsed fields, the path's variables and the form's known files, by their
    SHA-256. How the body was written, and what in it is unknown to us, makes no difference.
    """
    text = call.headers.get(HEADER.lower())
    if text is None:
        return None
    if not _KEY.fullmatch(text):
        message = "1 to 255 visible ASCII characters."
        raise ValidationFailed([{"loc": ["header", HEADER], "msg": message, "type": "value_error"}])
    files = call.body.files if isinstance(call.body, Form) else {}
    content = {
        # Without defaults, so that a field that is added later changes no fingerprint.
        "fields": call.body.model_dump(mode="json", exclude_defaults=True),
        "path": dict(call.path),
        "files": {name: [hashlib.sha256(each).hexdigest() for each in call.files.get(name, ())] for name in files},
    }
    scope = f"{call.caller.id}\0{operation}\0{text}"
    return Key(
        reference=db.document("idempotency", hashlib.sha256(scope.encode()).hexdigest()),
        user_id=call.caller.id,
        operation=operation,
        fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        fence=call.request_id,
    )


def find_earlier(transaction: "Transaction", key: Key, now: datetime) -> Record | None:
    """The record of an earlier request with this key: its thing is made, or its lease has run out.

    Raises IdempotencyKeyReused when that was another request, RequestInProgress while its lease runs.
    """
    record = _read(transaction, key)
    if record is None or record.expire_at <= now:
        return None
    if record.fingerprint != key.fingerprint:
        raise IdempotencyKeyReused
    # Our own claim is there already when the commit's answer was lost and the transaction runs again.
    if record.state == "in_progress" and record.fence != key.fence and now < record.lease_until:
        raise RequestInProgress(math.ceil((record.lease_until - now).total_seconds()))
    return record


def remember(transaction: "Transaction", key: Key, resource_id: str, now: datetime) -> None:
    """The key stands for this thing, which the same transaction makes."""
    transaction.set(key.reference, key.record("done", resource_id, now))


def begin(db: "Client", key: Key | None, *, now: datetime) -> Attempt:
    """The key is ours until its lease ends, which is later than the function's timeout; or the thing is made already.

    Whoever takes over from a request that died makes the thing under the id that this one had. Raises as find_earlier.
    Without a key every request makes a thing of its own.
    """
    if key is None:
        return Attempt(uuid4().hex)

    def claim(transaction: "Transaction") -> Attempt:
        earlier = find_earlier(transaction, key, now)
        if earlier and earlier.state == "done":
            return Attempt(earlier.resource_id, is_repeat=True)
        resource_id = earlier.resource_id if earlier else key.new_resource_id(now)
        transaction.set(key.reference, key.record("in_progress", resource_id, now))
        return Attempt(resource_id)

    return transact(db, claim)


def finish(transaction: "Transaction", key: Key | None) -> bool:
    """Whether to store the thing in this transaction, which also marks the key's request as done. Reads, so call first.

    False when that has happened: the commit's answer was lost. Raises RequestInProgress when another has taken over.
    """
    if key is None:
        return True
    record = _read(transaction, key)
    if record is None or record.fence != key.fence:
        raise RequestInProgress(1)
    if record.state == "done":
        return False
    transaction.update(key.reference, {"state": "done"})
    return True


@contextmanager
def given_back_unless_made(db: "Client", key: Key | None) -> Iterator[None]:
    """A request that is refused inside consumes nothing: its key can be used again at once, for anything."""
    try:
        yield
    except Exception:  # whatever ended the request: it is raised on below
        if key:
            _give_back(db, key)
        raise


def _give_back(db: "Client", key: Key) -> None:
    # Deferred: whoever has a client has loaded them.
    from google.api_core.exceptions import GoogleAPICallError

    def give_back(transaction: "Transaction") -> None:
        record = _read(transaction, key)
        # Done is what a commit left whose answer was lost; another's fence, that our lease had ended.
        if record and record.state == "in_progress" and record.fence == key.fence:
            transaction.delete(key.reference)

    try:
        transact(db, give_back)
    except (ApiError, GoogleAPICallError) as error:
        # The request's own refusal is what the client is told; the key is free when its lease ends.
        log.warning("idempotency_key_not_given_back", request_id=key.fence, error=type(error).__name__)


def _read(transaction: "Transaction", key: Key) -> Record | None:
    fields = key.reference.get(transaction=transaction).to_dict()
    return Record.model_validate(fields) if fields is not None else None

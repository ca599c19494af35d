"""Deleting an account and all that it owns, in steps that can be broken off anywhere and taken again.

`DELETE /api/me` is one transaction: the user document says `deletedAt`, so that every token is refused from then on,
and `accountDeletions/{uid}` exists. A sweep does the rest. It looks for what is there and removes it, so that it may
be killed, repeated and done twice at once; Firebase Auth's user goes last, so that nobody takes the address for free
while something of the account is left.

What was under way when the account was deleted may write once more: a request that was let in before, a runner that
uploads, an event that is delivered late (for 24 hours). So a sweep that found something is followed by another one two
minutes later, when requests and renders have noticed; one that found nothing by the last, 25 hours after something was
found, with which `accountDeletions/{uid}` goes.

What stays: `users/{uid}` without name and address, its ledger, its adjustments without their reasons and its holds,
so that the books stay whole; and `grants/{hash}`, so that the same address gets no initial tokens twice.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from accounts.users import find_user
from characters.stars import find_stars, set_star
from characters.store import remove_character
from contracts import log
from contracts.media_paths import character_prefixes, render_prefixes
from contracts.message import Message
from gcp.batches import AT_ONCE, delete_all
from gcp.errors import NotFound
from gcp.transactions import transact
from media.removal import list_pages, needed_by_jobs, remove_objects, remove_prefix
from videos.cancellation import end_job
from videos.jobs import job_reference, snapshot_reference

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Query, Transaction
    from google.cloud.storage import Bucket

# When the clock looks at a deletion that no event finished.
_PATIENCE = timedelta(minutes=10)
# After this much no function and no runner works any more for what it was let in to before: a function's minute, and a
# runner's next heartbeat.
_LATEST_WORK = timedelta(minutes=2)
# Events are delivered for 24 hours, and nothing else lasts as long.
_LATEST_WRITE = timedelta(hours=25)
# Bounds one run of the clock; what is more comes with the next.
_BATCH = 10
_KEPT_FIELDS = ("tokens", "ledgerTokens", "held", "createdAt", "updatedAt", "deletedAt")
_KEPT_COLLECTIONS = frozenset({"ledger", "adjustments"})

RemoveIdentity = Callable[[str], bool]


class AccountDeletion(Message):
    """`accountDeletions/{uid}`: `last_found_at` is when a sweep last found something, or the account was deleted."""

    last_found_at: datetime
    check_at: datetime


def request_account_deletion(db: "Client", user_id: str, now: datetime) -> None:
    """The account is closed to everybody, and everything that it owns is going to be removed. Safe to repeat."""
    reference = db.document("users", user_id)

    def request(transaction: "Transaction") -> None:
        fields = reference.get(transaction=transaction).to_dict()
        if fields is None or fields.get("deletedAt"):
            return
        deletion = AccountDeletion(last_found_at=now, check_at=now + _PATIENCE)
        transaction.set(reference, _anonymous(fields | {"deletedAt": now, "updatedAt": now}))
        transaction.set(_deletion_reference(db, user_id), deletion.to_document())

    transact(db, request)


def continue_account_deletion(
    db: "Client", bucket: "Bucket", user_id: str, *, remove_identity: RemoveIdentity, now: datetime
) -> None:
    """One sweep was done, and when nothing was left to find for 25 hours, the deletion has ended.

    An account whose document an admin deleted is swept as well. Safe to repeat and to do twice at once. Raises what
    keeps Firestore, Cloud Storage or Firebase Auth from answering; what was removed by then stays removed.
    """
    fields = _deletion_reference(db, user_id).get().to_dict()
    user = find_user(db, user_id)
    if fields is None or (user is not None and user.deleted_at is None):
        return
    found = _sweep(db, bucket, user_id, remove_identity, now)
    log.info("account_swept", user_id=user_id, **found)
    before = AccountDeletion.model_validate(fields)
    transact(
        db, lambda transaction: _note(transaction, db, user_id, before, found_something=any(found.values()), now=now)
    )


def _note(
    transaction: "Transaction",
    db: "Client",
    user_id: str,
    before: AccountDeletion,
    *,
    found_something: bool,
    now: datetime,
) -> None:
    """The deletion says when to look again, or has ended. `before` is what it said when the sweep began."""
    reference = _deletion_reference(db, user_id)
    fields = reference.get(transaction=transaction).to_dict()
    if fields is None or (not found_something and AccountDeletion.model_validate(fields) != before):
        # Another sweep has ended it, or has found something since, and looks again sooner.
        return
    last_found_at = now if found_something else before.last_found_at
    if now >= last_found_at + _LATEST_WRITE:
        transaction.delete(reference)
        return
    check_at = now + _LATEST_WORK if found_something else last_found_at + _LATEST_WRITE
    transaction.set(reference, AccountDeletion(last_found_at=last_found_at, check_at=check_at).to_document())


def continue_due_account_deletions(
    db: "Client", bucket: "Bucket", *, remove_identity: RemoveIdentity, now: datetime
) -> int:
    """Every deletion that is due was taken up once; how many were. One that fails is due again after a while."""
    from google.cloud.firestore import FieldFilter

    due = db.collection("accountDeletions").where(filter=FieldFilter("checkAt", "<=", now)).order_by("checkAt")
    found = list(due.limit(_BATCH).select([]).stream())
    for each in found:
        try:
            # First of all, so that one which always fails, or takes too long, keeps no other from its turn.
            each.reference.update({"checkAt": now + _PATIENCE})
            continue_account_deletion(db, bucket, each.id, remove_identity=remove_identity, now=now)
        except Exception as error:  # noqa: BLE001 (the outermost handler of one account; the next must have its turn)
            log.error("account_not_swept", user_id=each.id, error=type(error).__name__, at=log.frames_of(error))
    return len(found)


def remove_firebase_user(user_id: str) -> bool:
    """Firebase Auth has no user of this id; whether it had one. Raises FirebaseError when it does not answer."""
    from gcp.clients import firebase_app

    app = firebase_app()
    # Deferred: only what talks to Firebase Auth needs the Admin SDK.
    from firebase_admin import auth

    try:
        auth.delete_user(user_id, app=app)
    except auth.UserNotFoundError:
        return False
    return True


def _sweep(
    db: "Client", bucket: "Bucket", user_id: str, remove_identity: RemoveIdentity, now: datetime
) -> dict[str, int]:
    """What was found and removed, in the order in which it must go: what makes more of something before that."""
    from google.cloud.firestore import FieldFilter

    def owned(collection: str, field: str) -> "Query":
        return db.collection(collection).where(filter=FieldFilter(field, "==", user_id))

    return {
        "jobs": _remove_jobs(db, owned("videoJobs", "userId"), now),
        "snapshots": delete_all(db, owned("videoJobSnapshots", "userId")),
        "dead_letters": delete_all(db, owned("deadLetters", "userId")),
        "characters": _remove_characters(db, owned("characters", "ownerId"), user_id, now),
        "scripts": delete_all(db, owned("scripts", "ownerId")),
        "stars": _remove_stars(db, user_id, now),
        "feedback": delete_all(db, owned("feedback", "userId")),
        "requests": delete_all(db, owned("idempotency", "userId")),
        "below_user": _delete_below(db, db.document("users", user_id)),
        "statistics": _delete_one(db.document("activityStats", user_id)),
        "reasons": _empty_reasons(db, user_id),
        "profile": _empty_profile(db, user_id),
        "objects": _remove_objects(db, bucket, user_id),
        "identity": int(remove_identity(user_id)),
    }


def _remove_jobs(db: "Client", jobs: "Query", now: datetime) -> int:
    """Each job is ended, if it has not, and its hold settled before it goes: what it held is free in the books."""
    removed = 0
    while found := list(jobs.select([]).limit(AT_ONCE // 2).stream()):
        batch = db.batch()
        for each in found:
            end_job(db, each.id, now)
            batch.delete(job_reference(db, each.id))
            batch.delete(snapshot_reference(db, each.id))
        batch.commit()
        removed += len(found)
    return removed


def _remove_characters(db: "Client", characters: "Query", user_id: str, now: datetime) -> int:
    """As their owner removes them: what a video of somebody else still needs of them waits until that has ended."""
    removed = 0
    while found := list(characters.select([]).limit(AT_ONCE).stream()):
        for each in found:
            try:
                remove_character(db, each.id, user_id, now=now)
            except NotFound:
                # Made or damaged by hand, so that it is no character; its objects are found by their names.
                each.reference.delete()
        removed += len(found)
    return removed


def _remove_stars(db: "Client", user_id: str, now: datetime) -> int:
    """Each star is taken away by itself, together with its count, so that none counts twice or for ever."""
    stars = find_stars(db, user_id)
    for character_id in stars:
        with suppress(NotFound):
            set_star(db, user_id, character_id, is_starred=False, now=now)
    return len(stars) + _delete_one(db.document("stars", user_id))


def _delete_below(db: "Client", user: "DocumentReference") -> int:
    below = [each for each in user.collections() if each.id not in _KEPT_COLLECTIONS]
    return sum(delete_all(db, collection) for collection in below)


def _empty_reasons(db: "Client", user_id: str) -> int:
    """What admins wrote beside their corrections may name somebody."""
    from google.cloud.firestore import FieldFilter

    emptied = 0
    for collection in sorted(_KEPT_COLLECTIONS):
        reasons = db.collection("users", user_id, collection).where(filter=FieldFilter("reason", ">", ""))
        while found := list(reasons.select([]).limit(AT_ONCE).stream()):
            batch = db.batch()
            for each in found:
                batch.update(each.reference, {"reason": ""})
            batch.commit()
            emptied += len(found)
    return emptied


def _empty_profile(db: "Client", user_id: str) -> int:
    """The user document has only what stays, whatever was written to it since."""
    reference = db.document("users", user_id)

    def empty(transaction: "Transaction") -> int:
        fields = reference.get(transaction=transaction).to_dict()
        if fields is None or fields == _anonymous(fields):
            return 0
        transaction.set(reference, _anonymous(fields))
        return 1

    return transact(db, empty)


def _remove_objects(db: "Client", bucket: "Bucket", user_id: str) -> int:
    """By the beginnings of their names, so that what no document names goes as well.

    What somebody else's unfinished job needs is left to the deletions of the characters, which wait for it.
    """
    removed = sum(remove_prefix(bucket, prefix) for prefix in render_prefixes(user_id))
    for prefix in character_prefixes(user_id):
        for names in list_pages(bucket, prefix):
            needed = needed_by_jobs(db, names)
            removed += remove_objects(bucket, [name for name in names if name not in needed])
    return removed


def _delete_one(reference: "DocumentReference") -> int:
    if not reference.get([]).exists:
        return 0
    reference.delete()
    return 1


def _deletion_reference(db: "Client", user_id: str) -> "DocumentReference":
    return db.document("accountDeletions", user_id)


def _anonymous(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What stays of a user document."""
    return {name: fields[name] for name in _KEPT_FIELDS if name in fields} | {"name": "", "email": ""}

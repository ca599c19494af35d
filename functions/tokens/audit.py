"""The audit: every user's books and jobs are checked, what disagrees is told, and what is certain is repaired.

It goes through the users in the order of their ids; then through all jobs and holds, for those of nobody who has a
document. A page of them is checked at a time, so that a run which is cut off goes on where it was.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from accounts.users import USER_ID
from contracts import log
from tokens.audit_records import read_records
from tokens.audit_rules import Disagreement, Kind, Repair, check_user
from tokens.orphaned_hold import release_orphaned_hold
from tokens.reconciliation import reconcile_user
from videos.jobs import settle_and_log

if TYPE_CHECKING:
    from google.cloud.firestore import Client

Clock = Callable[[], datetime]

COLLECTIONS = ("users", "videoJobs", "holds")
PAGE = 100
# A repair may show what it hid: a hold that is settled, a balance that can be put right now.
_ROUNDS = 3


REPAIRS: dict[str, Callable[["Client", str, datetime], object]] = {
    "reconcile_user": reconcile_user,
    "settle_job": settle_and_log,
    "release_hold": release_orphaned_hold,
}


class Finding(NamedTuple):
    """What disagreed, of whom, and whether it agrees now."""

    user_id: str
    disagreement: Disagreement
    is_repaired: bool


class Place(NamedTuple):
    """How far the audit has come: all documents of the collection up to this id are checked."""

    collection: str = COLLECTIONS[0]
    after: str = ""


@dataclass(frozen=True)
class Audited:
    """One page of the audit, and where the next begins; None after the last. Of `unread` users nothing is known."""

    users: int
    jobs: int
    findings: tuple[Finding, ...]
    unread: tuple[str, ...]
    next: Place | None


class _Checked(NamedTuple):
    jobs: int
    findings: list[Finding]


def audit_pages(db: "Client", place: Place, clock: Clock, *, repair: bool) -> Iterator[Audited]:
    """The pages from this place to the end, each checked when it is asked for. Raises GoogleAPIError."""
    next_place: Place | None = place
    while next_place is not None:
        audited = _audit_page(db, next_place, clock, repair=repair)
        next_place = audited.next
        yield audited


def audit_user(db: "Client", user_id: str, now: datetime, *, repair: bool) -> list[Finding]:
    """What disagreed in the documents of this user, who may have none, and what of it was repaired."""
    return _check(db, user_id, now, repair=repair).findings


def _check(db: "Client", user_id: str, now: datetime, *, repair: bool) -> _Checked:
    records = read_records(db, user_id)
    left = check_user(records, now)
    found = dict.fromkeys(left)
    for _ in range(_ROUNDS):
        repairs = dict.fromkeys(each.repair for each in left if each.repair)
        if not repair or not repairs:
            break
        for each in repairs:
            _carry_out(db, each, now)
        left = check_user(read_records(db, user_id), now)
        found |= dict.fromkeys(left)
    still = {(each.kind, each.documents) for each in left}
    # The same disagreement may have been found with and without a repair.
    told = {(each.kind, each.documents): each for each in found}
    findings = [Finding(user_id, each, is_repaired=key not in still) for key, each in told.items()]
    return _Checked(len(records.own_jobs), findings)


def _carry_out(db: "Client", repair: Repair, now: datetime) -> None:
    """As the trigger does it, whose event was lost: state decides, so it is safe beside the trigger itself."""
    try:
        outcome = REPAIRS[repair.by](db, repair.of, now)
        log.info("ledger_repaired", by=repair.by, of=repair.of, outcome=outcome)
    except Exception as error:  # noqa: BLE001 (the outermost handler of one repair; what is left is told as such)
        log.error(
            "ledger_not_repaired", by=repair.by, of=repair.of, error=type(error).__name__, at=log.frames_of(error)
        )


def _audit_page(db: "Client", place: Place, clock: Clock, *, repair: bool) -> Audited:
    fields = [] if place.collection == "users" else ["userId"]
    query = db.collection(place.collection).order_by("__name__").select(fields).limit(PAGE)
    if place.after:
        query = query.start_after({"__name__": place.after})
    page = list(query.stream())
    damaged: list[Finding] = []
    if place.collection == "users":
        user_ids = [each.id for each in page]
    else:
        owners = {each.id: each.get("userId") if "userId" in (each.to_dict() or {}) else None for each in page}
        known = {each for each in owners.values() if isinstance(each, str) and re.fullmatch(USER_ID, each)}
        kind = Kind.MALFORMED_JOB if place.collection == "videoJobs" else Kind.MALFORMED_HOLD
        damaged = [
            Finding("", Disagreement(kind, (f"{place.collection}/{each}",)), is_repaired=False)
            for each, owner in owners.items()
            if not (isinstance(owner, str) and owner in known)
        ]
        user_ids = _without_document(db, sorted(known))
    audited = _audit_users(db, user_ids, clock, repair=repair)
    is_last = len(page) < PAGE
    following = COLLECTIONS[COLLECTIONS.index(place.collection) + 1 :]
    next_place = (Place(following[0]) if following else None) if is_last else Place(place.collection, page[-1].id)
    # Whoever has no document is audited, and is no user.
    users = audited.users if place.collection == "users" else 0
    return replace(audited, users=users, findings=(*damaged, *audited.findings), next=next_place)


def _audit_users(db: "Client", user_ids: Iterable[str], clock: Clock, *, repair: bool) -> Audited:
    users, jobs = 0, 0
    findings: list[Finding] = []
    unread: list[str] = []
    for user_id in user_ids:
        users += 1
        try:
            checked = _check(db, user_id, clock(), repair=repair)
        except Exception as error:  # noqa: BLE001 (the outermost handler of one user; the next must have its turn)
            log.error("user_not_audited", user_id=user_id, error=type(error).__name__, at=log.frames_of(error))
            unread.append(user_id)
            continue
        jobs += checked.jobs
        findings += checked.findings
    return Audited(users, jobs, tuple(findings), tuple(unread), None)


def _without_document(db: "Client", user_ids: list[str]) -> list[str]:
    """Those of the ids that no user document has."""
    found = db.get_all([db.document("users", each) for each in user_ids], field_paths=[]) if user_ids else ()
    return sorted(document.id for document in found if not document.exists)

"""The nightly audit: as much of it as its time allows, going on where the last run ended.

`audits/latest` says how far it has come and what it has found. A run that is killed has written its last page's end
there; one that ends in the middle, for want of time, leaves the rest to the next night.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from contracts import log
from contracts.message import Message
from tokens.audit import COLLECTIONS, Audited, Finding, Place, audit_pages

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference


class AuditState(Message):
    """`audits/latest`: everything up to `after` in `collection` is checked; what was counted since `started_at`."""

    collection: str = Field(default=COLLECTIONS[0], pattern=f"^({'|'.join(COLLECTIONS)})$")
    after: str = ""
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    users: int = 0
    jobs: int = 0
    disagreements: int = 0
    repaired: int = 0
    unread: int = 0


def run_audit(db: "Client", clock: Callable[[], datetime], until: datetime) -> AuditState:
    """Pages are audited until all are, or until that moment; each disagreement is one line in the log."""
    reference = db.document("audits", "latest")
    state = _begin(reference, clock())
    for audited in audit_pages(db, Place(state.collection, state.after), clock, repair=True):
        for finding in audited.findings:
            _tell(finding)
        state = _advance(state, audited, clock())
        reference.set(state.to_document())
        if clock() >= until:
            break
    counted = state.model_dump(include={"users", "jobs", "disagreements", "repaired", "unread"})
    log.info("ledgers_audited", is_finished=state.finished_at is not None, **counted)
    return state


def _begin(reference: "DocumentReference", now: datetime) -> AuditState:
    """The run before, when it did not come to its end; else a new one."""
    try:
        state = AuditState.model_validate(reference.get().to_dict() or {})
    except ValidationError:
        # There was none, or somebody edited it.
        state = None
    return state if state and state.finished_at is None else AuditState(started_at=now, updated_at=now)


def _advance(state: AuditState, audited: Audited, now: datetime) -> AuditState:
    place = audited.next
    changes = {
        "collection": place.collection if place else state.collection,
        "after": place.after if place else state.after,
        "updated_at": now,
        "finished_at": now if place is None else None,
        "users": state.users + audited.users,
        "jobs": state.jobs + audited.jobs,
        "disagreements": state.disagreements + len(audited.findings),
        "repaired": state.repaired + sum(each.is_repaired for each in audited.findings),
        "unread": state.unread + len(audited.unread),
    }
    return state.model_copy(update=changes)


def _tell(finding: Finding) -> None:
    log.error(
        "ledger_disagreement",
        kind=finding.disagreement.kind,
        documents=finding.disagreement.documents,
        user_id=finding.user_id,
        is_repaired=finding.is_repaired,
    )

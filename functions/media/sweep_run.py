"""The nightly sweep of the bucket: as much of it as its time allows, going on where the last run ended.

`audits/sweep` says how far it has come and what it has found, as tokens.audit_run does of the audit.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts import log
from contracts.message import Message
from media.sweep import Swept, sweep_pages

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference
    from google.cloud.storage import Bucket

_COUNTED = ("objects", "young", "foreign", "named", "removed")


class SweepState(Message):
    """`audits/sweep`: every object up to the name `after` was looked at; what was counted since `started_at`."""

    after: str = ""
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    objects: int = 0
    young: int = 0
    foreign: int = 0
    named: int = 0
    removed: int = 0


def run_sweep(db: "Client", bucket: "Bucket", clock: Callable[[], datetime], until: datetime) -> SweepState:
    """Pages of the bucket are swept until all are, or until that moment."""
    reference = db.document("audits", "sweep")
    state = _begin(reference, clock())
    for swept in sweep_pages(db, bucket, state.after, clock):
        state = _advance(state, swept, clock())
        reference.set(state.to_document())
        if clock() >= until:
            break
    else:
        state = state.model_copy(update={"finished_at": clock(), "updated_at": clock()})
        reference.set(state.to_document())
    log.info("media_swept", is_finished=state.finished_at is not None, **state.model_dump(include=set(_COUNTED)))
    return state


def _begin(reference: "DocumentReference", now: datetime) -> SweepState:
    """The run before, when it did not come to its end; else a new one."""
    try:
        state = SweepState.model_validate(reference.get().to_dict() or {})
    except ValidationError:
        # There was none, or somebody edited it.
        state = None
    return state if state and state.finished_at is None else SweepState(started_at=now, updated_at=now)


def _advance(state: SweepState, swept: Swept, now: datetime) -> SweepState:
    counts = {name: getattr(state, name) + getattr(swept, name) for name in _COUNTED}
    return state.model_copy(update={"after": swept.last, "updated_at": now, **counts})

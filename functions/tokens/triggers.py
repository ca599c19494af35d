"""What follows from an admin's adjustment, and from every entry of a ledger; the nightly audit of all ledgers."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import NIGHT_WORK, every_night, trigger_created


@trigger_created("users/{userId}/adjustments/{adjustmentId}")
def on_adjustment_created(params: Mapping[str, str], fields: Fields) -> None:
    """The adjustment is applied to the balance or refused, and says so itself."""
    # Deferred: what a module of functions imports, each of them would pay for.
    from gcp.clients import firestore
    from tokens.adjustments import apply_adjustment

    user_id, adjustment_id = params["userId"], params["adjustmentId"]
    outcome = apply_adjustment(firestore(), user_id, adjustment_id, fields, datetime.now(UTC))
    log.info("adjustment_handled", user_id=user_id, adjustment_id=adjustment_id, outcome=outcome)


@trigger_created("users/{userId}/ledger/{entryId}")
def on_ledger_entry_created(params: Mapping[str, str], fields: Fields) -> None:
    """The user's log tells of tokens granted and adjusted, once; of a video's price its settlement tells."""
    if fields.get("kind") not in {"grant", "adjustment"}:
        return
    # Deferred, as above.
    from pydantic import ValidationError

    from activities.activity import record_activity
    from gcp.clients import firestore
    from tokens.entry_activity import entry_activity
    from tokens.ledger import LedgerEntry

    try:
        activity = entry_activity(LedgerEntry.model_validate(fields))
    except ValidationError:
        # Nobody but an admin writes such a one, and delivering it again would not help.
        log.error("ledger_entry_malformed", user_id=params["userId"], entry_id=params["entryId"])
        return
    if activity:
        record_activity(firestore(), params["userId"], params["entryId"], activity)


@every_night(hour=3, minute=30)
def audit_ledgers() -> None:
    """Every night: each user's balance, ledger, holds and jobs agree, or the log says which do not."""
    # Deferred, as above.
    from gcp.clients import firestore
    from tokens.audit_run import run_audit

    run_audit(firestore(), lambda: datetime.now(UTC), datetime.now(UTC) + NIGHT_WORK)

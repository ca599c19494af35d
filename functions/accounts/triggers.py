"""What follows from a write of a user document, and from what Firebase Auth decides about users."""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import every_minute, trigger_written


@trigger_written("users/{userId}")
def on_user_written(params: Mapping[str, str], before: Fields | None, after: Fields | None) -> None:
    """A new user's log begins; an admin's edits of the balance and of `disabled` hold, or are put back; a cleared log
    is empty.

    Most writes are holds and settlements, which need nothing of it and cost no read.
    """
    if after is None:
        return
    # Deferred: what a module of functions imports, each of them would pay for.
    from activities.store import delete_cleared
    from gcp.clients import firestore
    from gcp.switches import may_need_mending, mend_switch
    from tokens.reconciliation import is_out_of_step, reconcile_user

    user_id, now = params["userId"], datetime.now(UTC)
    if before is None:
        _welcome(user_id, after, now)
    if is_out_of_step(before, after):
        outcome = reconcile_user(firestore(), user_id, now)
        log.info("balance_reconciled", user_id=user_id, outcome=outcome)
    if may_need_mending("disabled", before, after):
        mend_switch(firestore(), f"users/{user_id}", "disabled", before=before, after=after, now=now)
    cleared_at = after.get("activitiesClearedAt")
    if isinstance(cleared_at, datetime) and cleared_at != (before or {}).get("activitiesClearedAt"):
        deleted = delete_cleared(firestore(), user_id, cleared_at)
        log.info("cleared_activities_deleted", user_id=user_id, deleted=deleted)


@every_minute
def watch_identities() -> None:
    """Who is disabled, deleted or has a new password at Firebase Auth is refused by the API and the rules."""
    # Deferred: as above.
    import time

    from accounts.identity_watch import watch
    from gcp.clients import firestore

    watch(firestore(), clock=lambda: datetime.now(UTC), pause=time.sleep)


def _welcome(user_id: str, fields: Fields, now: datetime) -> None:
    """The log begins with the sign-up, and admins find the platform's configuration since its first user."""
    from activities.activity import Activity, ActivityType, record_activity
    from config.store import write_missing_platform
    from gcp.clients import firestore

    created_at = fields.get("createdAt")
    signed_up = Activity(
        type=ActivityType.USER_SIGNED_UP,
        message="Welcome to Duologue",
        timestamp=created_at if isinstance(created_at, datetime) else now,
    )
    record_activity(firestore(), user_id, user_id, signed_up)
    write_missing_platform(firestore())

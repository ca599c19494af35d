"""The activity log and its statistics: reading, counting and clearing.

A cleared log has a watermark, `users/{uid}.activitiesClearedAt`, and the statistics repeat it: what happened until
then is not shown and does not count any more, even where it is not deleted yet or its event is delivered late.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from accounts.users import require_account
from activities.activity import Activity
from activities.statistics import ActivityStats
from gcp.batches import delete_all
from gcp.documents import fields_of, read_document
from gcp.page import Page, PageRequest, read_page
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, CollectionReference, DocumentReference, Transaction

_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


class LoggedActivity(NamedTuple):
    """An activity with its id in the log."""

    id: str
    activity: Activity


def list_activities(
    db: "Client", user_id: str, request: PageRequest, *, cleared_at: datetime | None
) -> Page[LoggedActivity]:
    """The user's activities since the log was cleared, the newest first."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    shown = _log(db, user_id).where(filter=FieldFilter("timestamp", ">", cleared_at or _BEFORE_ALL))
    found, next_token = read_page(shown, "timestamp", request)
    logged = (LoggedActivity(each.id, activity) for each in found if (activity := read_document(Activity, each)))
    return Page(list(logged), next_token)


def find_stats(db: "Client", user_id: str, *, transaction: "Transaction | None" = None) -> ActivityStats:
    """The statistics of the user's log: zeros where nothing was counted yet."""
    fields = fields_of(_stats_reference(db, user_id).get(transaction=transaction))
    return ActivityStats.model_validate(fields or {})


def count_activity(db: "Client", user_id: str, activity_id: str) -> bool:
    """The activity is in the statistics, once, however often this is called. Whether this call counted it.

    One that happened before the log was cleared, or whose user's account is deleted, came too late and is removed.
    """
    reference = _log(db, user_id).document(activity_id)
    has_account = _has_account(db, user_id)

    def count(transaction: "Transaction") -> bool:
        fields = reference.get(transaction=transaction).to_dict()
        stats = find_stats(db, user_id, transaction=transaction)
        if fields is None or fields.get("counted"):
            return False
        activity = Activity.model_validate(fields)
        if stats.hides(activity) or not has_account:
            transaction.delete(reference)
            return False
        transaction.update(reference, {"counted": True})
        transaction.set(_stats_reference(db, user_id), stats.with_activity(activity).to_document())
        return True

    return transact(db, count)


def clear_activities(db: "Client", user_id: str, now: datetime) -> datetime:
    """Nothing that happened until now is shown or counted any more; the watermark, which never goes back.

    What lies beneath it is deleted by `delete_cleared`. Raises Unauthenticated when the account is deleted.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    def clear(transaction: "Transaction") -> datetime:
        require_account(db, user_id, transaction=transaction)
        cleared_at = max(find_stats(db, user_id, transaction=transaction).cleared_at or now, now)
        # None, but for a clock ahead of ours: what is above the watermark and was counted stays counted.
        above = _log(db, user_id).where(filter=FieldFilter("timestamp", ">", cleared_at))
        stats = ActivityStats(cleared_at=cleared_at)
        for each in above.stream(transaction=transaction):
            fields = each.to_dict() or {}
            if fields.get("counted"):
                stats = stats.with_activity(Activity.model_validate(fields))
        transaction.update(db.document("users", user_id), {"activitiesClearedAt": cleared_at})
        transaction.set(_stats_reference(db, user_id), stats.to_document())
        return cleared_at

    return transact(db, clear)


def delete_cleared(db: "Client", user_id: str, cleared_at: datetime) -> int:
    """No activity that happened until then is stored any more; how many were deleted. May be broken off."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    cleared = _log(db, user_id).where(filter=FieldFilter("timestamp", "<=", cleared_at))
    return delete_all(db, cleared.order_by("timestamp"))


def _has_account(db: "Client", user_id: str) -> bool:
    user = db.document("users", user_id).get(["deletedAt"]).to_dict()
    return user is not None and user.get("deletedAt") is None


def _log(db: "Client", user_id: str) -> "CollectionReference":
    return db.collection("users", user_id, "activities")


def _stats_reference(db: "Client", user_id: str) -> "DocumentReference":
    return db.document("activityStats", user_id)

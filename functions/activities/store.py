"""Reads of the activity log, and clearing it.

A cleared log has a watermark, `users/{uid}.activitiesClearedAt`: what happened until then is not shown any more, even
where it is not deleted yet or its event is delivered late.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from activities.activity import Activity, ActivityType

if TYPE_CHECKING:
    from google.cloud.firestore import Client, CollectionReference, Query

# Firestore takes 500 writes in one commit.
_DELETED_AT_ONCE = 400
# A log is not counted further: 1,000 index entries cost one read.
_MOST_COUNTED = 10_000


class LoggedActivity(NamedTuple):
    """An activity with its id in the log."""

    id: str
    activity: Activity


class ActivityCounts(NamedTuple):
    """How often what happened; `everything` holds sign-up and tokens too. Each at most 10,000."""

    scripts: int
    characters: int
    videos: int
    everything: int


def list_activities(db: "Client", user_id: str, *, cleared_at: datetime | None, limit: int) -> list[LoggedActivity]:
    """The user's activities since the log was cleared, the newest first."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import Query

    newest = _log(db, user_id, cleared_at).order_by("timestamp", direction=Query.DESCENDING).limit(limit)
    return [LoggedActivity(found.id, Activity.model_validate(found.to_dict())) for found in newest.stream()]


def count_activities(
    db: "Client", user_id: str, *, cleared_at: datetime | None, types: Sequence[ActivityType] = ()
) -> int:
    """How many activities of these types, or of all, the log holds since it was cleared, at most 10,000."""
    from google.cloud.firestore import FieldFilter

    query = _log(db, user_id, cleared_at)
    if types:
        query = query.where(filter=FieldFilter("type", "in", [str(each) for each in types]))
    counting: Any = query.limit(_MOST_COUNTED).count()  # the package's own types leave `get` undecided
    return int(counting.get()[0][0].value)


def count_by_subject(db: "Client", user_id: str, *, cleared_at: datetime | None) -> ActivityCounts:
    """The counts of the statistics."""

    def count(subject: str) -> int:
        types = [each for each in ActivityType if each.startswith(f"{subject}_")]
        return count_activities(db, user_id, cleared_at=cleared_at, types=types)

    return ActivityCounts(
        scripts=count("script"),
        characters=count("character"),
        videos=count("video"),
        everything=count_activities(db, user_id, cleared_at=cleared_at),
    )


def clear_activities(db: "Client", user_id: str, now: datetime) -> int:
    """Nothing that happened until now is shown any more; up to 400 of the oldest are deleted, and how many were.

    What remains beneath the watermark is deleted by the next clearing.
    """
    from google.cloud.firestore import FieldFilter

    db.document("users", user_id).update({"activitiesClearedAt": now})
    old = db.collection("users", user_id, "activities").where(filter=FieldFilter("timestamp", "<=", now))
    batch = db.batch()
    for found in old.order_by("timestamp").limit(_DELETED_AT_ONCE).select([]).stream():
        batch.delete(found.reference)
    return len(batch.commit())


def _log(db: "Client", user_id: str, cleared_at: datetime | None) -> "Query | CollectionReference":
    from google.cloud.firestore import FieldFilter

    log = db.collection("users", user_id, "activities")
    return log.where(filter=FieldFilter("timestamp", ">", cleared_at)) if cleared_at else log

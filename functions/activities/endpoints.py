"""The caller's activity log: reading it, its statistics, and clearing it."""

from datetime import UTC, datetime

from activities.activity import ActivityType
from activities.store import LoggedActivity, clear_activities, count_activities, count_by_subject, list_activities
from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import ValidationFailed
from gcp.models import Answer, NoBody
from gcp.page import limit_parameter, page_limit
from gcp.settings import settings
from media.signing import signed_path

_DEFAULT_LIMIT = 50


class ActivityAnswer(Answer):
    """`videoPath` loads by itself, as long as the video exists."""

    id: str
    type: ActivityType
    message: str
    timestamp: datetime
    script_id: str | None
    character_id: str | None
    video_path: str | None

    @classmethod
    def of(cls, logged: LoggedActivity, secrets: tuple[str, ...], now: datetime) -> "ActivityAnswer":
        activity = logged.activity
        return cls(
            id=logged.id,
            type=activity.type,
            message=activity.message,
            timestamp=activity.timestamp,
            script_id=activity.script_id,
            character_id=activity.character_id,
            video_path=signed_path(activity.video_object, secrets, now) if activity.video_object else None,
        )


class MyActivities(Answer):
    """`totalCount` is that of the whole log, `limit` the one that was applied."""

    activities: list[ActivityAnswer]
    total_count: int
    limit: int


class ActivityStats(Answer):
    """`totalActivities` holds sign-up and tokens too."""

    script_activities: int
    character_activities: int
    video_activities: int
    total_activities: int
    last_activity_at: datetime | None


class ActivitiesCleared(Answer):
    message: str = "All activities cleared successfully"
    success: bool = True


@endpoint(answer=MyActivities, query=(limit_parameter(_DEFAULT_LIMIT),), refuses=(ValidationFailed,))
def list_my_activities(call: Call[NoBody]) -> MyActivities:
    """GET /api/my-activities, the user: what happened, the newest first."""
    db, user, limit = firestore(), call.caller, page_limit(call.query, default=_DEFAULT_LIMIT)
    found = list_activities(db, user.id, cleared_at=user.activities_cleared_at, limit=limit)
    # A list that is not full is the whole log.
    is_all = len(found) < limit
    total = len(found) if is_all else count_activities(db, user.id, cleared_at=user.activities_cleared_at)
    secrets, now = settings().jwt_secrets, datetime.now(UTC)
    return MyActivities(
        activities=[ActivityAnswer.of(each, secrets, now) for each in found], total_count=total, limit=limit
    )


@endpoint(answer=ActivityStats)
def get_my_activity_stats(call: Call[NoBody]) -> ActivityStats:
    """GET /api/my-activity-stats, the user: how often what happened since the log was cleared."""
    db, user = firestore(), call.caller
    counts = count_by_subject(db, user.id, cleared_at=user.activities_cleared_at)
    newest = list_activities(db, user.id, cleared_at=user.activities_cleared_at, limit=1)
    return ActivityStats(
        script_activities=counts.scripts,
        character_activities=counts.characters,
        video_activities=counts.videos,
        total_activities=counts.everything,
        last_activity_at=newest[0].activity.timestamp if newest else None,
    )


@endpoint(answer=ActivitiesCleared)
def clear_my_activities(call: Call[NoBody]) -> ActivitiesCleared:
    """DELETE /api/my-activities, the user: the log is empty."""
    deleted = clear_activities(firestore(), call.caller.id, datetime.now(UTC))
    log.info("activities_cleared", user_id=call.caller.id, deleted=deleted, request_id=call.request_id)
    return ActivitiesCleared()

"""The caller's activity log: reading it, its statistics, and clearing it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from activities.activity import ActivityType
from activities.statistics import ActivityStats
from activities.store import LoggedActivity, clear_activities, find_stats, list_activities
from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import ValidationFailed
from gcp.models import Answer
from gcp.page import Page, page_limit, page_parameters, page_request, paged
from gcp.settings import settings
from gcp.wire import NoBody, WithHeaders
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


class ActivityStatsAnswer(Answer):
    """`totalActivities` holds sign-up and tokens too."""

    script_activities: int
    character_activities: int
    video_activities: int
    total_activities: int
    last_activity_at: datetime | None

    @classmethod
    def of(cls, stats: ActivityStats) -> "ActivityStatsAnswer":
        return cls(**stats.model_dump(include=set(cls.model_fields)))


class ActivitiesCombined(Answer):
    """A page of the log and the statistics of all of it."""

    activities: list[ActivityAnswer]
    stats: ActivityStatsAnswer


class ActivitiesCleared(Answer):
    message: str = "All activities cleared successfully"
    success: bool = True


@endpoint(answer=MyActivities, query=page_parameters(_DEFAULT_LIMIT), refuses=(ValidationFailed,))
def list_my_activities(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-activities, the user: what happened, the newest first."""
    limit, page = page_limit(call.query, default=_DEFAULT_LIMIT), _page(call)
    # The trigger that counts comes a moment after the activity.
    total = max(find_stats(firestore(), call.caller.id).total_activities, len(page.items))
    return paged(MyActivities(activities=page.items, total_count=total, limit=limit), page.next_token)


@endpoint(answer=ActivityStatsAnswer)
def get_my_activity_stats(call: Call[NoBody]) -> ActivityStatsAnswer:
    """GET /api/my-activity-stats, the user: how often what happened since the log was cleared."""
    return ActivityStatsAnswer.of(find_stats(firestore(), call.caller.id))


@endpoint(answer=ActivitiesCombined, query=page_parameters(_DEFAULT_LIMIT), refuses=(ValidationFailed,))
def list_my_activities_combined(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-activities-combined, the user: what happened, the newest first, and the statistics."""
    page = _page(call)
    stats = ActivityStatsAnswer.of(find_stats(firestore(), call.caller.id))
    return paged(ActivitiesCombined(activities=page.items, stats=stats), page.next_token)


@endpoint(answer=ActivitiesCleared)
def clear_my_activities(call: Call[NoBody]) -> ActivitiesCleared:
    """DELETE /api/my-activities, the user: the log is empty; its documents are deleted a moment later."""
    clear_activities(firestore(), call.caller.id, datetime.now(UTC))
    log.info("activities_cleared", user_id=call.caller.id, request_id=call.request_id)
    return ActivitiesCleared()


def _page(call: Call[NoBody]) -> Page[ActivityAnswer]:
    """The page of the caller's log that the query asks for."""
    user, request = call.caller, page_request(call.query, default=_DEFAULT_LIMIT)
    return list_activities(firestore(), user.id, request, cleared_at=user.activities_cleared_at).map(_answers)


def _answers(found: Sequence[LoggedActivity]) -> list[ActivityAnswer]:
    secrets, now = settings().jwt_secrets, datetime.now(UTC)
    return [ActivityAnswer.of(each, secrets, now) for each in found]

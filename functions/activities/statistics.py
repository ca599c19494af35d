"""The statistics of one user's activity log, kept by a trigger and never counted."""

from datetime import datetime

from activities.activity import Activity
from contracts.message import Message


class ActivityStats(Message):
    """The document `activityStats/{userId}`; a user without activities has none.

    `total_activities` holds sign-up and tokens too. What happened until `cleared_at`, which is the user's
    `activitiesClearedAt`, neither counts nor shows, however late it comes.
    """

    script_activities: int = 0
    character_activities: int = 0
    video_activities: int = 0
    total_activities: int = 0
    last_activity_at: datetime | None = None
    cleared_at: datetime | None = None

    def hides(self, activity: Activity) -> bool:
        """Whether the activity happened before the log was cleared."""
        return self.cleared_at is not None and activity.timestamp <= self.cleared_at

    def with_activity(self, activity: Activity) -> "ActivityStats":
        """The statistics with one activity more; they may come in any order."""
        return self.model_copy(
            update={
                "script_activities": self.script_activities + activity.type.startswith("script_"),
                "character_activities": self.character_activities + activity.type.startswith("character_"),
                "video_activities": self.video_activities + activity.type.startswith("video_"),
                "total_activities": self.total_activities + 1,
                "last_activity_at": max(self.last_activity_at or activity.timestamp, activity.timestamp),
            }
        )

"""Activities as triggers write them, and the events of that."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from activities.activity import Activity, ActivityType, record_activity
from activities.triggers import on_activity_created

if TYPE_CHECKING:
    from google.cloud.firestore import Client

PAST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

LogActivities = Callable[..., None]


def deliver(user_id: str, cause: str, activity: Activity) -> None:
    """The event of the activity's creation, also when its document is gone by now."""
    params = {"userId": user_id, "activityId": f"{cause}_{activity.type}"}
    on_activity_created.handler(params, activity.to_document())


@pytest.fixture
def log_activities(db: "Client", product: pytest.MonkeyPatch) -> LogActivities:
    """A function that logs one activity of each type, a second apart, and delivers their events."""
    assert product

    def log(*types: ActivityType, user_id: str = "anna", start: datetime = PAST) -> None:
        for second, kind in enumerate(types):
            activity = Activity(type=kind, message=f"It was {kind}.", timestamp=start + timedelta(seconds=second))
            record_activity(db, user_id, f"cause{second}", activity)
            deliver(user_id, f"cause{second}", activity)

    return log

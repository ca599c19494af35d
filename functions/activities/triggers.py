"""What follows from an entry of the activity log."""

from collections.abc import Mapping

from gcp.document_event import Fields
from gcp.trigger import trigger_created


@trigger_created("users/{userId}/activities/{activityId}")
def on_activity_created(params: Mapping[str, str], _fields: Fields) -> None:
    """The activity is in its user's statistics, once, however often the event is delivered."""
    # Deferred: what a module of functions imports, each of them would pay for.
    from activities.store import count_activity
    from gcp.clients import firestore

    count_activity(firestore(), params["userId"], params["activityId"])

"""What follows from a new account."""

from collections.abc import Mapping
from datetime import timedelta

from gcp.trigger import Fields, trigger_created


@trigger_created("users/{userId}")
def on_user_created(params: Mapping[str, str], fields: Fields) -> None:
    """The user's log begins with the sign-up and the tokens granted, once, however often the event is delivered."""
    # Deferred: discovery imports every trigger.
    from accounts.users import User
    from activities.activity import Activity, ActivityType, record_activity
    from gcp.clients import firestore

    user = User.model_validate(fields | {"id": params["userId"]})
    activities = [Activity(type=ActivityType.USER_SIGNED_UP, message="Welcome to Duologue", timestamp=user.created_at)]
    if user.tokens:
        granted = "1 token granted" if user.tokens == 1 else f"{user.tokens} tokens granted"
        # The log is ordered by time, and the tokens follow from the sign-up.
        granted_at = user.created_at + timedelta(microseconds=1)
        activities.append(Activity(type=ActivityType.TOKENS_GRANTED, message=granted, timestamp=granted_at))
    for activity in activities:
        record_activity(firestore(), user.id, user.id, activity)

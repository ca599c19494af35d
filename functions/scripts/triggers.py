"""What follows from a script's writes."""

from collections.abc import Mapping
from datetime import datetime

from gcp.trigger import Fields, trigger_written_at


@trigger_written_at("scripts/{scriptId}")
def on_script_written(
    params: Mapping[str, str], before: Fields | None, after: Fields | None, written_at: datetime
) -> None:
    """The owner's log says that the script was created, updated or deleted, once, however often the event is delivered.

    A write that leaves `updatedAt` alone (a video was started or published) is no update.
    """
    # Deferred: discovery imports every trigger.
    from activities.activity import Activity, ActivityType, record_activity, repeated_cause
    from gcp.clients import firestore
    from scripts.script import script_title

    fields = after or before
    if fields is None:
        return
    script_id = cause = params["scriptId"]
    if before is None:
        kind, done, at = ActivityType.SCRIPT_CREATED, "created", fields["createdAt"]
    elif after is None:
        kind, done, at = ActivityType.SCRIPT_DELETED, "deleted", written_at
    elif before["updatedAt"] != after["updatedAt"]:
        kind, done, at = ActivityType.SCRIPT_UPDATED, "updated", after["updatedAt"]
        cause = repeated_cause(script_id, at)
    else:
        return
    message = f"Script '{script_title(fields['originalPrompt'])}' {done}"
    activity = Activity(type=kind, message=message, timestamp=at, script_id=script_id)
    record_activity(firestore(), fields["ownerId"], cause, activity)

"""What follows from a script's writes."""

from collections.abc import Mapping
from datetime import UTC, datetime

from gcp.document_event import Fields
from gcp.trigger import trigger_written_at


@trigger_written_at("scripts/{scriptId}")
def on_script_written(
    params: Mapping[str, str], before: Fields | None, after: Fields | None, written_at: datetime
) -> None:
    """The owner's log says that the script was created, updated or deleted, once, however often the event is delivered.

    A write that leaves `updatedAt` alone (a video was started or published) is no update. A deleted script's unfinished
    job is cancelled, whoever deleted it.
    """
    # Deferred: what a module of functions imports, each of them would pay for.
    from activities.activity import Activity, ActivityType, record_activity, repeated_cause
    from gcp.clients import firestore
    from scripts.script import script_title

    fields = after or before
    if fields is None:
        return
    if after is None:
        _end_job(fields.get("videoJobId"))
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


def _end_job(job_id: object) -> None:
    """The deleted script's newest job has ended: all older ones had before it was started."""
    # Deferred, as above.
    from gcp.clients import firestore
    from videos.cancellation import end_job

    if isinstance(job_id, str):
        end_job(firestore(), job_id, datetime.now(UTC))

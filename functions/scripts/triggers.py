"""What follows from a script."""

from collections.abc import Mapping

from gcp.trigger import Fields, trigger_created


@trigger_created("scripts/{scriptId}")
def on_script_created(params: Mapping[str, str], fields: Fields) -> None:
    """The owner's log says that the script was created, once, however often the event is delivered."""
    # Deferred: discovery imports every trigger.
    from activities.activity import Activity, ActivityType, record_activity
    from gcp.clients import firestore
    from scripts.script import Script

    script = Script.model_validate(fields | {"id": params["scriptId"]})
    activity = Activity(
        type=ActivityType.SCRIPT_CREATED,
        message=f"Script '{script.title}' created",
        timestamp=script.created_at,
        script_id=script.id,
    )
    record_activity(firestore(), script.owner_id, script.id, activity)

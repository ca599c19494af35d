"""What follows from a new character."""

from collections.abc import Mapping

from gcp.trigger import Fields, trigger_created


@trigger_created("characters/{characterId}")
def on_character_created(params: Mapping[str, str], fields: Fields) -> None:
    """The owner's log tells of the new character, once, however often the event is delivered."""
    # Deferred: discovery imports every trigger.
    from activities.activity import Activity, ActivityType, record_activity
    from characters.character import Character
    from gcp.clients import firestore

    character = Character.model_validate(fields | {"id": params["characterId"]})
    activity = Activity(
        type=ActivityType.CHARACTER_CREATED,
        message=f"Character '{character.display_name}' created",
        timestamp=character.created_at,
        character_id=character.id,
    )
    record_activity(firestore(), character.owner_id, character.id, activity)

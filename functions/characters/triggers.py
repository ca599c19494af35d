"""What follows from characters and stars: the entries of the users' logs.

An entry's id derives from what happened, down to the moment where it can happen again, so that an event that is
delivered twice or late adds none.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from contracts import log
from gcp.document_event import Fields
from gcp.trigger import trigger_written_at


@trigger_written_at("characters/{characterId}")
def on_character_written(
    params: Mapping[str, str], before: Fields | None, after: Fields | None, written_at: datetime
) -> None:
    """The owner's log tells that the character was created, changed or deleted; an admin's `hidden` is a boolean.

    A change is what moves `updatedAt`: stars, transcripts and an admin's `hidden` are none. The unfinished videos in
    which a deleted character speaks are cancelled, whoever makes them.
    """
    _mend_hidden(params["characterId"], before, after)
    if after is None:
        _end_videos(params["characterId"])
    written = after or before
    if written is None or (before and after and before.get("updatedAt") == after.get("updatedAt")):
        return
    # Deferred: most events are stars and end above.
    from pydantic import ValidationError

    from activities.activity import Activity, ActivityType, record_activity, repeated_cause
    from characters.character import Character
    from gcp.clients import firestore
    from gcp.documents import wrong_fields

    try:
        character = Character.model_validate(written | {"id": params["characterId"]})
    except ValidationError as error:
        # An admin made something else of it, and delivering the event again would not help.
        log.error("document_malformed", document=f"characters/{params['characterId']}", fields=wrong_fields(error))
        return
    cause, type_, verb, timestamp = character.id, ActivityType.CHARACTER_CREATED, "created", character.created_at
    if after is None:
        type_, verb, timestamp = ActivityType.CHARACTER_DELETED, "deleted", written_at
    elif before is not None:
        type_, verb, timestamp = ActivityType.CHARACTER_UPDATED, "updated", character.updated_at
        cause = repeated_cause(character.id, timestamp)
    activity = Activity(
        type=type_,
        message=f"Character '{character.display_name}' {verb}",
        timestamp=timestamp,
        character_id=character.id,
    )
    record_activity(firestore(), character.owner_id, cause, activity)


@trigger_written_at("stars/{userId}")
def on_stars_written(
    params: Mapping[str, str], before: Fields | None, after: Fields | None, written_at: datetime
) -> None:
    """The user's log tells which characters the user starred, and from which the user took the star away.

    Stars that go with the account, or with a character that was deleted, are no act of the user's.
    """
    if after is None:
        return
    # Deferred: what a module of functions imports, each of them would pay for.
    from activities.activity import ActivityType
    from characters.stars import Stars

    had, has = Stars.model_validate(before or {}).characters, Stars.model_validate(after)
    for character_id, starred_at in has.characters.items():
        if had.get(character_id) != starred_at:
            _log_star(params["userId"], character_id, ActivityType.CHARACTER_STARRED, starred_at, starred_at)
    for character_id, starred_at in had.items():
        if character_id not in has.characters:
            taken_at = has.updated_at or written_at
            _log_star(params["userId"], character_id, ActivityType.CHARACTER_UNSTARRED, starred_at, taken_at)


def _mend_hidden(character_id: str, before: Fields | None, after: Fields | None) -> None:
    # Deferred, as above.
    from gcp.switches import may_need_mending, mend_switch

    if after is not None and may_need_mending("hidden", before, after):
        from gcp.clients import firestore

        mend_switch(
            firestore(), f"characters/{character_id}", "hidden", before=before, after=after, now=datetime.now(UTC)
        )


def _end_videos(character_id: str) -> None:
    # Deferred, as above.
    from gcp.clients import firestore
    from videos.cancellation import end_jobs_with

    ended = end_jobs_with(firestore(), character_id, datetime.now(UTC))
    if ended:
        log.info("videos_cancelled_with_character", character_id=character_id, jobs=ended)


def _log_star(user_id: str, character_id: str, type_: str, starred_at: datetime, timestamp: datetime) -> None:
    from activities.activity import Activity, ActivityType, record_activity, repeated_cause
    from characters.store import find_character
    from gcp.clients import firestore

    db = firestore()
    character = find_character(db, character_id)
    if character is None and type_ == ActivityType.CHARACTER_UNSTARRED:
        return
    name = f" '{character.display_name}'" if character and character.is_visible_to(user_id) else ""
    verb = "starred" if type_ == ActivityType.CHARACTER_STARRED else "unstarred"
    activity = Activity(
        type=ActivityType(type_), message=f"Character{name} {verb}", timestamp=timestamp, character_id=character_id
    )
    record_activity(db, user_id, repeated_cause(character_id, starred_at), activity)

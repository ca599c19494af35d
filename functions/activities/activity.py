"""The user's activity log: `users/{uid}/activities/{activityId}`.

An activity's id derives from its cause, so that an event delivered again writes the same document.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from contracts.message import Message
from gcp.page import plain_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction


class ActivityType(StrEnum):
    """What clients know (shared with them; the names never change)."""

    USER_SIGNED_UP = "user_signed_up"
    TOKENS_GRANTED = "tokens_granted"
    TOKENS_DEDUCTED = "tokens_deducted"
    TOKENS_ADJUSTED = "tokens_adjusted"
    CHARACTER_CREATED = "character_created"
    CHARACTER_UPDATED = "character_updated"
    CHARACTER_DELETED = "character_deleted"
    CHARACTER_STARRED = "character_starred"
    CHARACTER_UNSTARRED = "character_unstarred"
    SCRIPT_CREATED = "script_created"
    SCRIPT_UPDATED = "script_updated"
    SCRIPT_DELETED = "script_deleted"
    VIDEO_GENERATION_STARTED = "video_generation_started"
    VIDEO_GENERATION_COMPLETED = "video_generation_completed"
    VIDEO_GENERATION_FAILED = "video_generation_failed"


class Activity(Message):
    type: ActivityType
    message: str
    timestamp: datetime
    script_id: str | None = None
    character_id: str | None = None
    # The object in the bucket; the answer makes a path of it.
    video_object: str | None = None


def repeated_cause(document_id: str, moment: datetime) -> str:
    """The cause of what happens to a document more than once: the document's id and the moment when it happened."""
    return f"{document_id}_{moment.astimezone(UTC):%Y%m%dT%H%M%S%f}Z"


def activity_reference(db: "Client", user_id: str, cause: str, activity: Activity) -> "DocumentReference":
    """Where the activity of this cause (a job's, script's or ledger entry's id) belongs."""
    return db.document("users", user_id, "activities", f"{plain_id(cause)}_{activity.type}")


def record_activity(db: "Client", user_id: str, cause: str, activity: Activity) -> None:
    """The activity is in the log, once, however often this is called."""
    # Deferred: triggers only, which have Firestore anyway.
    from google.api_core.exceptions import AlreadyExists

    try:
        activity_reference(db, user_id, cause, activity).create(activity.to_document())
    except AlreadyExists:
        return


def write_activity(transaction: "Transaction", db: "Client", user_id: str, cause: str, activity: Activity) -> None:
    """The activity is written with the transaction, whose other writes it reports.

    Merged and not created: the same cause writes the same document, which may have been counted already.
    """
    transaction.set(activity_reference(db, user_id, cause, activity), activity.to_document(), merge=True)

"""The documents `feedback/{feedbackId}`. Operators read them in the console; no operation of the API does."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.message import Message

if TYPE_CHECKING:
    from google.cloud.firestore import Client


class Feedback(Message):
    """What a user wrote. It is theirs: it goes with the account, and no log has it."""

    user_id: str
    message: str
    created_at: datetime


def write_feedback(db: "Client", user_id: str, message: str, now: datetime) -> str:
    """The message is stored; its id."""
    feedback_id = uuid.uuid4().hex
    feedback = Feedback(user_id=user_id, message=message, created_at=now)
    db.document("feedback", feedback_id).create(feedback.to_document())
    return feedback_id

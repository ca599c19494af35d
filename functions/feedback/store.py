"""The documents `feedback/{feedbackId}`. Operators read them in the console; no operation of the API does."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from accounts.users import require_account
from contracts.message import Message
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


class Feedback(Message):
    """What a user wrote. It is theirs: it goes with the account, and no log has it."""

    user_id: str
    message: str
    created_at: datetime


def write_feedback(db: "Client", user_id: str, message: str, now: datetime) -> str:
    """The message is stored; its id. Raises Unauthenticated when the user's account is deleted, and Unavailable."""
    feedback_id = uuid.uuid4().hex
    feedback = Feedback(user_id=user_id, message=message, created_at=now)

    def write(transaction: "Transaction") -> None:
        require_account(db, user_id, transaction=transaction)
        transaction.set(db.document("feedback", feedback_id), feedback.to_document())

    transact(db, write)
    return feedback_id

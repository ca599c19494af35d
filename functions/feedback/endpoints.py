"""What users tell us."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import RateLimited
from gcp.models import Answer, Body
from gcp.text import prose_text

MAX_MESSAGE_LENGTH = 2_000


class FeedbackBody(Body):
    message: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_MESSAGE_LENGTH),
        AfterValidator(prose_text),
    ]


class FeedbackTaken(Answer):
    success: bool = True
    message: str
    feedback_id: str


@endpoint(body=FeedbackBody, answer=FeedbackTaken, refuses=(RateLimited,))
def create_feedback(call: Call[FeedbackBody]) -> FeedbackTaken:
    """POST /api/feedback, the user: the message is stored for the operators."""
    from config.platform import effective_config
    from feedback.store import write_feedback
    from limits.rate_limits import spend

    db, now = firestore(), datetime.now(UTC)
    most = effective_config(db).feedback_per_hour
    message = f"At most {most} messages are taken in an hour; try again later."
    spend(db, "create_feedback", call.caller.id, most=most, window=timedelta(hours=1), now=now, message=message)
    feedback_id = write_feedback(db, call.caller.id, call.body.message, now)
    return FeedbackTaken(message="Thank you for your feedback.", feedback_id=feedback_id)

"""What is a user's right: having the account deleted."""

from datetime import UTC, datetime

from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.models import Answer
from gcp.wire import NoBody


class AccountDeleted(Answer):
    success: bool = True
    message: str


@endpoint(answer=AccountDeleted)
def delete_me(call: Call[NoBody]) -> AccountDeleted:
    """DELETE /api/me, the user: the account is closed at once, and all that it owns is removed soon after.

    Every token of the account is refused from now on. Videos that are being made are cancelled and cost nothing.
    """
    from accounts.deletion import request_account_deletion

    request_account_deletion(firestore(), call.caller.id, datetime.now(UTC))
    log.info("account_deletion_requested", user_id=call.caller.id, request_id=call.request_id)
    return AccountDeleted(message="Your account is deleted. What it owned is being removed.")

"""What is a user's right: having the account deleted, and having all that is stored about it."""

from datetime import UTC, datetime

from accounts.export import MyData
from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import ValidationFailed
from gcp.models import Answer, NoBody, WithHeaders
from gcp.page import page_parameters, paged
from gcp.settings import settings


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


@endpoint(answer=MyData, query=page_parameters(), refuses=(ValidationFailed,))
def get_my_data(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-data, the user: all that is stored about the caller, in sections, a page at a time.

    Characters, scripts, video jobs, ledger, activities and feedback follow each other, each with the newest first; the
    lists of all pages, one after the other, are the whole. Profile and stars come with the first page. The last page
    can be empty.
    """
    from accounts.export import export_page, export_request

    request = export_request(call.query)
    data, next_token = export_page(firestore(), call.caller, request, settings().jwt_secrets, datetime.now(UTC))
    return paged(data, next_token)

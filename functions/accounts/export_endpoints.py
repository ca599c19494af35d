"""What is a user's right: having all that is stored about it."""

from datetime import UTC, datetime

from accounts.export import MyData, export_page, export_request
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import ValidationFailed
from gcp.page import page_parameters, paged
from gcp.settings import settings
from gcp.wire import NoBody, WithHeaders


@endpoint(answer=MyData, query=page_parameters(), refuses=(ValidationFailed,))
def get_my_data(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-data, the user: all that is stored about the caller, in sections, a page at a time.

    Characters, scripts, video jobs, ledger, activities and feedback follow each other, each with the newest first; the
    lists of all pages, one after the other, are the whole. Profile and stars come with the first page. The last page
    can be empty.
    """
    request = export_request(call.query)
    data, next_token = export_page(firestore(), call.caller, request, settings().jwt_secrets, datetime.now(UTC))
    return paged(data, next_token)

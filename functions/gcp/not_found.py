"""The answer to every path of the API that no route has."""

from firebase_functions import https_fn
from firebase_functions.options import MemoryOption
from flask import Request, Response

from gcp.deployment import INVOKER, MAX_INSTANCES, REGION, service_account
from gcp.endpoint import handle


@https_fn.on_request(
    region=REGION,
    memory=MemoryOption.MB_256,
    cpu=1,
    concurrency=16,
    max_instances=MAX_INSTANCES,
    timeout_sec=10,
    service_account=service_account("api-not-found"),
    invoker=INVOKER,
)
def not_found(request: Request) -> Response:
    """Any method of an unknown path, anyone: 404 in the API's error shape, so that clients never see Hosting's page."""
    return handle(request, None)

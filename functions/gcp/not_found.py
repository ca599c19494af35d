"""The answer to every path of the API that no route has."""

import uuid

from firebase_functions import https_fn
from firebase_functions.options import MemoryOption
from flask import Request, Response

from gcp.cors import cors_headers
from gcp.deployment import REGION
from gcp.endpoint import error_response
from gcp.errors import NotFound
from gcp.settings import settings


@https_fn.on_request(
    region=REGION,
    memory=MemoryOption.MB_256,
    cpu=1,
    concurrency=40,
    timeout_sec=10,
    service_account="api-not-found@",
    invoker="public",
)
def not_found(request: Request) -> Response:
    """Any method of an unknown path, anyone: 404 in the API's error shape, so that clients never see Hosting's page."""
    request_id = uuid.uuid4().hex
    response = error_response(NotFound("There is nothing at this path."), request_id)
    response.headers.extend(cors_headers(settings(), request.headers.get("Origin")))
    response.headers["X-Request-Id"] = request_id
    return response

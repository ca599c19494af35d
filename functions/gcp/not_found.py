"""The answer to every path of the API that no route has."""

from flask import Request, Response

from gcp.deployment import CalledBy, Deployment, note
from gcp.endpoint import handle


def not_found(request: Request) -> Response:
    """Any method of an unknown path, anyone: 404 in the API's error shape, so that clients never see Hosting's page."""
    return handle(request, None)


note(
    not_found,
    not_found,
    Deployment(called_by=CalledBy.HTTPS, account="api-not-found", memory_mib=256, concurrency=16, timeout_seconds=10),
)

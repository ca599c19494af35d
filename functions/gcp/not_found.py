"""The answer to every path of the API that no route has."""

from flask import Request, Response

from gcp.deployment import CalledBy, Deployment, deployed
from gcp.endpoint import handle


def _answer(request: Request) -> Response:
    """Any method of an unknown path, anyone: 404 in the API's error shape, so that clients never see Hosting's page."""
    return handle(request, None)


_answer.__name__ = "not_found"
_DEPLOYMENT = Deployment(
    called_by=CalledBy.HTTPS, account="api-not-found", memory_mib=256, concurrency=16, timeout_seconds=10
)
not_found = deployed(_answer, _answer, _DEPLOYMENT)

"""What a function's decorator notes about its deployment: where it runs, as whom, how large, and what calls it.

Plain values, of which `local.manifest` makes the manifest that the Firebase CLI reads (functions.yaml), with
firebase-functions' own decorators. A function that serves needs none of that, and importing the package for it took
longer than all else before its first answer (bench/cold_start).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gcp.garbage import expect_requests

# Offers the L4 GPUs of the runner, and Hosting can rewrite to it, so that everything stands in one region.
REGION = "us-east4"
# Of each function. Bounds what a flood of requests can cost: 320 at once for most operations, and the rest are told to
# come back. Cloud Run's own default is 100.
MAX_INSTANCES = 20


class CalledBy(StrEnum):
    """What calls a function."""

    HTTPS = "https"
    DOCUMENT_CREATED = "document created"
    DOCUMENT_WRITTEN = "document written"
    OBJECT_FINALIZED = "object finalized"
    OBJECT_DELETED = "object deleted"
    SCHEDULE = "schedule"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One function's options; `subject` is the pattern of the documents' path, or the schedule in unix-cron form."""

    called_by: CalledBy
    subject: str = ""
    # The service account's name within the project that is deployed to.
    account: str
    memory_mib: int
    # More than one request at a time needs a whole CPU (Cloud Run's rule); without, a function gets a share by its
    # memory.
    has_whole_cpu: bool = True
    concurrency: int
    timeout_seconds: int
    secrets: tuple[str, ...] = ()


def deployed(function: Callable[[Any], Any], handler: Callable[..., Any], deployment: Deployment) -> Any:
    """The function as it is served: under the handler's name, and with what is to be known of it to deploy it."""

    def served(called_with: Any) -> Any:
        try:
            return function(called_with)
        finally:
            expect_requests()

    described: Any = served
    described.__name__, described.__doc__ = handler.__name__, handler.__doc__
    described.handler, described.deployment = handler, deployment
    return described

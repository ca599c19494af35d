"""Cloud Tasks that call the runner: made after the fact that they stand for, and as often as one likes."""

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from contracts.message import Message
from gcp.clients import tasks
from gcp.settings import settings

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksClient

# The longest that Cloud Tasks waits for an answer (google.cloud.tasks_v2.types.Task.dispatch_deadline).
DISPATCH_DEADLINE = timedelta(seconds=1800)


def runner_task_name(cause: str) -> str:
    """The full name of the task of that cause: hashed, because names with a common prefix slow the queue down.

    The same cause has the same name, so that creating its task twice is refused by the queue.
    """
    digest = hashlib.sha256(cause.encode()).hexdigest()
    return f"{settings().require('RENDER_QUEUE')}/tasks/{digest}"


def create_runner_task(cause: str, path: str, body: Message) -> None:
    """The queue has the task, or had it. Raises google.api_core.exceptions.GoogleAPICallError, and may be repeated."""
    # Deferred: the generated types of Cloud Tasks.
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import tasks_v2
    from google.protobuf.duration_pb2 import Duration

    runner_url = settings().require("RUNNER_URL")
    client: CloudTasksClient = tasks()
    task = tasks_v2.Task(
        name=runner_task_name(cause),
        dispatch_deadline=Duration(seconds=int(DISPATCH_DEADLINE.total_seconds())),
        http_request=tasks_v2.HttpRequest(
            http_method=tasks_v2.HttpMethod.POST,
            url=f"{runner_url}{path}",
            headers={"Content-Type": "application/json"},
            body=body.model_dump_json(by_alias=True).encode(),
            oidc_token=tasks_v2.OidcToken(
                service_account_email=settings().require("TASKS_SERVICE_ACCOUNT"), audience=runner_url
            ),
        ),
    )
    try:
        client.create_task(parent=settings().require("RENDER_QUEUE"), task=task, timeout=10)
    except AlreadyExists:
        return

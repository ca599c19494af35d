"""The queue of renders: Cloud Tasks that call the runner."""

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts import log
from contracts.video_job import Enqueueing
from contracts.video_task import VideoTask
from gcp.clients import tasks
from gcp.settings import settings
from videos.jobs import mark_enqueued

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.tasks_v2 import CloudTasksClient

# The longest that Cloud Tasks waits for an answer (google.cloud.tasks_v2.types.Task.dispatch_deadline).
DISPATCH_DEADLINE = timedelta(seconds=1800)


def task_name(job_id: str, attempt: int) -> str:
    """The full name of a job's n-th task: hashed, because names with a common prefix slow the queue down.

    The same intention has the same name, so that creating it twice is refused by the queue.
    """
    digest = hashlib.sha256(f"{job_id}:{attempt}".encode()).hexdigest()
    return f"{settings().require('RENDER_QUEUE')}/tasks/{digest}"


def create_render_task(job_id: str, attempt: int) -> None:
    """The queue has the task, or had it. Raises google.api_core.exceptions.GoogleAPICallError, and may be repeated."""
    # Deferred: the generated types of Cloud Tasks.
    from google.api_core.exceptions import AlreadyExists
    from google.cloud import tasks_v2
    from google.protobuf.duration_pb2 import Duration

    runner_url = settings().require("RUNNER_URL")
    client: CloudTasksClient = tasks()
    task = tasks_v2.Task(
        name=task_name(job_id, attempt),
        dispatch_deadline=Duration(seconds=int(DISPATCH_DEADLINE.total_seconds())),
        http_request=tasks_v2.HttpRequest(
            http_method=tasks_v2.HttpMethod.POST,
            url=f"{runner_url}/render",
            headers={"Content-Type": "application/json"},
            body=VideoTask(job_id=job_id).model_dump_json(by_alias=True).encode(),
            oidc_token=tasks_v2.OidcToken(
                service_account_email=settings().require("TASKS_SERVICE_ACCOUNT"), audience=runner_url
            ),
        ),
    )
    try:
        client.create_task(parent=settings().require("RENDER_QUEUE"), task=task, timeout=10)
    except AlreadyExists:
        return


def require_queue() -> None:
    """Nothing, when a task could be created. Raises ConfigurationError, before anything is promised to a user."""
    for name in ("RENDER_QUEUE", "RUNNER_URL", "TASKS_SERVICE_ACCOUNT"):
        settings().require(name)


def enqueue(db: "Client", job_id: str, enqueueing: Enqueueing, now: datetime) -> None:
    """The job has its task, or, when that fails, keeps the intention for the minute function."""
    try:
        create_render_task(job_id, enqueueing.attempt)
        mark_enqueued(db, job_id, enqueueing.attempt, now)
    except Exception as error:  # noqa: BLE001 (the job is committed; whatever happens here is made up for)
        log.warning("video_job_not_enqueued", job_id=job_id, error=type(error).__name__)


def has_render_task(job_id: str, attempt: int) -> bool:
    """Whether the queue still means to run this task. Raises GoogleAPICallError."""
    # Deferred, as above.
    from google.api_core.exceptions import NotFound

    try:
        tasks().get_task(name=task_name(job_id, attempt), timeout=10)
    except NotFound:
        return False
    return True

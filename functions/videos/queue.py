"""The queue of renders: Cloud Tasks that call the runner."""

from datetime import datetime
from typing import TYPE_CHECKING

from contracts import log
from contracts.video_job import Enqueueing
from contracts.video_task import VideoTask
from gcp.clients import tasks
from gcp.runner_tasks import create_runner_task, runner_task_name
from gcp.settings import settings
from videos.jobs import mark_enqueued

if TYPE_CHECKING:
    from google.cloud.firestore import Client


def task_name(job_id: str, attempt: int) -> str:
    """The full name of a job's n-th task: the same intention has the same name."""
    return runner_task_name(_cause(job_id, attempt))


def create_render_task(job_id: str, attempt: int) -> None:
    """The queue has the task, or had it. Raises google.api_core.exceptions.GoogleAPICallError, and may be repeated."""
    create_runner_task(_cause(job_id, attempt), "/render", VideoTask(job_id=job_id))


def _cause(job_id: str, attempt: int) -> str:
    return f"{job_id}:{attempt}"


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
    # Deferred: gRPC; whoever has the client has loaded it.
    from google.api_core.exceptions import NotFound

    try:
        tasks().get_task(name=task_name(job_id, attempt), timeout=10)
    except NotFound:
        return False
    return True

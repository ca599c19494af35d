"""The tasks that have the runner look at a file of the library."""

from contracts.background import BackgroundTask
from gcp.runner_tasks import create_runner_task


def create_background_task(source_object: str, source_generation: int) -> None:
    """The queue has the task, or had it: a file's content is looked at once, however often its event comes.

    It shares the queue of the renders, so that a file is never converted beside a render, which it would slow down.
    Raises google.api_core.exceptions.GoogleAPICallError.
    """
    create_runner_task(
        f"background:{source_object}#{source_generation}",
        "/backgrounds",
        BackgroundTask(source_object=source_object, source_generation=source_generation),
    )

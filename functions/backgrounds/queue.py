"""The tasks that have the runner look at a file of the library."""

from typing import TYPE_CHECKING

from contracts.background import BackgroundTask
from gcp.runner_tasks import create_runner_task

if TYPE_CHECKING:
    from gcp.trigger import StoredObject


def create_background_task(source: "StoredObject") -> None:
    """The queue has the task, or had it: a file's content is looked at once, however often its event comes.

    It shares the queue of the renders, so that a file is never converted beside a render, which it would slow down.
    Raises google.api_core.exceptions.GoogleAPICallError.
    """
    create_runner_task(
        f"background:{source.name}#{source.generation}",
        "/backgrounds",
        BackgroundTask(
            source_object=source.name, source_generation=source.generation, source_created_at=source.created_at
        ),
    )

"""An emulator on free ports, with Google's own client speaking to it."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import requests
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from local.tasks_emulator.emulator import TasksEmulator
from tests.local.tasks_emulator.http_target import WAIT_SECONDS

ROOT = Path(__file__).parents[3]
LOCATION = "projects/demo-duologue/locations/us-east4"
QUEUE = f"{LOCATION}/queues/video-jobs"
ACCOUNT = "tasks@demo-duologue.iam.gserviceaccount.com"


@dataclass
class Cloud:
    """An emulator and Google's client speaking to it."""

    emulator: TasksEmulator
    client: tasks_v2.CloudTasksClient

    def create(self, url: str, *, name: str = "", **fields: Any) -> tasks_v2.Task:
        """A task that posts to the URL. Fields of the HTTP request and of the task may be given together."""
        request_fields = {key: fields.pop(key) for key in list(fields) if key in tasks_v2.HttpRequest.meta.fields}
        task = tasks_v2.Task(http_request=tasks_v2.HttpRequest(url=url, **request_fields), **fields)
        if name:
            task.name = f"{QUEUE}/tasks/{name}"
        return self.client.create_task(parent=QUEUE, task=task)

    def read(self, path: str) -> Any:
        """What the emulator's HTTP side shows."""
        return requests.get(f"http://127.0.0.1:{self.emulator.http_port}{path}", timeout=5).json()

    def switch(self, **switches: object) -> requests.Response:
        """The answer to putting these switches."""
        return requests.put(f"http://127.0.0.1:{self.emulator.http_port}/switches", json=switches, timeout=5)

    def pending(self) -> list[str]:
        """Ids of the tasks in the queue."""
        return [task.name.rpartition("/")[2] for task in self.client.list_tasks(parent=QUEUE)]

    def wait_until_empty(self) -> None:
        """The queue has no task any more."""
        wait_until(lambda: not self.pending())


def wait_until(is_reached: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_SECONDS
    while not is_reached():
        assert time.monotonic() < ends_at, "not reached in time"
        threading.Event().wait(0.02)


def make_client(stack: ExitStack, port: int) -> tasks_v2.CloudTasksClient:
    channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
    return tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))


def write_queue_file(folder: Path, **changes: object) -> Path:
    """A queue that retries fast. Changes go to rateLimits or retryConfig, wherever they belong."""
    rate: dict[str, object] = {"maxDispatchesPerSecond": 500, "maxConcurrentDispatches": 10}
    retry: dict[str, object] = {
        "maxAttempts": 50,
        "maxRetryDuration": "0s",
        "minBackoff": "0.01s",
        "maxBackoff": "0.01s",
    }
    for key, value in changes.items():
        (rate if key in rate else retry)[key] = value
    path = folder / "queue.json"
    path.write_text(json.dumps({"name": "video-jobs", "rateLimits": rate, "retryConfig": retry}))
    return path

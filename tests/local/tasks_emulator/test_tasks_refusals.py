"""What the Cloud Tasks emulator refuses."""

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2

from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from tests.local.tasks_emulator.emulated_cloud import LOCATION, QUEUE, Cloud, make_client


@pytest.mark.parametrize(
    "fields",
    [
        {"url": ""},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://127.0.0.1/" + "a" * 2083},
        {"name": "no/slash"},
        {"name": "a" * 501},
        {"dispatch_deadline": timedelta(seconds=0.01)},
        {"dispatch_deadline": timedelta(seconds=1801)},
        {"schedule_time": datetime.now(UTC) + timedelta(days=31)},
        {"body": b"a" * 102_400},
        {"body": b"a", "http_method": tasks_v2.HttpMethod.GET},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X A": "a"}},
        {"oidc_token": tasks_v2.OidcToken()},
        {"retry_config": tasks_v2.RetryConfig(max_attempts=-2)},
    ],
    ids=lambda fields: "-".join(fields) + "-" + repr(next(iter(fields.values())))[:24],
)
def test_an_invalid_task_is_refused(cloud: Cloud, fields: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.create(**{"url": "http://127.0.0.1:9/", **fields})


def test_a_deadline_below_fifteen_seconds_is_refused_by_default(settings: EmulatorSettings) -> None:
    default = {field: getattr(settings, field) for field in ("grpc_port", "http_port", "state_folder", "queue_file")}
    with ExitStack() as stack:
        emulator = stack.enter_context(TasksEmulator(EmulatorSettings(**default)))
        cloud = Cloud(emulator, make_client(stack, emulator.grpc_port))

        with pytest.raises(exceptions.InvalidArgument, match="between 15s and 1800s"):
            cloud.create("http://127.0.0.1:9/", dispatch_deadline=timedelta(seconds=14))


def test_a_task_for_an_unknown_queue_is_refused(cloud: Cloud) -> None:
    task = tasks_v2.Task(http_request=tasks_v2.HttpRequest(url="http://127.0.0.1:9/"))

    with pytest.raises(exceptions.NotFound):
        cloud.client.create_task(parent=f"{LOCATION}/queues/none", task=task)


def test_a_task_named_for_another_queue_is_refused(cloud: Cloud) -> None:
    name = f"{LOCATION}/queues/other/tasks/job-1"
    task = tasks_v2.Task(name=name, http_request=tasks_v2.HttpRequest(url="http://127.0.0.1:9/"))

    with pytest.raises(exceptions.InvalidArgument):
        cloud.client.create_task(parent=QUEUE, task=task)


def test_an_unknown_task_is_not_found(cloud: Cloud) -> None:
    with pytest.raises(exceptions.NotFound):
        cloud.client.delete_task(name=f"{QUEUE}/tasks/none")


def test_what_is_not_emulated_says_so(cloud: Cloud) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="RunTask is not emulated"):
        cloud.client.run_task(name=f"{QUEUE}/tasks/job-1")

"""How the Cloud Tasks emulator keeps names, limits and the queue's rules."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2

from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from local.tasks_emulator.queue_settings import QueueSettingsError
from tests.local.tasks_emulator.emulated_cloud import LOCATION, QUEUE, ROOT, Cloud, write_queue_file
from tests.local.tasks_emulator.http_target import Target

# Names.


def test_a_name_is_refused_while_its_task_waits(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, name="job-1", schedule_time=datetime.now(UTC) + timedelta(hours=1))

    with pytest.raises(exceptions.AlreadyExists):
        cloud.create(target.url, name="job-1")


def test_a_name_is_refused_after_its_task_finished(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, name="job-1")
    target.wait_for(1)
    cloud.wait_until_empty()

    with pytest.raises(exceptions.AlreadyExists):
        cloud.create(target.url, name="job-1")


def test_a_name_is_refused_after_its_task_was_deleted(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, name="job-1", schedule_time=datetime.now(UTC) + timedelta(hours=1))
    cloud.client.delete_task(name=f"{QUEUE}/tasks/job-1")

    with pytest.raises(exceptions.AlreadyExists):
        cloud.create(target.url, name="job-1")


def test_a_name_is_free_again_after_the_tombstones_lifetime(start: Callable[..., Cloud], target: Target) -> None:
    cloud = start(tombstone_lifetime=timedelta(0))
    cloud.create(target.url, name="job-1")
    target.wait_for(1)
    cloud.wait_until_empty()

    cloud.create(target.url, name="job-1")

    assert len(target.wait_for(2)) == 2


def test_a_task_without_a_name_gets_one(cloud: Cloud, target: Target) -> None:
    task = cloud.create(target.url)

    assert target.wait_for(1)[0].headers["X-CloudTasks-TaskName"] == task.name.removeprefix(f"{QUEUE}/tasks/")


# The queue.


def test_no_more_requests_are_on_their_way_than_the_queue_allows(start: Callable[..., Cloud], target: Target) -> None:
    cloud = start(maxConcurrentDispatches=2)
    target.held.clear()
    for _ in range(5):
        cloud.create(target.url)
    target.wait_for(2)

    target.held.set()

    target.wait_for(5)
    assert target.most_answering == 2


def test_dispatches_beyond_the_burst_come_at_the_queues_rate(start: Callable[..., Cloud], target: Target) -> None:
    cloud = start(maxDispatchesPerSecond=10)
    for _ in range(14):
        cloud.create(target.url)

    times = sorted(request.at for request in target.wait_for(14))
    # 10 are the burst; the other 4 take a tenth of a second each.
    assert times[13] - times[0] > 0.35


def test_the_queue_file_gives_the_queue(cloud: Cloud) -> None:
    queue = cloud.client.get_queue(name=QUEUE)

    assert queue.state == tasks_v2.Queue.State.RUNNING
    assert queue.rate_limits.max_concurrent_dispatches == 10
    assert queue.retry_config.min_backoff == timedelta(seconds=0.01)


def test_the_repositorys_queue_file_is_accepted(settings: EmulatorSettings) -> None:
    emulator = TasksEmulator(replace(settings, queue_file=ROOT / "terraform" / "queue.json"))

    emulator.stop()


def test_a_misspelt_queue_file_is_refused(settings: EmulatorSettings, tmp_path: Path) -> None:
    write_queue_file(tmp_path, maxAttempt=3)

    with pytest.raises(QueueSettingsError, match="maxAttempt"):
        TasksEmulator(settings)


def test_a_paused_queue_keeps_its_tasks_until_it_is_resumed(cloud: Cloud, target: Target) -> None:
    cloud.client.pause_queue(name=QUEUE)
    cloud.create(target.url)
    before = len(target.received)

    cloud.client.resume_queue(name=QUEUE)

    assert (before, len(target.wait_for(1))) == (0, 1)


def test_a_purged_queue_has_no_tasks(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, schedule_time=datetime.now(UTC) + timedelta(hours=1))

    queue = cloud.client.purge_queue(name=QUEUE)

    assert queue.purge_time is not None
    assert cloud.pending() == []


def test_a_deleted_task_is_not_sent(start: Callable[..., Cloud], target: Target) -> None:
    cloud = start(maxConcurrentDispatches=1)
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    cloud.create(target.url, name="deleted", schedule_time=soon)
    cloud.create(target.url, name="kept", schedule_time=soon + timedelta(milliseconds=1))

    cloud.client.delete_task(name=f"{QUEUE}/tasks/deleted")

    assert target.wait_for(1)[0].headers["X-CloudTasks-TaskName"] == "kept"


def test_a_task_is_sent_at_its_schedule_time(cloud: Cloud, target: Target) -> None:
    sent_at = time.monotonic()
    cloud.create(target.url, schedule_time=datetime.now(UTC) + timedelta(seconds=0.4))

    assert target.wait_for(1)[0].at - sent_at > 0.39


def test_a_created_queue_dispatches_and_is_listed(cloud: Cloud, target: Target) -> None:
    other = f"{LOCATION}/queues/other"
    cloud.client.create_queue(parent=LOCATION, queue=tasks_v2.Queue(name=other))

    cloud.client.create_task(parent=other, task=tasks_v2.Task(http_request=tasks_v2.HttpRequest(url=f"{target.url}/")))

    assert target.wait_for(1)[0].headers["X-CloudTasks-QueueName"] == "other"
    assert [queue.name for queue in cloud.client.list_queues(parent=LOCATION)] == [other, QUEUE]


def test_a_queue_is_not_created_twice(cloud: Cloud) -> None:
    with pytest.raises(exceptions.AlreadyExists):
        cloud.client.create_queue(parent=LOCATION, queue=tasks_v2.Queue(name=QUEUE))


def test_tasks_are_listed_over_pages_without_their_bodies(cloud: Cloud, target: Target) -> None:
    for number in range(3):
        cloud.create(
            target.url, name=f"job-{number}", body=b"secret", schedule_time=datetime.now(UTC) + timedelta(hours=1)
        )

    tasks = list(cloud.client.list_tasks(request={"parent": QUEUE, "page_size": 2}))

    assert [task.name.rpartition("/")[2] for task in tasks] == ["job-0", "job-1", "job-2"]
    assert {task.http_request.body for task in tasks} == {b""}


def test_the_full_view_shows_the_body(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, name="job-1", body=b"text", schedule_time=datetime.now(UTC) + timedelta(hours=1))

    task = cloud.client.get_task(request={"name": f"{QUEUE}/tasks/job-1", "response_view": tasks_v2.Task.View.FULL})

    assert task.http_request.body == b"text"

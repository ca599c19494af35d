"""When the Cloud Tasks emulator tries a failed task again, and when it gives it up."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud import tasks_v2

from local.tasks_emulator.queue_settings import compute_backoff, is_exhausted
from tests.local.tasks_emulator.emulated_cloud import (
    Cloud,
)
from tests.local.tasks_emulator.http_target import (
    CUT_SHORT,
    TRICKLE,
    Target,
)


def test_backoff_doubles_then_grows_linearly_then_stays_as_the_client_documents() -> None:
    config = tasks_v2.RetryConfig(
        min_backoff=timedelta(seconds=10), max_backoff=timedelta(seconds=300), max_doublings=3
    )

    seconds = [compute_backoff(config, attempts=attempts).total_seconds() for attempts in range(1, 9)]

    assert seconds == [10, 20, 40, 80, 160, 240, 300, 300]


def test_a_retry_comes_no_earlier_than_its_backoff(start: Callable[..., Cloud], target: Target) -> None:
    cloud = start(minBackoff="0.1s", maxBackoff="0.3s", maxDoublings=1)
    target.statuses = [500, 500, 500]
    cloud.create(target.url)

    times = [request.at for request in target.wait_for(4)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # 10 ms: the target sees a request a little after it was sent.
    assert [gap > backoff - 0.01 for gap, backoff in zip(gaps, [0.1, 0.2, 0.3], strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("max_attempts", "max_retry_seconds", "attempts", "age_seconds", "exhausted"),
    [
        (3, 60, 3, 59, False),
        (3, 60, 2, 61, False),
        (3, 60, 3, 60, True),
        (3, 0, 3, 1, True),
        (-1, 60, 1, 60, True),
        (-1, 0, 10_000, 10_000, False),
        (-1, 0, 1, 31 * 86_400, True),
    ],
)
def test_a_task_is_given_up_when_every_limit_that_is_set_is_used_up(
    max_attempts: int, max_retry_seconds: int, attempts: int, age_seconds: int, *, exhausted: bool
) -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    config = tasks_v2.RetryConfig(max_attempts=max_attempts, max_retry_duration=timedelta(seconds=max_retry_seconds))
    first = tasks_v2.Attempt(dispatch_time=created)
    task = tasks_v2.Task(create_time=created, dispatch_count=attempts, first_attempt=first)

    assert is_exhausted(config, task, now=created + timedelta(seconds=age_seconds)) is exhausted


def test_a_failing_task_is_deleted_once_attempts_and_duration_are_both_used_up(
    start: Callable[..., Cloud], target: Target
) -> None:
    cloud = start(maxAttempts=2, maxRetryDuration="0.4s", minBackoff="0.1s", maxBackoff="0.1s")
    target.statuses = [500] * 50
    cloud.create(target.url)

    target.wait_for(3)
    cloud.wait_until_empty()

    assert target.received[-1].at - target.received[0].at > 0.3


def test_a_tasks_own_retry_settings_go_before_the_queues(cloud: Cloud, target: Target) -> None:
    target.statuses = [500] * 50
    cloud.create(target.url, retry_config=tasks_v2.RetryConfig(max_attempts=1))

    target.wait_for(1)
    cloud.wait_until_empty()

    assert len(target.received) == 1


def test_a_request_past_its_deadline_is_cancelled_and_retried(cloud: Cloud, target: Target) -> None:
    target.held.clear()
    cloud.create(target.url, dispatch_deadline=timedelta(seconds=0.15))

    second = target.wait_for(2)[1].headers
    assert second["X-CloudTasks-TaskRetryReason"].startswith("DEADLINE_EXCEEDED(4)")
    assert second["X-CloudTasks-TaskExecutionCount"] == "0"


def test_an_answer_that_trickles_in_past_the_deadline_is_cut_off(cloud: Cloud, target: Target) -> None:
    target.statuses = [TRICKLE]
    cloud.create(target.url, dispatch_deadline=timedelta(seconds=0.2))

    second = target.wait_for(2)[1].headers
    assert second["X-CloudTasks-TaskRetryReason"].startswith("DEADLINE_EXCEEDED(4)")


def test_an_answer_that_is_cut_short_is_retried(cloud: Cloud, target: Target) -> None:
    target.statuses = [CUT_SHORT]
    cloud.create(target.url)

    assert (
        target.wait_for(2)[1].headers["X-CloudTasks-TaskRetryReason"] == "UNAVAILABLE(14): no response, IncompleteRead"
    )

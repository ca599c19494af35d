"""What a queue may be set to, what it is set to when nothing is said, and when a failed task is tried again."""

import math
from datetime import datetime, timedelta
from pathlib import Path

from google.cloud import tasks_v2
from google.protobuf import json_format

from local.tasks_emulator.resource_names import QUEUE_ID

# Maxima: docstring of google.cloud.tasks_v2.types.RateLimits. Defaults: what the service gives a queue made without.
MAX_DISPATCHES_PER_SECOND = 500.0
MAX_CONCURRENT_DISPATCHES = 5000
DEFAULT_CONCURRENT_DISPATCHES = 1000
DEFAULT_MAX_ATTEMPTS = 100
DEFAULT_MIN_BACKOFF = timedelta(milliseconds=100)
DEFAULT_MAX_BACKOFF = timedelta(hours=1)
DEFAULT_MAX_DOUBLINGS = 16
# Quotas page of Cloud Tasks: no task is kept longer, whatever its queue's limits.
TASK_RETENTION = timedelta(days=31)


class QueueSettingsError(ValueError):
    """A queue's settings are out of range or unreadable."""


def read_queue_file(path: Path, *, location: str) -> tasks_v2.Queue:
    """The queue described by the JSON file, with its full name under the location and every default filled in.

    The file has the fields of the v2 REST resource; its name may be the queue's id alone.
    Raises QueueSettingsError when it cannot be read as such a queue.
    """
    try:
        queue = tasks_v2.Queue.from_json(path.read_text())
    except (OSError, json_format.ParseError) as error:
        raise QueueSettingsError(f"{path} is no queue: {error}") from error
    queue_id = queue.name.removeprefix(f"{location}/queues/")
    if not QUEUE_ID.fullmatch(queue_id):
        raise QueueSettingsError(f"{path} names the queue {queue.name!r}, which is no queue id of {location}.")
    queue.name = f"{location}/queues/{queue_id}"
    return complete_queue(queue)


def complete_queue(queue: tasks_v2.Queue) -> tasks_v2.Queue:
    """A running queue with the same settings and a default for each that was left out.

    Raises QueueSettingsError for a setting out of the service's range.
    """
    rate = queue.rate_limits.max_dispatches_per_second or MAX_DISPATCHES_PER_SECOND
    concurrent = queue.rate_limits.max_concurrent_dispatches or DEFAULT_CONCURRENT_DISPATCHES
    if not 0 < rate <= MAX_DISPATCHES_PER_SECOND:
        raise QueueSettingsError(f"max_dispatches_per_second must be in (0, {MAX_DISPATCHES_PER_SECOND:g}].")
    if not 0 < concurrent <= MAX_CONCURRENT_DISPATCHES:
        raise QueueSettingsError(f"max_concurrent_dispatches must be in (0, {MAX_CONCURRENT_DISPATCHES}].")
    return tasks_v2.Queue(
        name=queue.name,
        rate_limits=tasks_v2.RateLimits(
            max_dispatches_per_second=rate,
            # Output only. The service picks it, "generally at least equal to max_dispatches_per_second".
            max_burst_size=math.ceil(rate),
            max_concurrent_dispatches=concurrent,
        ),
        retry_config=complete_retry_config(queue.retry_config),
        state=tasks_v2.Queue.State.RUNNING,
    )


def complete_retry_config(retry_config: tasks_v2.RetryConfig) -> tasks_v2.RetryConfig:
    """The same retry settings with a default for each that was left out. Raises QueueSettingsError out of range."""
    complete = tasks_v2.RetryConfig(
        max_attempts=retry_config.max_attempts or DEFAULT_MAX_ATTEMPTS,
        max_retry_duration=retry_config.max_retry_duration or timedelta(0),
        min_backoff=retry_config.min_backoff if "min_backoff" in retry_config else DEFAULT_MIN_BACKOFF,
        max_backoff=retry_config.max_backoff if "max_backoff" in retry_config else DEFAULT_MAX_BACKOFF,
        max_doublings=retry_config.max_doublings or DEFAULT_MAX_DOUBLINGS,
    )
    if complete.max_attempts < -1 or complete.max_doublings < 0:
        raise QueueSettingsError("max_attempts must be at least -1 and max_doublings at least 0.")
    if complete.max_retry_duration < timedelta(0) or not timedelta(0) <= complete.min_backoff <= complete.max_backoff:
        raise QueueSettingsError("Durations must not be negative, and min_backoff not above max_backoff.")
    return complete


def compute_backoff(retry_config: tasks_v2.RetryConfig, *, attempts: int) -> timedelta:
    """How long after its failed attempt number `attempts` (from 1) a task is due again.

    The interval starts at min_backoff, doubles max_doublings times, then grows linearly by the last interval, and
    stays at max_backoff: 10 s, 300 s and 3 doublings give 10, 20, 40, 80, 160, 240, 300, 300 s (docstring of
    google.cloud.tasks_v2.types.RetryConfig.max_doublings).
    """
    doublings = min(attempts - 1, retry_config.max_doublings)
    steps = max(1, attempts - retry_config.max_doublings)
    ceiling_seconds = retry_config.max_backoff.total_seconds()
    # Seconds, since a product of a timedelta overflows where a float only grows; 2**60 is past any ceiling.
    seconds = retry_config.min_backoff.total_seconds() * float(2 ** min(doublings, 60)) * steps
    return timedelta(seconds=min(seconds, ceiling_seconds))


def is_exhausted(retry_config: tasks_v2.RetryConfig, task: tasks_v2.Task, *, now: datetime) -> bool:
    """True when the failed task is deleted instead of retried.

    "When the task has been attempted max_attempts times and when the max_retry_duration time has passed, no further
    attempts are made, and the task is deleted" (docstring of google.cloud.tasks_v2.types.RetryConfig.max_attempts):
    both limits must be used up. -1 attempts and a duration of 0 are no limits; without either, the retention is one.
    """
    if now - task.create_time >= TASK_RETENTION:
        return True
    limits = []
    if retry_config.max_attempts > 0:
        limits.append(task.dispatch_count >= retry_config.max_attempts)
    if retry_config.max_retry_duration > timedelta(0):
        limits.append(now - task.first_attempt.dispatch_time >= retry_config.max_retry_duration)
    return bool(limits) and all(limits)

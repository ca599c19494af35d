"""Sends due tasks to their targets within the queues' limits, and finishes, retries or gives up each."""

import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from google.cloud import tasks_v2
from google.rpc import code_pb2, status_pb2

from local.tasks_emulator.event_log import Dispatch, EventLog
from local.tasks_emulator.identity import TokenSigner
from local.tasks_emulator.queue_settings import compute_backoff, is_exhausted
from local.tasks_emulator.resource_names import last_part
from local.tasks_emulator.switches import SwitchBoard
from local.tasks_emulator.target_request import Outcome, TargetRequest, make_target_request
from local.tasks_emulator.task_store import StoredTask, TaskStore

# The wall clock may jump; schedule times are looked at again after this long at the latest.
MAX_WAIT_SECONDS = 60.0
STOP_SECONDS = 0.7


@dataclass
class TokenBucket:
    """A token for each dispatch: `rate_per_second` come in, at most `size` are kept. Full at the start."""

    rate_per_second: float
    size: float
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens = self.size
        self._filled_at = time.monotonic()

    def take(self) -> float:
        """0 when a token was taken, otherwise how many seconds it takes until there is one."""
        now = time.monotonic()
        self._tokens = min(self.size, self._tokens + (now - self._filled_at) * self.rate_per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.rate_per_second
        self._tokens -= 1
        return 0.0


@dataclass
class Dispatcher:
    """One thread that waits for the next due task, and one thread for each request on its way."""

    store: TaskStore
    signer: TokenSigner
    switches: SwitchBoard
    log: EventLog
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _stopping: bool = False
    _thread: threading.Thread | None = None
    _buckets: dict[str, TokenBucket] = field(default_factory=dict)
    _attempts: dict[str, threading.Thread] = field(default_factory=dict)  # by task name
    _requests: dict[str, TargetRequest] = field(default_factory=dict)  # by task name

    def start(self) -> None:
        """Due tasks are sent from now on, those too whose attempt a kill has cut off."""
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """What is due is looked at anew: a task, a queue or a switch has changed."""
        with self._changed:
            self._changed.notify_all()

    def stop(self) -> None:
        """No task is sent any more. Requests on their way are cut off; their tasks stay as they are, due at once."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            attempts = list(self._attempts.values())
            for request in self._requests.values():
                request.cancel()
        ends_at = time.monotonic() + STOP_SECONDS
        for thread in [self._thread, *attempts]:
            if thread is not None:
                thread.join(max(0.0, ends_at - time.monotonic()))

    def list_dispatching(self) -> set[str]:
        """Names of the tasks whose request is on its way."""
        with self._changed:
            return set(self._attempts)

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                waits = [self._send_due(queue) for queue in self.store.list_queues()]
                self._changed.wait(min([MAX_WAIT_SECONDS, *waits]))

    def _send_due(self, queue: tasks_v2.Queue) -> float:
        """Every task that may be sent is; returns the seconds until the next may be, were nothing to change."""
        limits = queue.rate_limits
        if queue.state != tasks_v2.Queue.State.RUNNING:
            return MAX_WAIT_SECONDS
        bucket = self._buckets.setdefault(
            queue.name, TokenBucket(limits.max_dispatches_per_second, limits.max_burst_size)
        )
        while True:
            dispatching = {name for name in self._attempts if name.startswith(f"{queue.name}/tasks/")}
            if len(dispatching) >= limits.max_concurrent_dispatches:
                return MAX_WAIT_SECONDS
            scheduled = self.store.find_next_scheduled(queue.name, excluded=dispatching)
            if scheduled is None:
                return MAX_WAIT_SECONDS
            name, schedule_seconds = scheduled
            due_in = schedule_seconds + self.switches.read().delay_seconds - datetime.now(UTC).timestamp()
            if due_in > 0:
                return due_in
            token_in = bucket.take()
            if token_in > 0:
                return token_in
            thread = threading.Thread(target=self._attempt, args=(queue, name), name=last_part(name), daemon=True)
            self._attempts[name] = thread
            thread.start()

    def _attempt(self, queue: tasks_v2.Queue, name: str) -> None:
        try:
            stored = self.store.start_attempt(name, dispatch_time=datetime.now(UTC))
            if stored is None:
                return
            outcome = self._send(stored, queue, duplicate=False)
            if outcome is None:
                return
            if not outcome.is_success:
                self._settle_failure(stored, queue, outcome)
                return
            if self.switches.read().deliver_twice and self._send(stored, queue, duplicate=True) is None:
                return
            if self.store.remove_task(name):
                self._write_event("task_finished", stored, queue, outcome)
        finally:
            with self._changed:
                self._attempts.pop(name, None)
                self._changed.notify_all()

    def _send(self, stored: StoredTask, queue: tasks_v2.Queue, *, duplicate: bool) -> Outcome | None:
        """What came of the request; None when the emulator is stopping, and nothing may be concluded from it."""
        name = stored.task.name
        request = make_target_request(stored, self.signer)
        with self._changed:
            if self._stopping:
                return None
            self._requests[name] = request
        dispatch = Dispatch(
            queue=last_part(queue.name),
            task=last_part(name),
            attempt=stored.task.dispatch_count,
            duplicate=duplicate,
            dispatch_time=datetime.now(UTC),
        )
        self.log.add_dispatch(dispatch)
        self.log.write(
            "task_dispatched", queue=dispatch.queue, task=dispatch.task, attempt=dispatch.attempt, duplicate=duplicate
        )
        outcome = request.send()
        with self._changed:
            del self._requests[name]
            # A success that arrived just before the stop still counts.
            if self._stopping and not outcome.is_success:
                return None
        if outcome.is_success and not duplicate and self.switches.take_dropped_response():
            outcome = replace(
                outcome, code=code_pb2.UNAVAILABLE, http_status=None, detail="response dropped by a switch"
            )
        self.log.end_dispatch(dispatch, http_status=outcome.http_status, result=outcome.message)
        return outcome

    def _settle_failure(self, stored: StoredTask, queue: tasks_v2.Queue, outcome: Outcome) -> None:
        now = datetime.now(UTC)
        task = stored.task
        retry_config = task.retry_config if "retry_config" in task else queue.retry_config
        if is_exhausted(retry_config, task, now=now):
            if self.store.remove_task(task.name):
                self._write_event("task_exhausted", stored, queue, outcome)
            return
        backoff = compute_backoff(retry_config, attempts=task.dispatch_count)
        task.schedule_time = now + backoff
        task.last_attempt.response_time = now
        task.last_attempt.response_status = status_pb2.Status(code=outcome.code, message=outcome.message)
        answered = outcome.http_status is not None
        task.response_count += int(answered)
        executed = outcome.http_status is not None and outcome.http_status < 500
        retry = StoredTask(
            task=task,
            previous_http_status=outcome.http_status,
            retry_reason=outcome.message,
            execution_count=stored.execution_count + int(executed),
        )
        if self.store.reschedule_task(retry):
            self._write_event("task_retried", stored, queue, outcome, backoff=backoff)

    def _write_event(
        self,
        event: str,
        stored: StoredTask,
        queue: tasks_v2.Queue,
        outcome: Outcome,
        *,
        backoff: timedelta | None = None,
    ) -> None:
        fields: dict[str, object] = {} if backoff is None else {"backoff_seconds": backoff.total_seconds()}
        self.log.write(
            event,
            queue=last_part(queue.name),
            task=last_part(stored.task.name),
            attempt=stored.task.dispatch_count,
            http_status=outcome.http_status,
            result=outcome.message,
            **fields,
        )

"""google.cloud.tasks.v2.CloudTasks over gRPC, as the unmodified client speaks it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import grpc
from google.cloud import tasks_v2
from google.protobuf import empty_pb2

from local.tasks_emulator.dispatcher import Dispatcher
from local.tasks_emulator.event_log import EventLog
from local.tasks_emulator.queue_settings import QueueSettingsError, complete_queue
from local.tasks_emulator.refusals import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotEmulatedError,
    NotFoundError,
    RefusalError,
)
from local.tasks_emulator.resource_names import LOCATION, QUEUE, TASK, last_part
from local.tasks_emulator.task_rules import complete_task
from local.tasks_emulator.task_store import TaskNameTakenError, TaskStore

T = TypeVar("T")

SERVICE = "google.cloud.tasks.v2.CloudTasks"
MAX_TASKS_PAGE = 1000
MAX_QUEUES_PAGE = 9800
NOT_EMULATED = (
    "UpdateQueue",
    "DeleteQueue",
    "GetIamPolicy",
    "SetIamPolicy",
    "TestIamPermissions",
    "BatchCreateTasks",
    "BatchDeleteTasks",
    "RunTask",
    "UpdateCmekConfig",
    "GetCmekConfig",
)


@dataclass(frozen=True)
class CloudTasksService:
    """The methods. Each raises the RefusalError whose status the service would answer with."""

    location: str
    min_dispatch_deadline: timedelta
    store: TaskStore
    dispatcher: Dispatcher
    log: EventLog

    def create_queue(self, request: tasks_v2.CreateQueueRequest) -> tasks_v2.Queue:
        """The queue exists and runs."""
        self._check_location(request.parent)
        _check_name(QUEUE, request.queue.name, "queue")
        if request.queue.name.rpartition("/queues/")[0] != request.parent:
            raise InvalidArgumentError("Queue.name must lie under the request's parent.")
        try:
            queue = complete_queue(request.queue)
        except QueueSettingsError as error:
            raise InvalidArgumentError(str(error)) from error
        if not self.store.add_queue(queue):
            raise AlreadyExistsError("Queue already exists.")
        self.log.write("queue_created", queue=last_part(queue.name))
        return queue

    def get_queue(self, request: tasks_v2.GetQueueRequest) -> tasks_v2.Queue:
        """The queue with its settings and state."""
        _check_name(QUEUE, request.name, "queue")
        return _found(self.store.find_queue(request.name), "Queue")

    def list_queues(self, request: tasks_v2.ListQueuesRequest) -> tasks_v2.ListQueuesResponse:
        """A page of queues, by name."""
        self._check_location(request.parent)
        if request.filter:
            raise NotEmulatedError("ListQueues with a filter is not emulated.")
        size = _page_size(request.page_size, maximum=MAX_QUEUES_PAGE)
        queues = [queue for queue in self.store.list_queues() if queue.name > request.page_token]
        token = queues[size - 1].name if len(queues) > size else ""
        return tasks_v2.ListQueuesResponse(queues=queues[:size], next_page_token=token)

    def pause_queue(self, request: tasks_v2.PauseQueueRequest) -> tasks_v2.Queue:
        """No further task of the queue is dispatched; requests on their way go on."""
        return self._set_state(request.name, tasks_v2.Queue.State.PAUSED)

    def resume_queue(self, request: tasks_v2.ResumeQueueRequest) -> tasks_v2.Queue:
        """Due tasks of the queue are dispatched again."""
        return self._set_state(request.name, tasks_v2.Queue.State.RUNNING)

    def purge_queue(self, request: tasks_v2.PurgeQueueRequest) -> tasks_v2.Queue:
        """The queue is empty (at once; the service takes up to a minute). Requests on their way go on."""
        _check_name(QUEUE, request.name, "queue")
        queue = _found(self.store.purge_queue(request.name), "Queue")
        self.log.write("queue_purged", queue=last_part(request.name))
        self.dispatcher.wake()
        return queue

    def create_task(self, request: tasks_v2.CreateTaskRequest) -> tasks_v2.Task:
        """The task is on disk and will be dispatched at its schedule time."""
        _check_name(QUEUE, request.parent, "queue")
        _found(self.store.find_queue(request.parent), "Queue")
        task = complete_task(request.task, queue_name=request.parent, min_dispatch_deadline=self.min_dispatch_deadline)
        try:
            self.store.add_task(task, queue_name=request.parent)
        except TaskNameTakenError as error:
            raise AlreadyExistsError("A task of this name exists, or existed until recently.") from error
        self.log.write("task_created", queue=last_part(request.parent), task=last_part(task.name))
        self.dispatcher.wake()
        return _view(task, request.response_view)

    def get_task(self, request: tasks_v2.GetTaskRequest) -> tasks_v2.Task:
        """The task with its attempts so far."""
        _check_name(TASK, request.name, "task")
        return _view(_found(self.store.find_task(request.name), "Task").task, request.response_view)

    def list_tasks(self, request: tasks_v2.ListTasksRequest) -> tasks_v2.ListTasksResponse:
        """A page of the queue's tasks, by name."""
        _check_name(QUEUE, request.parent, "queue")
        _found(self.store.find_queue(request.parent), "Queue")
        size = _page_size(request.page_size, maximum=MAX_TASKS_PAGE)
        stored = self.store.list_tasks(request.parent, after_name=request.page_token, limit=size + 1)
        token = stored[size - 1].task.name if len(stored) > size else ""
        tasks = [_view(each.task, request.response_view) for each in stored[:size]]
        return tasks_v2.ListTasksResponse(tasks=tasks, next_page_token=token)

    def delete_task(self, request: tasks_v2.DeleteTaskRequest) -> empty_pb2.Empty:
        """The task is not dispatched again; a request on its way goes on. Its name stays taken for a while."""
        _check_name(TASK, request.name, "task")
        if not self.store.remove_task(request.name):
            raise NotFoundError("Task does not exist.")
        self.log.write("task_deleted", task=last_part(request.name))
        self.dispatcher.wake()
        return empty_pb2.Empty()

    def _set_state(self, name: str, state: int) -> tasks_v2.Queue:
        _check_name(QUEUE, name, "queue")
        queue = _found(self.store.set_queue_state(name, state), "Queue")
        self.log.write("queue_state_changed", queue=last_part(name), state=queue.state.name)
        self.dispatcher.wake()
        return queue

    def _check_location(self, parent: str) -> None:
        _check_name(LOCATION, parent, "location")
        if parent != self.location:
            raise NotFoundError(f"This emulator has the location {self.location} only.")


def make_handler(service: CloudTasksService) -> grpc.GenericRpcHandler:
    """The service as a gRPC handler; what is not emulated answers UNIMPLEMENTED and says so."""
    emulated: list[tuple[str, Callable[[Any], Any], Any, Any]] = [
        ("CreateQueue", service.create_queue, tasks_v2.CreateQueueRequest, tasks_v2.Queue.serialize),
        ("GetQueue", service.get_queue, tasks_v2.GetQueueRequest, tasks_v2.Queue.serialize),
        ("ListQueues", service.list_queues, tasks_v2.ListQueuesRequest, tasks_v2.ListQueuesResponse.serialize),
        ("PauseQueue", service.pause_queue, tasks_v2.PauseQueueRequest, tasks_v2.Queue.serialize),
        ("ResumeQueue", service.resume_queue, tasks_v2.ResumeQueueRequest, tasks_v2.Queue.serialize),
        ("PurgeQueue", service.purge_queue, tasks_v2.PurgeQueueRequest, tasks_v2.Queue.serialize),
        ("CreateTask", service.create_task, tasks_v2.CreateTaskRequest, tasks_v2.Task.serialize),
        ("GetTask", service.get_task, tasks_v2.GetTaskRequest, tasks_v2.Task.serialize),
        ("ListTasks", service.list_tasks, tasks_v2.ListTasksRequest, tasks_v2.ListTasksResponse.serialize),
        ("DeleteTask", service.delete_task, tasks_v2.DeleteTaskRequest, empty_pb2.Empty.SerializeToString),
    ]
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            _answer_status(behaviour), request_deserializer=request.deserialize, response_serializer=serialize
        )
        for method, behaviour, request, serialize in emulated
    }
    handlers |= {method: grpc.unary_unary_rpc_method_handler(_refuse(method)) for method in NOT_EMULATED}
    return grpc.method_handlers_generic_handler(SERVICE, handlers)


def _answer_status(behaviour: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return behaviour(request)
        except RefusalError as error:
            return context.abort(error.code, str(error))

    return answer


def _refuse(method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method} is not emulated by the local Cloud Tasks.")
        raise AssertionError("abort raises")

    return refuse


def _check_name(pattern: Any, name: str, kind: str) -> None:
    if not pattern.fullmatch(name):
        raise InvalidArgumentError(f"This is no {kind} name: {name!r}.")


def _found(resource: T | None, kind: str) -> T:
    if resource is None:
        raise NotFoundError(f"{kind} does not exist.")
    return resource


def _page_size(asked: int, *, maximum: int) -> int:
    if asked < 0:
        raise InvalidArgumentError("page_size must not be negative.")
    return min(asked or maximum, maximum)


def _view(task: tasks_v2.Task, view: int) -> tasks_v2.Task:
    """The task without its body, unless the full view is asked for."""
    shown = tasks_v2.Task(task)
    if view == tasks_v2.Task.View.FULL:
        shown.view = tasks_v2.Task.View(tasks_v2.Task.View.FULL)
    else:
        shown.view = tasks_v2.Task.View(tasks_v2.Task.View.BASIC)
        shown.http_request.body = b""
    return shown

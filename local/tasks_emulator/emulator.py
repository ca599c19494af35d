"""The emulator put together from its parts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

import grpc

from local.tasks_emulator.cloud_tasks_service import CloudTasksService, make_handler
from local.tasks_emulator.control_server import ControlPages, ControlServer
from local.tasks_emulator.dispatcher import Dispatcher
from local.tasks_emulator.event_log import EventLog
from local.tasks_emulator.identity import load_signer
from local.tasks_emulator.queue_settings import read_queue_file
from local.tasks_emulator.switches import SwitchBoard
from local.tasks_emulator.task_rules import MIN_DISPATCH_DEADLINE
from local.tasks_emulator.task_store import TaskStore

HOST = "127.0.0.1"
GRPC_THREADS = 8
# For how long the name of a finished or deleted task stays taken. The quotas page says about an hour; the docstring of
# google.cloud.tasks_v2.types.CreateTaskRequest.task says up to 24. Code that is right with the shorter is with both.
TOMBSTONE_LIFETIME = timedelta(hours=1)


class ForbiddenProjectError(ValueError):
    """The project could be a real one."""


class PortTakenError(OSError):
    """Another program listens on the gRPC port."""


@dataclass(frozen=True, kw_only=True)
class EmulatorSettings:
    """Where the emulator listens (0 takes a free port), where it keeps its state, and the one location it has.

    The last two depart from the service, for tests that cannot wait.
    """

    grpc_port: int
    http_port: int
    state_folder: Path
    queue_file: Path
    project: str = "demo-duologue"
    location: str = "us-east4"
    min_dispatch_deadline: timedelta = MIN_DISPATCH_DEADLINE
    tombstone_lifetime: timedelta = TOMBSTONE_LIFETIME


class TasksEmulator:
    """Answers and dispatches from `start` to `stop`."""

    def __init__(self, settings: EmulatorSettings) -> None:
        """The state is open and both ports are bound; nothing is answered or dispatched yet.

        Raises ForbiddenProjectError, QueueSettingsError, StoreInUseError, PortTakenError or OSError.
        """
        if not settings.project.startswith("demo-"):
            raise ForbiddenProjectError(f"The project must start with demo-, unlike {settings.project!r}.")
        location = f"projects/{settings.project}/locations/{settings.location}"
        queue = read_queue_file(settings.queue_file, location=location)
        settings.state_folder.mkdir(parents=True, exist_ok=True)
        self.log = EventLog()
        self._store = TaskStore(settings.state_folder, tombstone_lifetime=settings.tombstone_lifetime)
        self._control: ControlServer | None = None
        try:
            self._store.put_queue(queue)
            signer = load_signer(settings.state_folder)
            switches = SwitchBoard()
            self._dispatcher = Dispatcher(self._store, signer, switches, self.log)
            pages = ControlPages(self._store, self._dispatcher, signer, switches, self.log)
            self._control = ControlServer(pages, host=HOST, port=settings.http_port)
            service = CloudTasksService(
                location, settings.min_dispatch_deadline, self._store, self._dispatcher, self.log
            )
            # Without this option gRPC shares a taken port instead of refusing it.
            self._grpc = grpc.server(ThreadPoolExecutor(GRPC_THREADS), options=[("grpc.so_reuseport", 0)])
            self._grpc.add_generic_rpc_handlers((make_handler(service),))
            self.grpc_port = _bind(self._grpc, settings.grpc_port)
        except BaseException:
            if self._control is not None:
                self._control.stop()
            self._store.close()
            raise
        self.http_port = self._control.port
        self._queue_name = queue.name

    def start(self) -> None:
        """Calls are answered and due tasks dispatched."""
        self._grpc.start()
        if self._control is not None:
            self._control.start()
        self._dispatcher.start()
        self.log.write("emulator_started", queue=self._queue_name, grpc_port=self.grpc_port, http_port=self.http_port)

    def stop(self) -> None:
        """Within a second nothing is answered or dispatched any more, and the state is closed."""
        grpc_stopped = self._grpc.stop(grace=0.2)
        self._dispatcher.stop()
        if self._control is not None:
            self._control.stop()
        grpc_stopped.wait(0.5)
        self._store.close()
        self.log.write("emulator_stopped")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def _bind(server: grpc.Server, port: int) -> int:
    try:
        bound: int = server.add_insecure_port(f"{HOST}:{port}")
    except RuntimeError as error:
        raise PortTakenError(f"Port {port} is taken.") from error
    return bound

"""A deployment of its own: database, bucket, queue and clock, on emulators that all worlds share.

Every commit is recorded with what the documents were before and after, which is what their events tell. Of a world a
template can be made, so that an operation is tried again and again from the same state.
"""

import functools
import importlib
import json
import pkgutil
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import firebase_admin.auth
import pytest
import requests
from flask import Request as FlaskRequest
from google.cloud import tasks_v2
from google.cloud.firestore import Client
from google.cloud.firestore_v1.types import Document, Write
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from gcp import clients
from gcp.settings import settings
from gpu_runner.background import Backgrounds
from gpu_runner.health import RunnerHealth
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.reports import Reports
from gpu_runner.server import Services
from local.addresses import QUEUE, ROOT
from routes import ROUTES, siblings
from tests.faults.crashes import Process, Request, WatchedFirestore, WatchedStorage, WatchedVoice
from tests.faults.invariants import read_fields
from tests.functions.conftest import Answered

Fields = dict[str, Any]


class Event(NamedTuple):
    """One write of one document: its fields before and after (None: no document), and when it was committed."""

    path: str
    before: Fields | None
    after: Fields | None
    at: datetime


class Clock:
    """The product's only clock."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time

    def advance_to(self, moment: datetime) -> None:
        self.time = max(self.time, moment)


class Emulators(NamedTuple):
    """The connections that all worlds share, so that a new one costs none."""

    firestore: Any
    storage: requests.Session
    storage_address: str
    tasks: Any
    variables: Mapping[str, str]
    scratch_root: Path
    environment: pytest.MonkeyPatch

    def empty_storage(self) -> None:
        """No world has objects any more: the emulator writes down all that it has at every upload."""
        self.storage.get(f"{self.storage_address}/wipe", timeout=10).raise_for_status()


class World:
    def __init__(self, emulators: Emulators, *, now: datetime | None = None) -> None:
        self.emulators = emulators
        self.clock = Clock(now or datetime.now(UTC))
        # In the order of their commits; whoever delivers one takes it out.
        self.events: list[Event] = []
        # All documents as the last commit left them.
        self.documents: dict[str, Fields] = {}
        self.storage_requests: list[Request] = []
        self.firebase_users: set[str] = set()
        # Whose names are taken for a while.
        self.ended_tasks: list[tasks_v2.Task] = []
        # How often which task was delivered.
        self.deliveries: Counter[str] = Counter()
        name = uuid.uuid4().hex[:20]
        self.queue = f"{QUEUE.rpartition('/')[0]}/{name}"
        self._bucket_name, self._project = f"media-{name}", f"demo-{name}"
        self._recording = threading.Lock()
        self._enter()
        paused = tasks_v2.Queue(name=self.queue)
        _tasks(emulators).create_queue(parent=self.queue.rpartition("/queues/")[0], queue=paused)
        _tasks(emulators).pause_queue(name=self.queue)
        # The harness's own clients: their writes are recorded as the product's are, and nobody kills them.
        self.db, self.bucket = self.firestore_of(Process()), self.bucket_of(Process())
        self.bucket.client.create_bucket(self.bucket)

    def firestore_of(self, process: Process) -> Client:
        """A client of this process's own."""
        client = Client(project=self._project)
        client._firestore_api_internal = WatchedFirestore(self.emulators.firestore, process, self._record)
        return client

    def bucket_of(self, process: Process) -> Bucket:
        client = StorageClient(project=self._project)
        self._watch(client, process)
        return client.bucket(self._bucket_name)

    def state(self) -> str:
        """All that outlives a process: equal texts for equal worlds, but for their names."""
        objects = sorted((blob.name, blob.md5_hash) for blob in self.bucket.list_blobs())
        tasks = sorted(task.name.rpartition("/")[2] for task in self.tasks())
        documents = sorted(self.documents.items())
        return repr((documents, self.events, objects, tasks, sorted(self.firebase_users), self.clock.time))

    def _watch(self, client: StorageClient, process: Process) -> None:
        client._http_internal = WatchedStorage(self.emulators.storage, process, self.storage_requests)
        # The package asks for the bucket itself beside the first request, for traces that nobody makes.
        client._bucket_metadata_cache = None

    @contextmanager
    def functions(self, process: Process | None = None) -> Iterator[Process]:
        """What the functions do inside is done by this process, on this world and by its clock."""
        process = process or Process()
        self._enter()
        firestore, bucket, tasks = clients.firestore(), clients.media_bucket(), clients.tasks()
        firestore._firestore_api_internal = WatchedFirestore(self.emulators.firestore, process, self._record)
        self._watch(bucket.client, process)
        for name in ("create_task", "get_task"):
            setattr(tasks, name, _watched(process, f"tasks.{name}", getattr(type(tasks), name), tasks))
        delete = functools.partial(process.call, "identity.delete_user")
        self.emulators.environment.setattr(
            firebase_admin.auth, "delete_user", lambda user_id, **_: delete(lambda: self._delete_user(user_id))
        )
        yield process

    def runner(self, process: Process | None = None) -> Services:
        """A runner of its own process."""
        process = process or Process()
        self._enter()
        db, media = self.firestore_of(process), MediaStore(self.bucket_of(process))
        scratch_root = self.emulators.scratch_root
        health = RunnerHealth("http://127.0.0.1:9/", scratch_root)
        return Services(
            jobs=Jobs(db, now=self.clock.now),
            backgrounds=Backgrounds(db, media, scratch_root, now=self.clock.now),
            reports=Reports(db, lambda: (), now=self.clock.now),
            health=health,
            media=media,
            voice=WatchedVoice(process),
            scratch_root=scratch_root,
        )

    def request(
        self, method: str, path: str, *, user_id: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """What the function answers to which Hosting rewrites the path."""
        # Signed in now, by the clock on the wall: with that the tokens' library compares.
        token = issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))
        given = Headers({**(headers or {}), "Authorization": f"Bearer {token}"})
        request = FlaskRequest(EnvironBuilder(path=path, method=method, headers=given, json=body).get_environ())
        first = siblings(next(each for each in ROUTES if each.match(path) is not None))[0]
        response = getattr(importlib.import_module(first.module), first.function)(request)
        return Answered(response.status_code, json.loads(response.get_data()), dict(response.headers))

    def tasks(self) -> list[tasks_v2.Task]:
        """What the queue still means to run, with bodies."""
        view = tasks_v2.Task.View.FULL
        request = tasks_v2.ListTasksRequest(parent=self.queue, response_view=view)
        return list(_tasks(self.emulators).list_tasks(request=request))

    def end_task(self, task: tasks_v2.Task) -> None:
        """As a 2xx does: the task is gone, and its name taken."""
        self.ended_tasks.append(task)
        _tasks(self.emulators).delete_task(name=task.name)

    def objects(self) -> list[str]:
        return sorted(blob.name for blob in self.bucket.list_blobs())

    def _enter(self) -> None:
        """The product's settings, clients and clock are this world's."""
        environment = self.emulators.environment
        ours = {"GOOGLE_CLOUD_PROJECT": self._project, "MEDIA_BUCKET": self._bucket_name, "RENDER_QUEUE": self.queue}
        for name, value in {**self.emulators.variables, **ours}.items():
            environment.setenv(name, value)
        for cached in (settings, clients.firestore, clients.media_bucket):
            cached.cache_clear()
        _ClockOfWorld.clock = self.clock

    def _record(self, names: list[str]) -> None:
        """Each document of a commit as it was and as it is now, unless nothing changed."""
        root = f"{_root(self.db)}/"
        with self._recording:
            found = self.emulators.firestore.batch_get_documents(
                request={"database": self.db._database_string, "documents": list(dict.fromkeys(names))},
                metadata=self.db._rpc_metadata,
            )
            for each in found:
                path = (each.found.name or each.missing).removeprefix(root)
                before = self.documents.pop(path, None)
                after = read_fields(each.found, self.db) if each.found.name else None
                if after is not None:
                    self.documents[path] = after
                if before != after:
                    self.events.append(Event(path, before, after, self.clock.time))

    def _delete_user(self, user_id: str) -> None:
        if user_id not in self.firebase_users:
            raise firebase_admin.auth.UserNotFoundError("There is no such user.")
        self.firebase_users.remove(user_id)


class Template:
    """A world as it is now, of which any number of new ones are made: the same state and clock, nothing in common."""

    def __init__(self, world: World) -> None:
        self._emulators, self._now = world.emulators, world.clock.time
        self._tasks, self._ended_tasks = world.tasks(), tuple(world.ended_tasks)
        self._events, self._documents = tuple(world.events), dict(world.documents)
        self._firebase_users = frozenset(world.firebase_users)
        self._objects = [(each.name, each.download_as_bytes()) for each in world.bucket.list_blobs()]
        self._root = _root(world.db)
        found = self._emulators.firestore.batch_get_documents(
            request={
                "database": world.db._database_string,
                "documents": [f"{self._root}/{path}" for path in world.documents],
            },
            metadata=world.db._rpc_metadata,
        )
        self._stored = [each.found for each in found]

    def only_world(self) -> World:
        """As new_world, where the worlds before it are needed no longer."""
        self._emulators.empty_storage()
        return self.new_world()

    def new_world(self) -> World:
        world = World(self._emulators, now=self._now)
        world.events, world.documents = list(self._events), dict(self._documents)
        world.firebase_users = set(self._firebase_users)
        writes = [
            Write(update=Document(name=each.name.replace(self._root, _root(world.db), 1), fields=each.fields))
            for each in self._stored
        ]
        request = {"database": world.db._database_string, "writes": writes}
        self._emulators.firestore.commit(request=request, metadata=world.db._rpc_metadata)
        for name, content in self._objects:
            world.bucket.blob(name).upload_from_string(content)
        world.storage_requests.clear()
        for task in (*self._tasks, *self._ended_tasks):
            name = f"{world.queue}/tasks/{task.name.rpartition('/')[2]}"
            copied = tasks_v2.Task(name=name, http_request=task.http_request)
            _tasks(self._emulators).create_task(parent=world.queue, task=copied)
            if task in self._ended_tasks:
                world.end_task(copied)
        return world


def _watched(process: Process, call_name: str, method: Callable[..., Any], of: Any) -> Callable[..., Any]:
    return lambda *arguments, **named: process.call(call_name, lambda: method(of, *arguments, **named))


def _tasks(emulators: Emulators) -> Any:
    """The queue's client as it comes."""
    client = emulators.tasks
    for name in ("create_task", "get_task"):
        vars(client).pop(name, None)
    return client


def _root(db: Client) -> str:
    return f"{db._database_string}/documents"


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, datetime)


class _ClockOfWorld(datetime, metaclass=_AnyDatetime):
    """`datetime` for the product's modules: all but the time of day is the real one's."""

    clock: Clock

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]  # a plain datetime, which Firestore can write
        assert tz is UTC
        return cls.clock.time


# Tokens are signed and checked by a library that looks at the wall's clock, so that the door does too.
_BY_THE_WALL = frozenset({"gcp.endpoint"})


def use_clock_of_world(environment: pytest.MonkeyPatch) -> None:
    """Wherever the product asks for the time of day, it gets its world's."""
    load_product()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        is_ours = file.startswith((f"{ROOT}/functions/", f"{ROOT}/gpu_runner/"))
        if is_ours and name not in _BY_THE_WALL and vars(module).get("datetime") is datetime:
            environment.setattr(module, "datetime", _ClockOfWorld)


@functools.cache
def load_product() -> None:
    """Every module of the product is loaded, also those that functions load when they are called."""
    for folder in (ROOT / "functions", ROOT / "gpu_runner"):
        prefix = "" if folder.name == "functions" else "gpu_runner."
        for found in pkgutil.walk_packages([str(folder)], prefix):
            if ".voice_image" not in found.name and ".venv" not in found.name:
                importlib.import_module(found.name)

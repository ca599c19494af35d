"""Functions that Firestore, Cloud Storage and the clock call.

Events come at least once, late and in any order. A handler therefore acts on the state that it reads, under ids that
derive from the cause, and an exception means "deliver again": triggers are deployed with retries on.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cloudevents.http import CloudEvent
from firebase_functions import firestore_fn, params, scheduler_fn, storage_fn
from firebase_functions.options import MemoryOption

from contracts import log
from gcp.deployment import MAX_INSTANCES, REGION, service_account
from gcp.settings import settings

Fields = dict[str, Any]
CreatedHandler = Callable[[Mapping[str, str], Fields], None]
WrittenHandler = Callable[[Mapping[str, str], Fields | None, Fields | None], None]
WrittenAtHandler = Callable[[Mapping[str, str], Fields | None, Fields | None, datetime], None]

# The longest that Cloud Scheduler waits for an answer, and how much of it a nightly function begins new work in.
_NIGHT_TIMEOUT_SECONDS = 1800
NIGHT_WORK = timedelta(minutes=25)

_OPTIONS: dict[str, Any] = {
    "region": REGION,
    "memory": MemoryOption.MB_256,
    "cpu": 1,
    "concurrency": 16,
    "max_instances": MAX_INSTANCES,
    "timeout_sec": 60,
    "service_account": service_account("triggers"),
}


def trigger_created(document: str) -> Callable[[CreatedHandler], Any]:
    """The handler is called with the path's variables and the fields of each document that was created."""

    def decorate(handler: CreatedHandler) -> Any:
        def function(event: firestore_fn.Event[Any]) -> None:
            fields = event.data.to_dict() if event.data else None
            log.info("trigger_called", function=handler.__name__, event_id=event.id)
            if fields is not None:
                handler(event.params, fields)

        return _deployed(firestore_fn.on_document_created, document, handler, function)

    return decorate


def trigger_written(document: str) -> Callable[[WrittenHandler], Any]:
    """The handler is called with the path's variables and the fields before and after each write; None: no document."""

    def decorate(handler: WrittenHandler) -> Any:
        def function(event: firestore_fn.Event[Any]) -> None:
            before, after = event.data.before, event.data.after
            handler(event.params, before.to_dict() if before else None, after.to_dict() if after else None)

        return _deployed(firestore_fn.on_document_written, document, handler, function)

    return decorate


def trigger_written_at(document: str) -> Callable[[WrittenAtHandler], Any]:
    """As trigger_written, and the handler is told when the write was committed: a deletion leaves that nowhere else."""

    def decorate(handler: WrittenAtHandler) -> Any:
        def function(event: firestore_fn.Event[Any]) -> None:
            before, after = event.data.before, event.data.after
            fields = before.to_dict() if before else None, after.to_dict() if after else None
            handler(event.params, *fields, commit_moment(event.time))

        return _deployed(firestore_fn.on_document_written, document, handler, function)

    return decorate


def commit_moment(told: datetime) -> datetime:
    """When the write was committed. Google's emulator tells the whole second only, of which the end is taken.

    Otherwise a deletion would be older than the creation in the same second, and a log that was cleared in it would
    hide what happened after the clearing.
    """
    return told if told.microsecond else told + timedelta(seconds=1, microseconds=-1)


class StoredObject(NamedTuple):
    """The object of the media bucket that an event is about, at one generation of its content."""

    name: str
    generation: int
    size_bytes: int
    created_at: datetime


ObjectHandler = Callable[[StoredObject], None]


def trigger_object_finalized(handler: ObjectHandler) -> Any:
    """The handler is called with every object whose content is there, new or in the place of an older one."""
    return _object_trigger(storage_fn.on_object_finalized, handler)


def trigger_object_deleted(handler: ObjectHandler) -> Any:
    """The handler is called with every object whose content is gone; also when a newer one took its place."""
    return _object_trigger(storage_fn.on_object_deleted, handler)


def _object_trigger(decorator: Callable[..., Any], handler: ObjectHandler) -> Any:
    def function(event: Any) -> None:
        found: storage_fn.StorageObjectData = event.data
        if found.bucket != settings().require("MEDIA_BUCKET"):
            log.warning("foreign_bucket", function=handler.__name__, event_id=event.id)
            return
        log.info("trigger_called", function=handler.__name__, event_id=event.id)
        created_at = datetime.fromisoformat(found.time_created) if found.time_created else event.time
        handler(StoredObject(found.name, int(found.generation), int(found.size), created_at))

    function.__name__ = handler.__name__
    function.__doc__ = handler.__doc__
    # The Firebase project's own bucket, which the CLI fills in when it deploys: nothing is read at import.
    read_event = decorator(bucket=params.STORAGE_BUCKET, **_OPTIONS)(function)

    @functools.wraps(read_event)
    def deployed(event: CloudEvent) -> None:
        # firebase-functions 0.6.0 reads a storage event's time with a fraction of one to six digits only, and Cloud
        # Storage leaves out zeros: one event in a thousand would fail as often as it is delivered.
        moment = datetime.fromisoformat(event["time"])
        event["time"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
        read_event(event)

    trigger: Any = deployed
    trigger.__firebase_endpoint__.eventTrigger["retry"] = True  # as in _deployed
    trigger.handler = handler
    return trigger


def every_minute(handler: Callable[[], None]) -> Any:
    """The handler is called about once a minute, possibly twice at once; what it raises is logged by the platform."""
    return _scheduled("* * * * *", handler)


def every_ten_minutes(handler: Callable[[], None]) -> Any:
    """As every_minute, for what nobody waits for."""
    return _scheduled("*/10 * * * *", handler)


def every_night(*, hour: int, minute: int) -> Callable[[Callable[[], None]], Any]:
    """The handler is called once a night at that time (UTC), has NIGHT_WORK for its work, and begins where it ended."""
    return functools.partial(_scheduled, f"{minute} {hour} * * *", timeout_seconds=_NIGHT_TIMEOUT_SECONDS)


def _scheduled(schedule: str, handler: Callable[[], None], *, timeout_seconds: int = 300) -> Any:
    def function(_event: scheduler_fn.ScheduledEvent) -> None:
        handler()

    function.__name__ = handler.__name__
    function.__doc__ = handler.__doc__
    # A third of a CPU: one run at a time, which waits more than it works (docs/costs.md).
    options = _OPTIONS | {"concurrency": 1, "cpu": "gcf_gen1", "memory": MemoryOption.MB_512}
    options["timeout_sec"] = timeout_seconds
    return scheduler_fn.on_schedule(schedule=schedule, **options)(function)


def _deployed(
    decorator: Callable[..., Any], document: str, handler: Callable[..., None], function: Callable[..., None]
) -> Any:
    function.__name__ = handler.__name__
    function.__doc__ = handler.__doc__
    deployed = decorator(document=document, **_OPTIONS)(function)
    # firebase-functions 0.6.0 has no retry option for Firestore triggers and writes retry=False into the manifest;
    # without retries an event whose handler failed is dropped. The manifest is what the Firebase CLI deploys.
    deployed.__firebase_endpoint__.eventTrigger["retry"] = True
    deployed.handler = handler
    return deployed

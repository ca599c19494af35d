"""Functions that Firestore, Cloud Storage and the clock call.

Events come at least once, late and in any order. A handler therefore acts on the state that it reads, under ids that
derive from the cause, and an exception means "deliver again": triggers are deployed with retries on.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts import log
from gcp.deployment import CalledBy, Deployment, note
from gcp.settings import settings

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from firebase_functions import firestore_fn, storage_fn
    from flask import Request, Response

Fields = dict[str, Any]
CreatedHandler = Callable[[Mapping[str, str], Fields], None]
WrittenHandler = Callable[[Mapping[str, str], Fields | None, Fields | None], None]
WrittenAtHandler = Callable[[Mapping[str, str], Fields | None, Fields | None, datetime], None]

# The longest that Cloud Scheduler waits for an answer, and how much of it a nightly function begins new work in.
_NIGHT_TIMEOUT_SECONDS = 1800
NIGHT_WORK = timedelta(minutes=25)


def trigger_created(document: str) -> Callable[[CreatedHandler], Any]:
    """The handler is called with the path's variables and the fields of each document that was created."""

    def decorate(handler: CreatedHandler) -> Any:
        def function(event: "firestore_fn.Event[Any]") -> None:
            fields = event.data.to_dict() if event.data else None
            log.info("trigger_called", function=handler.__name__, event_id=event.id)
            if fields is not None:
                handler(event.params, fields)

        return _document_trigger(CalledBy.DOCUMENT_CREATED, document, handler, function)

    return decorate


def trigger_written(document: str) -> Callable[[WrittenHandler], Any]:
    """The handler is called with the path's variables and the fields before and after each write; None: no document."""

    def decorate(handler: WrittenHandler) -> Any:
        def function(event: "firestore_fn.Event[Any]") -> None:
            before, after = event.data.before, event.data.after
            handler(event.params, before.to_dict() if before else None, after.to_dict() if after else None)

        return _document_trigger(CalledBy.DOCUMENT_WRITTEN, document, handler, function)

    return decorate


def trigger_written_at(document: str) -> Callable[[WrittenAtHandler], Any]:
    """As trigger_written, and the handler is told when the write was committed: a deletion leaves that nowhere else."""

    def decorate(handler: WrittenAtHandler) -> Any:
        def function(event: "firestore_fn.Event[Any]") -> None:
            before, after = event.data.before, event.data.after
            fields = before.to_dict() if before else None, after.to_dict() if after else None
            handler(event.params, *fields, commit_moment(event.time))

        return _document_trigger(CalledBy.DOCUMENT_WRITTEN, document, handler, function)

    return decorate


def _document_trigger(
    called_by: CalledBy, document: str, handler: Callable[..., None], function: Callable[..., None]
) -> Any:
    @functools.cache
    def read_event() -> Any:
        # Deferred: the package and Firestore's client, when an event is there.
        from firebase_functions import firestore_fn

        is_creation = called_by is CalledBy.DOCUMENT_CREATED
        decorator = firestore_fn.on_document_created if is_creation else firestore_fn.on_document_written
        return decorator(document=document)(function)

    def deployed(event: "CloudEvent") -> None:
        read_event()(event)

    return note(deployed, handler, _event_deployment(called_by, document))


def _event_deployment(called_by: CalledBy, subject: str = "") -> Deployment:
    return Deployment(
        called_by=called_by,
        subject=subject,
        account="triggers",
        memory_mib=256,
        concurrency=16,
        timeout_seconds=60,
    )


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
    return _object_trigger(CalledBy.OBJECT_FINALIZED, handler)


def trigger_object_deleted(handler: ObjectHandler) -> Any:
    """The handler is called with every object whose content is gone; also when a newer one took its place."""
    return _object_trigger(CalledBy.OBJECT_DELETED, handler)


def _object_trigger(called_by: CalledBy, handler: ObjectHandler) -> Any:
    def function(event: Any) -> None:
        found: storage_fn.StorageObjectData = event.data
        if found.bucket != settings().require("MEDIA_BUCKET"):
            log.warning("foreign_bucket", function=handler.__name__, event_id=event.id)
            return
        log.info("trigger_called", function=handler.__name__, event_id=event.id)
        created_at = datetime.fromisoformat(found.time_created) if found.time_created else event.time
        handler(StoredObject(found.name, int(found.generation), int(found.size), created_at))

    @functools.cache
    def read_event() -> Any:
        # Deferred: the package, when an event is there.
        from firebase_functions import storage_fn

        is_deletion = called_by is CalledBy.OBJECT_DELETED
        decorator = storage_fn.on_object_deleted if is_deletion else storage_fn.on_object_finalized
        return decorator(bucket=settings().require("MEDIA_BUCKET"))(function)

    def deployed(event: "CloudEvent") -> None:
        # firebase-functions 0.6.0 reads a storage event's time with a fraction of one to six digits only, and Cloud
        # Storage leaves out zeros: one event in a thousand would fail as often as it is delivered.
        moment = datetime.fromisoformat(event["time"])
        event["time"] = moment.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
        read_event()(event)

    return note(deployed, handler, _event_deployment(called_by))


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
    @functools.cache
    def read_request() -> Any:
        # Deferred: the package, when it is time.
        from firebase_functions import scheduler_fn

        def function(_event: scheduler_fn.ScheduledEvent) -> None:
            handler()

        return scheduler_fn.on_schedule(schedule=schedule)(function)

    def deployed(request: "Request") -> "Response":
        answer: Response = read_request()(request)
        return answer

    # A third of a CPU: one run at a time, which waits more than it works (docs/costs.md).
    deployment = Deployment(
        called_by=CalledBy.SCHEDULE,
        subject=schedule,
        account="triggers",
        memory_mib=512,
        has_whole_cpu=False,
        concurrency=1,
        timeout_seconds=timeout_seconds,
    )
    return note(deployed, handler, deployment)

"""Functions that Firestore, Cloud Storage and the clock call.

Events come at least once, late and in any order. A handler therefore acts on the state that it reads, under ids that
derive from the cause, and an exception means "deliver again": triggers are deployed with retries on.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts import log
from gcp.deployment import CalledBy, Deployment, deployed
from gcp.document_event import DocumentEvent, Fields, read_document_event
from gcp.settings import settings

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from flask import Request

CreatedHandler = Callable[[Mapping[str, str], Fields], None]
WrittenHandler = Callable[[Mapping[str, str], Fields | None, Fields | None], None]
WrittenAtHandler = Callable[[Mapping[str, str], Fields | None, Fields | None, datetime], None]

# The longest that Cloud Scheduler waits for an answer, and how much of it a nightly function begins new work in.
_NIGHT_TIMEOUT_SECONDS = 1800
NIGHT_WORK = timedelta(minutes=25)


def trigger_created(document: str) -> Callable[[CreatedHandler], Any]:
    """The handler is called with the path's variables and the fields of each document that was created."""

    def decorate(handler: CreatedHandler) -> Any:
        def call(event: DocumentEvent) -> None:
            log.info("trigger_called", function=handler.__name__, event_id=event.id)
            if event.after is not None:
                handler(event.params, event.after)

        return _document_trigger(CalledBy.DOCUMENT_CREATED, document, handler, call)

    return decorate


def trigger_written(document: str) -> Callable[[WrittenHandler], Any]:
    """The handler is called with the path's variables and the fields before and after each write; None: no document."""

    def decorate(handler: WrittenHandler) -> Any:
        def call(event: DocumentEvent) -> None:
            handler(event.params, event.before, event.after)

        return _document_trigger(CalledBy.DOCUMENT_WRITTEN, document, handler, call)

    return decorate


def trigger_written_at(document: str) -> Callable[[WrittenAtHandler], Any]:
    """As trigger_written, and the handler is told when the write was committed: a deletion leaves that nowhere else."""

    def decorate(handler: WrittenAtHandler) -> Any:
        def call(event: DocumentEvent) -> None:
            handler(event.params, event.before, event.after, commit_moment(event.time))

        return _document_trigger(CalledBy.DOCUMENT_WRITTEN, document, handler, call)

    return decorate


def commit_moment(told: datetime) -> datetime:
    """When the write was committed. Google's emulator tells the whole second only, of which the end is taken.

    Otherwise a deletion would be older than the creation in the same second, and a log that was cleared in it would
    hide what happened after the clearing.
    """
    return told if told.microsecond else told + timedelta(seconds=1, microseconds=-1)


def _document_trigger(
    called_by: CalledBy, document: str, handler: Callable[..., None], call: Callable[[DocumentEvent], None]
) -> Any:
    def function(event: "CloudEvent") -> None:
        call(read_document_event(event, document))

    return deployed(function, handler, _event_deployment(called_by, document))


def _event_deployment(called_by: CalledBy, subject: str = "") -> Deployment:
    return Deployment(
        called_by=called_by,
        subject=subject,
        account="triggers",
        memory_mib=256,
        concurrency=16,
        timeout_seconds=60,
    )


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
    def function(event: "CloudEvent") -> None:
        found = event.data
        if found["bucket"] != settings().require("MEDIA_BUCKET"):
            log.warning("foreign_bucket", function=handler.__name__, event_id=event["id"])
            return
        log.info("trigger_called", function=handler.__name__, event_id=event["id"])
        created_at = datetime.fromisoformat(found.get("timeCreated") or event["time"])
        handler(StoredObject(found["name"], int(found["generation"]), int(found["size"]), created_at))

    return deployed(function, handler, _event_deployment(called_by))


def every_minute(handler: Callable[[], None]) -> Any:
    """The handler is called about once a minute, possibly twice at once; what it raises is logged."""
    return _scheduled("* * * * *", handler)


def every_ten_minutes(handler: Callable[[], None]) -> Any:
    """As every_minute, for what nobody waits for."""
    return _scheduled("*/10 * * * *", handler)


def every_night(*, hour: int, minute: int) -> Callable[[Callable[[], None]], Any]:
    """The handler is called once a night at that time (UTC), has NIGHT_WORK for its work, and begins where it ended."""
    return functools.partial(_scheduled, f"{minute} {hour} * * *", timeout_seconds=_NIGHT_TIMEOUT_SECONDS)


def _scheduled(schedule: str, handler: Callable[[], None], *, timeout_seconds: int = 300) -> Any:
    def function(_request: "Request") -> tuple[str, int]:
        try:
            handler()
        except Exception as error:  # noqa: BLE001 (the outermost handler: Cloud Scheduler counts it as failed)
            log.error("schedule_failed", function=handler.__name__, error=type(error).__name__, at=log.frames_of(error))
            return "failed", 500
        return "done", 200

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
    return deployed(function, handler, deployment)

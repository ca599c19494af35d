"""Functions that Firestore and the clock call.

Events come at least once, late and in any order. A handler therefore acts on the state that it reads, under ids that
derive from the cause, and an exception means "deliver again": triggers are deployed with retries on.
"""

from collections.abc import Callable, Mapping
from typing import Any

from firebase_functions import firestore_fn, scheduler_fn
from firebase_functions.options import MemoryOption

from contracts import log
from gcp.deployment import REGION

Fields = dict[str, Any]
CreatedHandler = Callable[[Mapping[str, str], Fields], None]
WrittenHandler = Callable[[Mapping[str, str], Fields | None, Fields | None], None]

_OPTIONS: dict[str, Any] = {
    "region": REGION,
    "memory": MemoryOption.MB_256,
    "cpu": 1,
    "concurrency": 16,
    "timeout_sec": 60,
    "service_account": "triggers@",
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


def every_minute(handler: Callable[[], None]) -> Any:
    """The handler is called about once a minute, possibly twice at once; what it raises is logged by the platform."""

    def function(_event: scheduler_fn.ScheduledEvent) -> None:
        handler()

    function.__name__ = handler.__name__
    function.__doc__ = handler.__doc__
    options = _OPTIONS | {"concurrency": 1, "memory": MemoryOption.MB_512, "timeout_sec": 300}
    return scheduler_fn.on_schedule(schedule="* * * * *", **options)(function)


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

"""Faults of the real service that a test turns on."""

import threading
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Switches(BaseModel):
    """Which faults are on. All are off at the start; nothing of it is kept on disk."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    # A task whose target answered 2xx is dispatched once more before it is finished.
    deliver_twice: bool = False
    # Every attempt starts this long after its schedule time; the service promises no punctuality.
    delay_seconds: Annotated[float, Field(ge=0, le=86_400, strict=False)] = 0.0
    # For this many 2xx answers to come, the answer is lost: no response counts, and the task is retried.
    drop_responses: Annotated[int, Field(ge=0)] = 0


class SwitchBoard:
    """The switches as they are now. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._switches = Switches()

    def read(self) -> Switches:
        """The switches as they are now."""
        with self._lock:
            return self._switches

    def change(self, body: bytes) -> Switches:
        """The switches named in the JSON object are set, the others stay.

        Raises pydantic.ValidationError, and nothing changes, when the body is no such object.
        """
        wanted = Switches.model_validate_json(body)
        with self._lock:
            self._switches = self._switches.model_copy(
                update={field: getattr(wanted, field) for field in wanted.model_fields_set}
            )
            return self._switches

    def take_dropped_response(self) -> bool:
        """True when this 2xx answer is to be lost; it is then counted off."""
        with self._lock:
            if self._switches.drop_responses == 0:
                return False
            left = self._switches.drop_responses - 1
            self._switches = self._switches.model_copy(update={"drop_responses": left})
            return True

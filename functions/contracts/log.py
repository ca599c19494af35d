"""JSON lines for Cloud Logging: a constant event and its fields, never text that a user wrote."""

import json
import sys
import traceback
from datetime import UTC, datetime
from typing import Literal

Severity = Literal["INFO", "WARNING", "ERROR"]


def write(severity: Severity, event: str, **fields: object) -> None:
    """One structured line on standard output, which Cloud Logging parses (its `severity` and `time` fields)."""
    line = {"severity": severity, "event": event, "time": datetime.now(UTC).isoformat(), **fields}
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


def info(event: str, **fields: object) -> None:
    write("INFO", event, **fields)


def warning(event: str, **fields: object) -> None:
    write("WARNING", event, **fields)


def error(event: str, **fields: object) -> None:
    write("ERROR", event, **fields)


def frames_of(error: BaseException) -> list[str]:
    """Where it happened, newest last, without messages: they may quote what a user wrote."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]

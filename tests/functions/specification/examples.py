"""The specification's examples, a file per operation, as it has them, with its own ids.

Where it abbreviates (`{ ... }`), shows no answer (PUT) or only names another shape, `{"$same": "list_characters/0"}`
stands for that part of another operation's answer.
"""

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent
OPERATIONS = sorted(path.stem for path in _FOLDER.glob("*.json"))


class Example(NamedTuple):
    """One call and its answer; `request` is the body, a form's files among its fields."""

    method: str
    path: str
    request: dict[str, Any] | None
    response: Any


@functools.cache
def example_of(operation: str) -> Example:
    """The specified example of the operation, which is named as its function is."""
    written = json.loads((_FOLDER / f"{operation}.json").read_text())
    method, path = written["operation"].split()
    return Example(method, path, written.get("request"), _whole(written["response"]))


def _whole(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if not isinstance(value, dict):
        return value
    if "$same" not in value:
        return {name: _whole(each) for name, each in value.items()}
    operation, *steps = value["$same"].split("/")
    found = example_of(operation).response
    for step in steps:
        found = found[int(step) if isinstance(found, list) else step]
    return found

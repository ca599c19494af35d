"""Every specified operation, called with the specification's own request, answers as its example does."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from routes import ROUTES
from tests.functions.specification.examples import OPERATIONS, example_of
from tests.functions.specification.world import World

# What neither the specification nor today's clients know of.
OURS = {"cancel_video_job", "delete_me", "get_my_data", "get_picture", "get_recording", "get_video"}
_NEW_SCRIPT = [
    f"+ {name}"
    for name in (
        "videoJobCompletedAt",
        "videoJobCurrentStep",
        "videoJobErrorMessage",
        "videoJobId",
        "videoJobProgress",
        "videoJobStartedAt",
        "videoJobStatus",
        "videoSize",
    )
]
# The fields that an operation answers beyond the specified ones. Clients may come to rely on each: add one on purpose.
EXTRA = {
    "signup": ["+ firebaseToken"],
    "login": ["+ firebaseToken"],
    "generate_script": _NEW_SCRIPT,
    "update_script": _NEW_SCRIPT,
    "generate_video": ["+ job.note"],
    "get_video_job": ["+ note"],
    "get_script_video_job": ["+ note"],
    "list_my_video_jobs": ["+ [].note"],
    "get_health": ["+ checks.database", "+ checks.gpuRunner", "+ checks.queue", "+ checks.storage"],
}
# Null where there is none, though no example shows it: an activity without a video.
NULLABLE = {"videoPath"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_MEDIA_PATH = re.compile(r"(/api/(?:static/)?\w+/)[^?]*(\.\w+)(?:\?.*)?")


def kind(value: Any) -> str:
    """The JSON type; whole numbers, times and paths of media are kinds of their own."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        return "time"
    if isinstance(value, str) and (path := _MEDIA_PATH.fullmatch(value)):
        return f"{path[1]}*{path[2]}"
    return type(value).__name__


def fields_of(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field at any depth."""
    if isinstance(value, list):
        for each in value:
            yield from fields_of(each)
    elif isinstance(value, dict):
        yield from value.items()
        for each in value.values():
            yield from fields_of(each)


def kinds_by_field() -> dict[str, set[str]]:
    """The kinds that the specification shows of each field, wherever it does."""
    shown: dict[str, set[str]] = defaultdict(set)
    for operation in OPERATIONS:
        for name, value in fields_of(example_of(operation).response):
            shown[name].add(kind(value))
    return shown


SHOWN = kinds_by_field()


def fits(name: str, specified: Any, answered: Any) -> bool:
    """Whether the answer's value is of the example's kind, or of another that is specified where that has none."""
    if specified in (None, ""):
        return kind(answered) in SHOWN[name]
    return kind(answered) == kind(specified) or (answered is None and name in NULLABLE)


def differences(specified: Any, answered: Any, place: str = "", name: str = "") -> Iterator[str]:
    """Where the answer is not as specified; `+` stands before a field that is not specified at all."""
    if isinstance(specified, dict) and isinstance(answered, dict):
        if all(key.isdecimal() for key in specified) and specified:  # pictures by their keys, of any number
            specified = dict.fromkeys(answered, next(iter(specified.values())))
        inside = f"{place}." if place else ""
        yield from (f"{inside}{each} is missing" for each in specified.keys() - answered.keys())
        yield from (f"+ {inside}{each}" for each in answered.keys() - specified.keys())
        for each in specified.keys() & answered.keys():
            yield from differences(specified[each], answered[each], inside + each, each)
    elif isinstance(specified, list) and isinstance(answered, list):
        if specified and not answered:
            yield f"{place} is empty"
        for item in answered:
            # The examples in a list show one thing in several states.
            yield from min((list(differences(each, item, f"{place}[]", name)) for each in specified), key=len)
    elif not fits(name, specified, answered):
        yield f"{place} is {kind(answered)}, specified is {kind(specified)}"


def sentences(answer: Any) -> set[str]:
    """The messages in the answer. An example's `...` is none."""
    return {value for name, value in fields_of(answer) if name == "message" and value not in {"", "..."}}


def test_every_operation_has_its_specified_example_or_is_ours() -> None:
    assert sorted({*OPERATIONS, *OURS}) == sorted(route.function for route in ROUTES)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_answers_as_specified(world: World, operation: str) -> None:
    world.prepare(operation)

    status, answer = world.call(operation)

    specified = world.translated(example_of(operation)).response
    assert status == 200, answer
    assert sorted(set(differences(specified, answer))) == EXTRA.get(operation, [])
    assert sorted(sentences(specified) - sentences(answer)) == []

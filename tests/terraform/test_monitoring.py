"""The names in terraform's monitoring are the code's: services, log events and their fields, sections of the manual."""

import re

import pytest

import main
from local.addresses import ROOT
from routes import NOT_FOUND_FUNCTION, ROUTES

FOLDER = ROOT / "terraform"
MONITORING, ALERTS, LOGGING = ((FOLDER / name).read_text() for name in ("monitoring.tf", "alerts.tf", "logging.tf"))
SOURCES = [
    path
    for folder in (ROOT / "functions", ROOT / "gpu_runner")
    for path in folder.rglob("*.py")
    if "venv" not in path.relative_to(ROOT).parts
]
LOG_CALL = re.compile(r"log\.(?:info|warning|error)\(\s*\"(\w+)\"|log\.write\(\s*\w+,\s*\"(\w+)\"")


def service_of(function: str) -> str:
    """The Cloud Run service that the Firebase CLI makes of a function."""
    return function.lower().replace("_", "-")


def logged_events() -> set[str]:
    return {first or second for path in SOURCES for first, second in LOG_CALL.findall(path.read_text())}


def quoted(text: str) -> list[str]:
    return re.findall(r'\\?"([\w-]+)\\?"', text)


API_FUNCTIONS = sorted({route.function for route in ROUTES} | {NOT_FOUND_FUNCTION})
EVENT_FUNCTIONS = sorted(set(main.FUNCTIONS) - set(API_FUNCTIONS))


@pytest.mark.parametrize("function", [*API_FUNCTIONS, *EVENT_FUNCTIONS])
def test_alerts_tell_functions_that_events_call_from_those_of_the_api(function: str) -> None:
    (event_services,) = re.findall(r'event_services = "(.+)"', MONITORING)

    assert bool(re.fullmatch(event_services, service_of(function))) == (function in EVENT_FUNCTIONS)


def test_the_requests_of_every_media_operation_are_kept_out_of_the_log() -> None:
    (listed,) = re.findall(r"media_services = \[(.+)\]", LOGGING)

    media = [service_of(route.function) for route in ROUTES if route.module == "media.endpoints"]
    assert quoted(listed) == sorted(media)


EVENT_FILTERS = re.findall(r"jsonPayload\.event=(\([^)]+\)|\\\"\w+\\\")", MONITORING + ALERTS)


@pytest.mark.parametrize("event", sorted({event for each in EVENT_FILTERS for event in quoted(each)}), ids=str)
def test_every_event_that_is_counted_or_alerted_on_is_logged(event: str) -> None:
    assert event in logged_events()


FIELDS = {
    *re.findall(r"jsonPayload\.(\w+)", MONITORING + ALERTS),
    *re.findall(r'label\s+= "(\w+)"', MONITORING),
} - {"event"}


@pytest.mark.parametrize("field", sorted(FIELDS))
def test_every_field_that_is_read_of_a_line_is_written(field: str) -> None:
    written = re.compile(rf"\b{field}=|[\"']{field}[\"']")

    assert [path for path in SOURCES if written.search(path.read_text())]


@pytest.mark.parametrize("title", re.findall(r'title\s+= "(.+)"', ALERTS))
def test_the_manual_has_a_section_for_the_alert(title: str) -> None:
    manual = (ROOT / "docs" / "operations.md").read_text()

    assert f"\n### {title}\n" in manual

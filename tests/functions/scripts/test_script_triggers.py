"""The entries of the log that follow from a script's writes, from events as Eventarc delivers them."""

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contracts.publication import published_script_fields
from contracts.video_job import VideoFile
from scripts.script import DialogueLine, Script
from scripts.triggers import on_script_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client

DeliverWritten = Callable[..., None]
Fields = Mapping[str, Any]
SCRIPT_ID = "a" * 32
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DELETED_AT = NOW + timedelta(days=1)


def script_fields(prompt: str = "Two friends argue about tea.", *, updated_at: datetime = NOW) -> dict[str, Any]:
    script = Script(
        id=SCRIPT_ID,
        owner_id="anna",
        selected_characters=("c1", "c2"),
        original_prompt=prompt,
        dialogue=(DialogueLine(speaker="c1", text="Tea."),),
        created_at=NOW,
        updated_at=updated_at,
    )
    return {name: value for name, value in script.to_document().items() if name != "id"}


def activities(db: "Client") -> list[dict[str, Any]]:
    log = db.collection("users", "anna", "activities").order_by("timestamp")
    return [each.to_dict() or {} for each in log.stream()]


def kinds(db: "Client") -> list[str]:
    return [each["type"] for each in activities(db)]


WRITES: dict[str, tuple[Fields | None, Fields | None]] = {
    "created": (None, script_fields()),
    "updated": (script_fields(), script_fields(updated_at=NOW + timedelta(seconds=1))),
    "updated again": (
        script_fields(updated_at=NOW + timedelta(seconds=1)),
        script_fields(updated_at=NOW + timedelta(seconds=2)),
    ),
    "deleted": (script_fields(updated_at=NOW + timedelta(seconds=2)), None),
}


@pytest.fixture
def deliver(product: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that delivers the event of one of the writes; a script is deleted a day after it was written."""
    assert product

    def deliver(write: str) -> None:
        before, after = (dict(each) if each else None for each in WRITES[write])
        on_script_written.handler({"scriptId": SCRIPT_ID}, before, after, DELETED_AT)

    return deliver


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, script_fields("Tea " * 20), "created"),
        (script_fields("Tea " * 20), script_fields("Tea " * 20, updated_at=NOW + timedelta(seconds=1)), "updated"),
        (script_fields("Tea " * 20), None, "deleted"),
    ],
    ids=["created", "updated", "deleted"],
)
def test_an_event_as_eventarc_delivers_it_is_in_the_log_under_the_beginning_of_the_prompt(
    db: "Client", deliver_written: DeliverWritten, before: Fields | None, after: Fields | None, kind: str
) -> None:
    deliver_written(on_script_written, f"scripts/{SCRIPT_ID}", before=before, after=after)

    assert [
        {name: each[name] for name in ("type", "message", "scriptId", "characterId")} for each in activities(db)
    ] == [
        {
            "type": f"script_{kind}",
            "message": f"Script '{'Tea ' * 14}Tea' {kind}",
            "scriptId": SCRIPT_ID,
            "characterId": None,
        }
    ]


def test_each_entry_has_the_time_when_it_happened(db: "Client", deliver: Callable[[str], None]) -> None:
    for write in WRITES:
        deliver(write)

    times = [each["timestamp"] for each in activities(db)]
    assert times == [NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2), DELETED_AT]


@pytest.mark.parametrize("order", list(itertools.permutations(WRITES)), ids=", ".join)
def test_events_in_any_order_and_twice_are_one_entry_each(
    db: "Client", deliver: Callable[[str], None], order: tuple[str, ...]
) -> None:
    for write in (*order, *order):
        deliver(write)

    assert kinds(db) == ["script_created", "script_updated", "script_updated", "script_deleted"]


VIDEO = VideoFile(object_name="videos/anna/" + "b" * 32 + "_1.mp4", duration_seconds=4.5, size_bytes=90)
OTHER_WRITES = {
    "a video was started": {"videoJobId": "j1"},
    "a video was published": published_script_fields(script_fields()["dialogue"], {}, VIDEO),
}


@pytest.mark.parametrize("changed", OTHER_WRITES.values(), ids=OTHER_WRITES)
def test_a_write_that_is_no_edit_is_not_in_the_log(
    db: "Client", product: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    assert product
    before = script_fields()

    on_script_written.handler({"scriptId": SCRIPT_ID}, before, before | changed, DELETED_AT)

    assert activities(db) == []

"""What a user document's writes do to the log, from events as Eventarc delivers them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.triggers import on_user_written
from accounts.users import User
from activities.activity import ActivityType
from activities.store import clear_activities
from tests.functions.activities.conftest import PAST, LogActivities

if TYPE_CHECKING:
    from google.cloud.firestore import Client

DeliverWritten = Callable[..., None]
CLEARED_AT = PAST + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _anna(make_user: Callable[..., User], log_activities: LogActivities) -> None:
    """A user with an activity before the moment at which the log is cleared, and one after it."""
    make_user("anna")
    log_activities(ActivityType.SCRIPT_CREATED, start=PAST)
    log_activities(ActivityType.SCRIPT_DELETED, start=CLEARED_AT + timedelta(microseconds=1))


def fields(db: "Client") -> dict[str, Any]:
    return db.document("users", "anna").get().to_dict() or {}


def stored(db: "Client") -> list[str]:
    return sorted((each.to_dict() or {})["type"] for each in db.collection("users", "anna", "activities").stream())


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_what_a_clearing_left_beneath_the_watermark_is_deleted(
    db: "Client", deliver_written: DeliverWritten, times: int
) -> None:
    before = fields(db)
    clear_activities(db, "anna", CLEARED_AT)

    for _ in range(times):
        deliver_written(on_user_written, "users/anna", before=before, after=fields(db))

    assert stored(db) == ["script_deleted"]


def test_events_of_two_clearings_in_the_wrong_order_leave_nothing_beneath(
    db: "Client", deliver_written: DeliverWritten
) -> None:
    at_first = fields(db)
    clear_activities(db, "anna", PAST)
    between = fields(db)
    clear_activities(db, "anna", CLEARED_AT)

    deliver_written(on_user_written, "users/anna", before=between, after=fields(db))
    deliver_written(on_user_written, "users/anna", before=at_first, after=between)

    assert stored(db) == ["script_deleted"]


@pytest.mark.parametrize("cleared_at", [None, CLEARED_AT], ids=["never cleared", "cleared before"])
def test_another_write_of_the_user_deletes_nothing(
    db: "Client", deliver_written: DeliverWritten, cleared_at: datetime | None
) -> None:
    before = fields(db) | {"activitiesClearedAt": cleared_at}

    deliver_written(on_user_written, "users/anna", before=before, after=before | {"name": "Anna B."})

    assert stored(db) == ["script_created", "script_deleted"]

"""The statistics that a trigger keeps, against a recount of the log, whatever the order of the events."""

import contextlib
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.users import User, find_user
from activities.activity import Activity, ActivityType, record_activity, write_activity
from activities.statistics import ActivityStats
from activities.store import clear_activities, count_activity, delete_cleared, find_stats, list_activities
from activities.triggers import on_activity_created
from gcp.errors import Unavailable
from gcp.page import PageRequest
from gcp.transactions import transact
from tests.functions.activities.conftest import PAST, LogActivities, deliver

if TYPE_CHECKING:
    from google.cloud.firestore import Client

DeliverCreated = Callable[..., None]


@pytest.fixture(autouse=True)
def _anna(product: pytest.MonkeyPatch, make_user: Callable[..., User]) -> None:
    assert product
    make_user("anna")


def at(minute: int) -> datetime:
    return PAST + timedelta(minutes=minute)


def activity_of(kind: ActivityType, timestamp: datetime = PAST) -> Activity:
    return Activity(type=kind, message="It was.", timestamp=timestamp)


def recount(db: "Client") -> ActivityStats:
    """The statistics of what the log shows."""
    user = find_user(db, "anna")
    assert user
    shown = list_activities(db, "anna", PageRequest(100), cleared_at=user.activities_cleared_at).items
    stats = ActivityStats(cleared_at=user.activities_cleared_at)
    for each in shown:
        stats = stats.with_activity(each.activity)
    return stats


STEPS = ("create A", "create B", "clear", "event A", "event B", "event A again")


def is_possible(order: Sequence[str]) -> bool:
    """An event follows its document; which of two equal events is called "again" makes no difference."""
    place = {step: index for index, step in enumerate(order)}
    return place["create A"] < place["event A"] < place["event A again"] and place["create B"] < place["event B"]


ORDERS = [order for order in itertools.permutations(STEPS) if is_possible(order)]
# When A and B happened: as they were written, or A long before, and B by a clock that is an hour ahead.
CLOCKS: dict[str, tuple[int | None, int | None]] = {"clocks agree": (None, None), "late and ahead": (-60, 60)}


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_after_any_order_the_statistics_are_a_recount_of_the_log(
    db: "Client", order: Sequence[str], clocks: tuple[int | None, int | None]
) -> None:
    moments = dict(zip("AB", clocks, strict=True))
    happened = {
        name: at(order.index(f"create {name}") if moment is None else moment) for name, moment in moments.items()
    }
    activities = {
        "A": activity_of(ActivityType.SCRIPT_CREATED, happened["A"]),
        "B": activity_of(ActivityType.VIDEO_GENERATION_STARTED, happened["B"]),
    }
    for now, step in enumerate(order):
        verb, _, rest = step.partition(" ")
        if verb == "clear":
            clear_activities(db, "anna", at(now))
        elif verb == "create":
            record_activity(db, "anna", rest, activities[rest])
        else:
            deliver("anna", rest[0], activities[rest[0]])

    assert find_stats(db, "anna") == recount(db)
    assert recount(db).total_activities == sum(moment > at(order.index("clear")) for moment in happened.values())


@pytest.mark.parametrize("order", ORDERS, ids=", ".join)
def test_deleting_what_was_cleared_changes_neither_the_log_nor_the_statistics(
    db: "Client", order: Sequence[str]
) -> None:
    activities = {name: activity_of(ActivityType.SCRIPT_CREATED, at(order.index(f"create {name}"))) for name in "AB"}
    for now, step in enumerate(order):
        verb, _, rest = step.partition(" ")
        if verb == "clear":
            delete_cleared(db, "anna", clear_activities(db, "anna", at(now)))
        elif verb == "create":
            record_activity(db, "anna", rest, activities[rest])
        else:
            deliver("anna", rest[0], activities[rest[0]])

    stored = {each.id for each in db.collection("users", "anna", "activities").stream()}
    shown = list_activities(db, "anna", PageRequest(9), cleared_at=at(order.index("clear"))).items
    assert stored == {each.id for each in shown}
    assert find_stats(db, "anna") == recount(db)


def test_an_event_as_eventarc_delivers_it_counts_its_activity(db: "Client", deliver_created: DeliverCreated) -> None:
    record_activity(db, "anna", "j1", activity_of(ActivityType.TOKENS_DEDUCTED))

    deliver_created(on_activity_created, "users/anna/activities/j1_tokens_deducted")

    assert find_stats(db, "anna") == ActivityStats(total_activities=1, last_activity_at=PAST)


def test_activities_that_come_out_of_order_leave_the_last_ones_time(db: "Client") -> None:
    for minute, kind in ((1, ActivityType.SCRIPT_DELETED), (0, ActivityType.SCRIPT_CREATED)):
        activity = activity_of(kind, at(minute))
        record_activity(db, "anna", "s1", activity)
        deliver("anna", "s1", activity)

    assert find_stats(db, "anna").last_activity_at == at(1)


def test_an_activity_that_is_written_again_after_it_was_counted_counts_once(db: "Client") -> None:
    activity = activity_of(ActivityType.VIDEO_GENERATION_STARTED)
    record_activity(db, "anna", "j1", activity)
    deliver("anna", "j1", activity)

    transact(db, lambda transaction: write_activity(transaction, db, "anna", "j1", activity))
    deliver("anna", "j1", activity)

    assert find_stats(db, "anna").total_activities == 1


def test_an_activity_whose_cause_is_delivered_again_after_the_clearing_goes_again(db: "Client") -> None:
    activity = activity_of(ActivityType.SCRIPT_CREATED)
    record_activity(db, "anna", "s1", activity)
    delete_cleared(db, "anna", clear_activities(db, "anna", at(1)))

    record_activity(db, "anna", "s1", activity)
    deliver("anna", "s1", activity)

    assert list(db.collection("users", "anna", "activities").stream()) == []
    assert find_stats(db, "anna").total_activities == 0


@pytest.mark.parametrize(("microseconds", "counted"), [(-1, 0), (0, 0), (1, 1)])
def test_what_happens_until_the_watermark_is_cleared_and_a_microsecond_later_it_is_not(
    db: "Client", microseconds: int, counted: int
) -> None:
    clear_activities(db, "anna", PAST)
    activity = activity_of(ActivityType.SCRIPT_CREATED, PAST + timedelta(microseconds=microseconds))
    record_activity(db, "anna", "s1", activity)

    deliver("anna", "s1", activity)

    assert len(list_activities(db, "anna", PageRequest(9), cleared_at=PAST).items) == counted
    assert find_stats(db, "anna").total_activities == counted


def test_the_watermark_never_goes_back(db: "Client") -> None:
    clear_activities(db, "anna", at(1))

    cleared_at = clear_activities(db, "anna", at(0))

    user = find_user(db, "anna")
    assert user
    assert cleared_at == user.activities_cleared_at == find_stats(db, "anna").cleared_at == at(1)


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "never there"])
def test_an_activity_of_no_account_is_removed_and_leaves_no_statistics(db: "Client", *, deleted: bool) -> None:
    user_id = "anna" if deleted else "nobody"
    if deleted:
        db.document("users", "anna").update({"deletedAt": PAST})
    activity = activity_of(ActivityType.SCRIPT_DELETED)
    record_activity(db, user_id, "s1", activity)

    deliver(user_id, "s1", activity)

    assert list(db.collection("users", user_id, "activities").stream()) == []
    assert not db.document("activityStats", user_id).get().exists


def test_activities_and_events_that_come_at_once_are_all_counted_once(db: "Client") -> None:
    for number in range(6):
        record_activity(db, "anna", f"c{number}", activity_of(ActivityType.CHARACTER_STARRED, at(number)))
    ids = [f"c{number}_character_starred" for number in range(6)]

    def count(activity_id: str) -> bool:
        """As the event is delivered: again, when its function failed. The emulator lets few contend for a document."""
        while True:
            with contextlib.suppress(Unavailable):
                return count_activity(db, "anna", activity_id)

    with ThreadPoolExecutor(max_workers=3) as pool:
        outcomes = list(pool.map(count, ids * 2))

    assert sum(outcomes) == 6
    assert find_stats(db, "anna") == ActivityStats(character_activities=6, total_activities=6, last_activity_at=at(5))


def test_a_long_log_is_deleted_in_chunks_and_what_came_later_stays(db: "Client") -> None:
    batch = db.batch()
    fields = activity_of(ActivityType.SCRIPT_CREATED).to_document()
    for number in range(450):
        batch.set(db.document("users", "anna", "activities", f"a{number}"), fields)
    batch.set(db.document("users", "anna", "activities", "later"), fields | {"timestamp": at(1)})
    batch.commit()

    assert delete_cleared(db, "anna", PAST) == 450
    assert [each.id for each in db.collection("users", "anna", "activities").stream()] == ["later"]
    assert delete_cleared(db, "anna", PAST) == 0


@pytest.mark.parametrize("kind", list(ActivityType))
def test_every_type_counts_for_its_subject_and_the_whole(
    log_activities: LogActivities, db: "Client", kind: str
) -> None:
    log_activities(ActivityType(kind))

    stats = find_stats(db, "anna")
    counted = {
        "script": stats.script_activities,
        "character": stats.character_activities,
        "video": stats.video_activities,
    }
    subject = kind.partition("_")[0]
    assert counted == {name: int(name == subject) for name in counted}
    assert stats.total_activities == 1


def test_the_moment_is_kept_to_the_microsecond(db: "Client") -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

    clear_activities(db, "anna", moment)

    assert find_stats(db, "anna").cleared_at == moment

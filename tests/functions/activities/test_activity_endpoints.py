from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from activities.activity import Activity, ActivityType, record_activity

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
PAST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VIDEO_OBJECT = "videos/anna/" + "b" * 32 + "_1.mp4"


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., User]) -> None:
    make_user("anna")
    make_user("bert")


def logged(db: "Client", *types: ActivityType, user_id: str = "anna", start: datetime = PAST) -> None:
    """One activity of each type, a second apart."""
    for second, kind in enumerate(types):
        activity = Activity(type=kind, message=f"It was {kind}.", timestamp=start + timedelta(seconds=second))
        record_activity(db, user_id, f"cause{second}", activity)


def test_an_activity_has_exactly_these_fields(db: "Client", call_api: CallApi) -> None:
    activity = Activity(
        type=ActivityType.VIDEO_GENERATION_COMPLETED,
        message="Video generation completed successfully for script 'Tea'",
        timestamp=PAST,
        script_id="s1",
        video_object=VIDEO_OBJECT,
    )
    record_activity(db, "anna", "j1", activity)

    status, body, _ = call_api("GET", "/api/my-activities", user_id="anna")

    video_path = body["activities"][0].pop("videoPath")
    assert status == 200
    assert body == {
        "activities": [
            {
                "id": "j1_video_generation_completed",
                "type": "video_generation_completed",
                "message": "Video generation completed successfully for script 'Tea'",
                "timestamp": "2026-01-02T03:04:05Z",
                "scriptId": "s1",
                "characterId": None,
            }
        ],
        "totalCount": 1,
        "limit": 50,
    }
    assert video_path.startswith(f"/api/videos/anna/{'b' * 32}_1.mp4?expires=")


def test_the_list_holds_the_callers_newest_and_counts_all(db: "Client", call_api: CallApi) -> None:
    logged(db, ActivityType.SCRIPT_CREATED, ActivityType.SCRIPT_UPDATED, ActivityType.SCRIPT_DELETED)
    logged(db, ActivityType.CHARACTER_CREATED, user_id="bert")

    body = call_api("GET", "/api/my-activities?limit=2", user_id="anna").body

    assert [each["type"] for each in body["activities"]] == ["script_deleted", "script_updated"]
    assert (body["totalCount"], body["limit"]) == (3, 2)


@pytest.mark.parametrize(("asked", "applied"), [("0", 1), ("-1", 1), ("1000", 100), ("", 50)])
def test_a_limit_is_brought_into_its_range_and_told(call_api: CallApi, asked: str, applied: int) -> None:
    assert call_api("GET", f"/api/my-activities?limit={asked}", user_id="anna").body["limit"] == applied


def test_a_limit_that_is_no_number_is_refused(call_api: CallApi) -> None:
    assert call_api("GET", "/api/my-activities?limit=1.5", user_id="anna").status == 422


def test_the_statistics_count_by_subject(db: "Client", call_api: CallApi) -> None:
    logged(db, *ActivityType)
    logged(db, ActivityType.SCRIPT_CREATED, user_id="bert")

    status, body, _ = call_api("GET", "/api/my-activity-stats", user_id="anna")

    assert status == 200
    assert body == {
        "scriptActivities": 3,
        "characterActivities": 5,
        "videoActivities": 3,
        "totalActivities": 15,
        "lastActivityAt": "2026-01-02T03:04:19Z",
    }


def test_the_statistics_of_an_empty_log_are_zeros(call_api: CallApi) -> None:
    assert call_api("GET", "/api/my-activity-stats", user_id="anna").body == {
        "scriptActivities": 0,
        "characterActivities": 0,
        "videoActivities": 0,
        "totalActivities": 0,
        "lastActivityAt": None,
    }


def test_a_cleared_log_is_empty_and_its_documents_are_gone(db: "Client", call_api: CallApi) -> None:
    logged(db, *ActivityType)

    status, body, _ = call_api("DELETE", "/api/my-activities", user_id="anna")

    assert (status, body) == (200, {"message": "All activities cleared successfully", "success": True})
    assert call_api("GET", "/api/my-activities", user_id="anna").body["totalCount"] == 0
    assert list(db.collection("users", "anna", "activities").stream()) == []


def test_clearing_leaves_the_logs_of_others_alone(db: "Client", call_api: CallApi) -> None:
    logged(db, ActivityType.SCRIPT_CREATED, user_id="bert")

    call_api("DELETE", "/api/my-activities", user_id="anna")

    assert call_api("GET", "/api/my-activities", user_id="bert").body["totalCount"] == 1


def test_an_event_delivered_after_the_clearing_that_happened_before_is_not_shown(
    db: "Client", call_api: CallApi
) -> None:
    call_api("DELETE", "/api/my-activities", user_id="anna")
    logged(db, ActivityType.SCRIPT_CREATED)

    listed = call_api("GET", "/api/my-activities", user_id="anna").body
    statistics = call_api("GET", "/api/my-activity-stats", user_id="anna").body

    assert (listed["activities"], listed["totalCount"]) == ([], 0)
    assert (statistics["scriptActivities"], statistics["totalActivities"], statistics["lastActivityAt"]) == (0, 0, None)


def test_what_happens_after_the_clearing_is_shown(db: "Client", call_api: CallApi) -> None:
    logged(db, ActivityType.SCRIPT_CREATED)
    call_api("DELETE", "/api/my-activities", user_id="anna")
    logged(db, ActivityType.SCRIPT_UPDATED, ActivityType.TOKENS_DEDUCTED, start=datetime.now(UTC))

    listed = call_api("GET", "/api/my-activities?limit=1", user_id="anna").body
    statistics = call_api("GET", "/api/my-activity-stats", user_id="anna").body

    assert ([each["type"] for each in listed["activities"]], listed["totalCount"]) == (["tokens_deducted"], 2)
    assert (statistics["scriptActivities"], statistics["totalActivities"]) == (1, 2)


def test_a_clearing_deletes_at_most_400_documents_and_shows_none(db: "Client", call_api: CallApi) -> None:
    batch = db.batch()
    activity = Activity(type=ActivityType.SCRIPT_CREATED, message="m", timestamp=PAST).to_document()
    for number in range(401):
        batch.set(db.document("users", "anna", "activities", f"a{number}"), activity)
    batch.commit()

    call_api("DELETE", "/api/my-activities", user_id="anna")

    assert len(list(db.collection("users", "anna", "activities").stream())) == 1
    assert call_api("GET", "/api/my-activities", user_id="anna").body["totalCount"] == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/my-activities"), ("DELETE", "/api/my-activities"), ("GET", "/api/my-activity-stats")],
)
def test_a_log_needs_a_signed_in_user(call_api: CallApi, method: str, path: str) -> None:
    assert call_api(method, path).status == 401

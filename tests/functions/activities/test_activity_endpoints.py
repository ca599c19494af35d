from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from activities.activity import Activity, ActivityType, record_activity
from gcp.page import NEXT_PAGE_HEADER
from tests.functions.activities.conftest import PAST, LogActivities, deliver

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
VIDEO_OBJECT = "videos/anna/" + "b" * 32 + "_1.mp4"


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., User]) -> None:
    make_user("anna")
    make_user("bert")


def test_an_activity_has_exactly_these_fields(db: "Client", call_api: CallApi) -> None:
    activity = Activity(
        type=ActivityType.VIDEO_GENERATION_COMPLETED,
        message="Video generation completed successfully for script 'Tea'",
        timestamp=PAST,
        script_id="s1",
        video_object=VIDEO_OBJECT,
    )
    record_activity(db, "anna", "j1", activity)
    deliver("anna", "j1", activity)

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


def test_the_list_holds_the_callers_newest_and_counts_all(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(ActivityType.SCRIPT_CREATED, ActivityType.SCRIPT_UPDATED, ActivityType.SCRIPT_DELETED)
    log_activities(ActivityType.CHARACTER_CREATED, user_id="bert")

    body = call_api("GET", "/api/my-activities?limit=2", user_id="anna").body

    assert [each["type"] for each in body["activities"]] == ["script_deleted", "script_updated"]
    assert (body["totalCount"], body["limit"]) == (3, 2)


def test_the_total_is_never_smaller_than_what_is_listed(db: "Client", call_api: CallApi) -> None:
    activity = Activity(type=ActivityType.SCRIPT_CREATED, message="m", timestamp=PAST)
    record_activity(db, "anna", "not counted yet", activity)

    assert call_api("GET", "/api/my-activities", user_id="anna").body["totalCount"] == 1


@pytest.mark.parametrize("path", ["/api/my-activities", "/api/my-activities-combined"])
@pytest.mark.parametrize("limit", [1, 2, 4, 5, 6])
def test_pages_walk_the_whole_log_in_order(db: "Client", call_api: CallApi, path: str, limit: int) -> None:
    for number, second in enumerate((0, 1, 1, 1, 2)):
        moment = PAST + timedelta(seconds=second)
        activity = Activity(type=ActivityType.SCRIPT_CREATED, message="m", timestamp=moment)
        record_activity(db, "anna", f"s{number}", activity)

    walked, token = [], ""
    while token is not None:
        answered = call_api("GET", f"{path}?limit={limit}&pageToken={token}", user_id="anna")
        walked.append([each["id"].partition("_")[0] for each in answered.body["activities"]])
        token = answered.headers.get(NEXT_PAGE_HEADER)

    assert [each for page in walked for each in page] == ["s4", "s3", "s2", "s1", "s0"]
    assert [len(page) for page in walked[:-1]] == [limit] * (len(walked) - 1)


@pytest.mark.parametrize("cause", ["adjustment_März gift, 3", "__x__", "a" * 900, "."])
def test_a_page_may_end_at_what_an_admin_named(db: "Client", call_api: CallApi, cause: str) -> None:
    for second, each in enumerate(("s1", cause)):
        moment = PAST + timedelta(seconds=second)
        record_activity(db, "anna", each, Activity(type=ActivityType.TOKENS_ADJUSTED, message="m", timestamp=moment))
    token = call_api("GET", "/api/my-activities?limit=1", user_id="anna").headers[NEXT_PAGE_HEADER]

    answered = call_api("GET", f"/api/my-activities?limit=1&pageToken={token}", user_id="anna")

    assert [each["id"] for each in answered.body["activities"]] == ["s1_tokens_adjusted"]


def test_without_a_limit_a_page_holds_fifty(db: "Client", call_api: CallApi) -> None:
    for number in range(51):
        moment = PAST + timedelta(seconds=number)
        activity = Activity(type=ActivityType.SCRIPT_CREATED, message="m", timestamp=moment)
        record_activity(db, "anna", f"s{number}", activity)

    answered = call_api("GET", "/api/my-activities", user_id="anna")

    assert len(answered.body["activities"]) == 50
    assert NEXT_PAGE_HEADER in answered.headers


def test_a_token_that_is_none_of_ours_is_refused(call_api: CallApi) -> None:
    assert call_api("GET", "/api/my-activities-combined?pageToken=x", user_id="anna").status == 422


def test_the_combined_answer_is_the_list_and_the_statistics(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(*ActivityType)

    combined = call_api("GET", "/api/my-activities-combined?limit=3", user_id="anna").body

    listed = call_api("GET", "/api/my-activities?limit=3", user_id="anna").body
    stats = call_api("GET", "/api/my-activity-stats", user_id="anna").body
    assert combined == {"activities": listed["activities"], "stats": stats}


@pytest.mark.parametrize(("asked", "applied"), [("0", 1), ("-1", 1), ("1000", 100), ("", 50)])
def test_a_limit_is_brought_into_its_range_and_told(call_api: CallApi, asked: str, applied: int) -> None:
    assert call_api("GET", f"/api/my-activities?limit={asked}", user_id="anna").body["limit"] == applied


def test_a_limit_that_is_no_number_is_refused(call_api: CallApi) -> None:
    assert call_api("GET", "/api/my-activities?limit=1.5", user_id="anna").status == 422


def test_the_statistics_count_by_subject(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(*ActivityType)
    log_activities(ActivityType.SCRIPT_CREATED, user_id="bert")

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


def test_a_cleared_log_is_empty_at_once(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(*ActivityType)

    status, body, _ = call_api("DELETE", "/api/my-activities", user_id="anna")

    listed = call_api("GET", "/api/my-activities", user_id="anna").body
    assert (status, body) == (200, {"message": "All activities cleared successfully", "success": True})
    assert (listed["activities"], listed["totalCount"]) == ([], 0)
    assert call_api("GET", "/api/my-activity-stats", user_id="anna").body["lastActivityAt"] is None


def test_clearing_leaves_the_logs_of_others_alone(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(ActivityType.SCRIPT_CREATED, user_id="bert")

    call_api("DELETE", "/api/my-activities", user_id="anna")

    assert call_api("GET", "/api/my-activities", user_id="bert").body["totalCount"] == 1


def test_an_event_delivered_after_the_clearing_that_happened_before_is_not_shown(
    call_api: CallApi, log_activities: LogActivities
) -> None:
    call_api("DELETE", "/api/my-activities", user_id="anna")
    log_activities(ActivityType.SCRIPT_CREATED)

    combined = call_api("GET", "/api/my-activities-combined", user_id="anna").body

    assert combined["activities"] == []
    assert (combined["stats"]["totalActivities"], combined["stats"]["lastActivityAt"]) == (0, None)


def test_what_happens_after_the_clearing_is_shown(call_api: CallApi, log_activities: LogActivities) -> None:
    log_activities(ActivityType.SCRIPT_CREATED)
    call_api("DELETE", "/api/my-activities", user_id="anna")
    log_activities(ActivityType.SCRIPT_UPDATED, ActivityType.TOKENS_DEDUCTED, start=datetime.now(UTC))

    listed = call_api("GET", "/api/my-activities?limit=1", user_id="anna").body
    statistics = call_api("GET", "/api/my-activity-stats", user_id="anna").body

    assert ([each["type"] for each in listed["activities"]], listed["totalCount"]) == (["tokens_deducted"], 2)
    assert (statistics["scriptActivities"], statistics["totalActivities"]) == (1, 2)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/my-activities"),
        ("DELETE", "/api/my-activities"),
        ("GET", "/api/my-activity-stats"),
        ("GET", "/api/my-activities-combined"),
    ],
)
def test_a_log_needs_a_signed_in_user(call_api: CallApi, method: str, path: str) -> None:
    assert call_api(method, path).status == 401

"""Reading, editing and deleting scripts on the Firestore emulator."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.users import User
from contracts.video_job import JobStatus, StepName, VideoFile, VideoJob
from gcp.page import NEXT_PAGE_HEADER
from scripts.script import DialogueLine, Script
from scripts.store import create_script, find_script, new_script_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client

CallApi = Callable[..., Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROMPT = "Write a funny dialogue about tea."
LINE_OBJECT = "lines/anna/" + "a" * 64 + ".wav"
VIDEO = VideoFile(object_name="videos/anna/" + "b" * 32 + "_1.mp4", duration_seconds=4.5, size_bytes=90)


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., User]) -> None:
    make_user("anna", tokens=7)
    make_user("bert")


def stored_script(
    db: "Client", *, owner_id: str = "anna", job_id: str | None = None, video: VideoFile | None = None, age: int = 0
) -> Script:
    script = Script(
        id=new_script_id(),
        owner_id=owner_id,
        selected_characters=("tom", "eva"),
        original_prompt=PROMPT,
        dialogue=(
            DialogueLine(speaker="tom", text="Tea.", audio_object=LINE_OBJECT),
            DialogueLine(speaker="eva", text="Coffee."),
        ),
        created_at=NOW - timedelta(seconds=age),
        updated_at=NOW,
        video_job_id=job_id,
        video=video,
    )
    create_script(db, script)
    return script


def stored_job(db: "Client", status: JobStatus, **fields: object) -> str:
    job_id = "b" * 32
    job = VideoJob(
        job_id=job_id,
        script_id="s",
        user_id="anna",
        title="t",
        status=status,
        price_tokens=1,
        background_video="b.mp4",
        created_at=NOW,
        deadline_at=NOW,
    ).model_copy(update=fields)
    db.document("videoJobs", job_id).set(job.to_document())
    return job_id


def test_a_script_that_never_had_a_job_has_exactly_these_fields(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db)

    status, body, _ = call_api("GET", f"/api/scripts/{script.id}", user_id="anna")

    dialogue = body.pop("dialogue")
    assert (status, len(dialogue)) == (200, 2)
    assert body == {
        "id": script.id,
        "selectedCharacters": ["tom", "eva"],
        "originalPrompt": PROMPT,
        "createdAt": "2026-01-02T03:04:05Z",
        "updatedAt": "2026-01-02T03:04:05Z",
        "hasAudio": True,
        "audioCount": 1,
        "finalVideoPath": None,
        "videoDuration": None,
        "videoSize": None,
        "videoJobId": None,
        "videoJobStatus": None,
        "videoJobProgress": 0.0,
        "videoJobCurrentStep": None,
        "videoJobStartedAt": None,
        "videoJobCompletedAt": None,
        "videoJobErrorMessage": None,
    }


def test_the_list_holds_the_callers_scripts_and_tokens(db: "Client", call_api: CallApi) -> None:
    older, newer = stored_script(db, age=9), stored_script(db, age=3)
    stored_script(db, owner_id="bert")

    status, body, _ = call_api("GET", "/api/my-scripts", user_id="anna")

    assert status == 200
    assert ([script["id"] for script in body["scripts"]], body["userTokens"]) == ([newer.id, older.id], 7)


@pytest.mark.parametrize(
    ("limit", "count"), [("1", 1), ("0", 1), ("-5", 1), ("2", 2), ("1000", 3), ("9" * 50, 3), ("", 3)]
)
def test_a_limit_is_brought_into_its_range(db: "Client", call_api: CallApi, limit: str, count: int) -> None:
    for age in range(3):
        stored_script(db, age=age)

    _, body, _ = call_api("GET", f"/api/my-scripts?limit={limit}", user_id="anna")

    assert len(body["scripts"]) == count


def test_a_limit_that_is_no_number_is_refused(call_api: CallApi) -> None:
    status, body, _ = call_api("GET", "/api/my-scripts?limit=many", user_id="anna")

    assert (status, body["detail"][0]["loc"]) == (422, ["query", "limit"])


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_walk_all_scripts_and_leave_the_body_as_it_is(db: "Client", call_api: CallApi, limit: int) -> None:
    scripts = [stored_script(db, age=age) for age in (0, 1, 1, 2)]
    stored_script(db, owner_id="bert")

    walked, token = [], ""
    while token is not None:
        answered = call_api("GET", f"/api/my-scripts?limit={limit}&pageToken={token}", user_id="anna")
        assert (set(answered.body), answered.body["userTokens"]) == ({"scripts", "userTokens"}, 7)
        walked.append([script["id"] for script in answered.body["scripts"]])
        token = answered.headers.get(NEXT_PAGE_HEADER)

    tied = sorted((scripts[1].id, scripts[2].id), reverse=True)
    assert [each for page in walked for each in page] == [scripts[0].id, *tied, scripts[3].id]
    assert [len(page) for page in walked[:-1]] == [limit] * (len(walked) - 1)


JOBS: dict[str, tuple[JobStatus, dict[str, object], dict[str, object]]] = {
    "queued": (JobStatus.QUEUED, {}, {"Status": "queued", "Progress": 0.0, "CurrentStep": "", "ErrorMessage": None}),
    "in progress": (
        JobStatus.IN_PROGRESS,
        {"overall_progress": 42.5, "current_step": StepName.AUDIO_GENERATION},
        {"Status": "in_progress", "Progress": 42.5, "CurrentStep": "audio_generation", "ErrorMessage": None},
    ),
    "failed": (
        JobStatus.FAILED,
        {"error_message": "The voice failed."},
        {"Status": "failed", "Progress": 0.0, "CurrentStep": "", "ErrorMessage": "The voice failed."},
    ),
    "cancelled": (
        JobStatus.CANCELLED,
        {},
        {"Status": "failed", "Progress": 0.0, "CurrentStep": "", "ErrorMessage": "Cancelled"},
    ),
}


@pytest.mark.parametrize(("status", "fields", "shown"), JOBS.values(), ids=JOBS)
def test_a_script_shows_its_newest_job(
    db: "Client", call_api: CallApi, status: JobStatus, fields: dict[str, object], shown: dict[str, object]
) -> None:
    job_id = stored_job(db, status, **fields)
    stored_script(db, job_id=job_id)

    script = call_api("GET", "/api/my-scripts", user_id="anna").body["scripts"][0]

    assert {"Id": job_id, **shown} == {name: script[f"videoJob{name}"] for name in ("Id", *shown)}


def test_the_jobs_of_a_page_are_read_at_once_and_given_to_their_scripts(db: "Client", call_api: CallApi) -> None:
    job_id = stored_job(db, JobStatus.QUEUED)
    with_job, without = stored_script(db, job_id=job_id), stored_script(db)

    scripts = call_api("GET", "/api/my-scripts", user_id="anna").body["scripts"]

    assert {script["id"]: script["videoJobId"] for script in scripts} == {with_job.id: job_id, without.id: None}


def test_a_script_whose_job_is_gone_is_still_answered(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db, job_id="d" * 32)

    status, body, _ = call_api("GET", f"/api/scripts/{script.id}", user_id="anna")

    assert (status, body["videoJobStatus"]) == (200, None)


def test_media_is_given_as_paths_that_carry_a_signature(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db, video=VIDEO)

    body = call_api("GET", f"/api/scripts/{script.id}", user_id="anna").body

    video_path, line_path = body["finalVideoPath"], body["dialogue"][0]["audioFile"]
    assert video_path.startswith(f"/api/videos/anna/{'b' * 32}_1.mp4?expires=")
    assert line_path.startswith(f"/api/static/audio_files/anna/{'a' * 64}.wav?expires=")
    assert all("&signature=" in path for path in (video_path, line_path))
    assert (body["videoDuration"], body["videoSize"]) == (4.5, 90)


def test_the_audio_status_counts_the_lines(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db, job_id=stored_job(db, JobStatus.FAILED))

    status, body, _ = call_api("GET", f"/api/scripts/{script.id}/audio-status", user_id="anna")

    assert status == 200
    assert body == {
        "scriptId": script.id,
        "status": "partial",
        "totalLines": 2,
        "processedLines": 2,
        "completedLines": 1,
        "failedLines": 1,
    }


@pytest.mark.parametrize("job_id", [None, "d" * 32], ids=["never had a job", "the job's document is gone"])
def test_without_a_job_the_audio_status_is_of_the_lines_alone(
    db: "Client", call_api: CallApi, job_id: str | None
) -> None:
    script = stored_script(db, job_id=job_id)

    body = call_api("GET", f"/api/scripts/{script.id}/audio-status", user_id="anna").body

    assert (body["status"], body["completedLines"], body["failedLines"]) == ("partial", 1, 0)


@pytest.mark.parametrize(
    ("user_id", "script_of", "status"),
    [("anna", "anna", 200), ("bert", "anna", 404), (None, "anna", 401), ("anna", "nobody", 404), ("anna", "x y", 404)],
    ids=["owner", "stranger", "nobody", "no such id", "malformed id"],
)
def test_the_audio_status_is_the_owners(
    db: "Client", call_api: CallApi, user_id: str | None, script_of: str, status: int
) -> None:
    script_id = {"anna": stored_script(db).id, "nobody": "0" * 32, "x y": "__x y__"}[script_of]

    assert call_api("GET", f"/api/scripts/{script_id}/audio-status", user_id=user_id).status == status


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"dialogue": []}), ("DELETE", None)])
def test_a_script_needs_a_signed_in_user(db: "Client", call_api: CallApi, method: str, body: object) -> None:
    script = stored_script(db)

    assert call_api(method, f"/api/scripts/{script.id}", body=body).status == 401


@pytest.mark.parametrize("script_of", ["bert", "nobody"])
@pytest.mark.parametrize(
    ("method", "body"),
    [("GET", None), ("PUT", {"dialogue": [{"speaker": "tom", "text": "Mine."}]}), ("DELETE", None)],
)
def test_a_foreign_script_is_refused_as_a_missing_one(
    db: "Client", call_api: CallApi, method: str, body: object, script_of: str
) -> None:
    script_id = stored_script(db, owner_id="bert").id if script_of == "bert" else "0" * 32

    status, answer, _ = call_api(method, f"/api/scripts/{script_id}", user_id="anna", body=body)

    assert (status, answer["detail"]) == (404, "There is no such script.")


@pytest.mark.parametrize("script_id", ["..", "__x__", "%00", "x" * 3000])
def test_a_text_that_is_no_id_is_a_missing_script(call_api: CallApi, script_id: str) -> None:
    assert call_api("GET", f"/api/scripts/{script_id}", user_id="anna").status == 404


def test_edited_lines_are_answered_and_a_sent_audio_file_is_ignored(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db)
    lines = [
        {"speaker": "eva", "text": "  Milk,\nplease. ", "audioFile": "/api/static/audio_files/bert/x.wav", "tokens": 9},
        {"speaker": "tom", "text": "Tea."},
    ]

    status, body, _ = call_api("PUT", f"/api/scripts/{script.id}", user_id="anna", body={"dialogue": lines})

    assert (status, body["audioCount"]) == (200, 1)
    assert body["dialogue"][0] == {"speaker": "eva", "text": "Milk, please.", "audioFile": ""}
    assert body["dialogue"][1]["audioFile"].startswith(f"/api/static/audio_files/anna/{'a' * 64}.wav?")


EDITS: dict[str, list[str]] = {
    "added": ["Tea.", "Coffee.", "Milk."],
    "removed": ["Coffee."],
    "reordered": ["Coffee.", "Tea."],
    "the same twice": ["Tea.", "Tea."],
}


@pytest.mark.parametrize("texts", EDITS.values(), ids=EDITS)
def test_lines_are_added_removed_and_reordered_and_keep_their_audio(
    db: "Client", call_api: CallApi, texts: list[str]
) -> None:
    script = stored_script(db)
    speakers = {"Tea.": "tom", "Coffee.": "eva", "Milk.": "tom"}
    body = {"dialogue": [{"speaker": speakers[text], "text": text} for text in texts]}

    answered = call_api("PUT", f"/api/scripts/{script.id}", user_id="anna", body=body).body

    assert [line["text"] for line in answered["dialogue"]] == texts
    assert [bool(line["audioFile"]) for line in answered["dialogue"]] == [text == "Tea." for text in texts]


def test_a_script_whose_characters_are_gone_can_be_edited(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db)
    body = {"dialogue": [{"speaker": "tom", "text": "Still here."}]}

    assert call_api("PUT", f"/api/scripts/{script.id}", user_id="anna", body=body).status == 200


LINE = {"speaker": "tom", "text": "Tea."}
BAD_DIALOGUES: dict[str, object] = {
    "no lines": [],
    "101 lines": [LINE] * 101,
    "an empty text": [LINE | {"text": ""}],
    "a text of spaces": [LINE | {"text": " \n "}],
    "401 characters": [LINE | {"text": "x" * 401}],
    "a control character": [LINE | {"text": "a\x00b"}],
    "nothing to see": [LINE | {"text": "\u200b\u202e"}],
    "a foreign speaker": [LINE, LINE | {"speaker": "zoe"}],
    "no speaker": [{"text": "Tea."}],
    "a number for a text": [LINE | {"text": 7}],
    "an object": {"0": LINE},
    "null": None,
}


@pytest.mark.parametrize("dialogue", BAD_DIALOGUES.values(), ids=BAD_DIALOGUES)
def test_a_dialogue_that_breaks_a_rule_changes_nothing(db: "Client", call_api: CallApi, dialogue: object) -> None:
    script = stored_script(db)

    status, body, _ = call_api("PUT", f"/api/scripts/{script.id}", user_id="anna", body={"dialogue": dialogue})

    assert (status, body["detail"][0]["loc"][:2]) == (422, ["body", "dialogue"])
    assert find_script(db, script.id) == script


def test_a_hundred_lines_of_four_hundred_characters_are_taken(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db)
    dialogue = [{"speaker": "tom", "text": "\U0001f600" * 400}] * 100

    assert call_api("PUT", f"/api/scripts/{script.id}", user_id="anna", body={"dialogue": dialogue}).status == 200


def test_a_deleted_script_is_answered_with_its_media(db: "Client", call_api: CallApi) -> None:
    script = stored_script(db, video=VIDEO)

    status, body, _ = call_api("DELETE", f"/api/scripts/{script.id}", user_id="anna")

    assert status == 200
    assert body == {
        "message": f"Script '{script.id}' deleted successfully",
        "deletedMediaFiles": [LINE_OBJECT, VIDEO.object_name],
        "deletedCount": 2,
    }
    assert find_script(db, script.id) is None

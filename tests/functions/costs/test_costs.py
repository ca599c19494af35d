"""What each operation reads from and writes to Firestore, and that this does not grow with what is there."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from accounts.users import User
from config import platform
from config.platform import effective_config
from gcp import clients
from gcp.settings import settings
from local.addresses import ROOT
from local.writer_server import Desk
from routes import ROUTES
from tests.functions.accounts.conftest import PASSWORD, FirebaseAuth
from tests.functions.characters.conftest import Forms, Send
from tests.functions.costs.counting import Counted, count_calls
from tests.functions.costs.documents import LINES, TWO, character_id, documents, script_id
from tests.functions.things import NOW, PROMPT
from tests.functions.videos.conftest import RenderQueue
from videos.jobs import start_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client

FEW, MANY = 5, 500
# A page that both databases fill, and one document more, by which a list knows that there is another page.
LIMIT = FEW - 1
COSTS = ROOT / "docs" / "costs.md"
# These read and write no document: what they need is in their path or in the bucket.
WITHOUT_DATABASE = {"get_picture", "get_recording", "get_video"}


class Request(NamedTuple):
    """One call of the operation; `path` is where it goes, `upload` whether it is a form with files."""

    function: str
    method: str
    path: str
    body: Any = None
    upload: bool = False
    is_signed_in: bool = True


SCRIPT, JOB, CHARACTER = script_id(1), script_id(1), character_id(1)
STARTED_JOB = "f" * 32
SIGN_IN = {"email": "new@example.com", "password": PASSWORD}

# In this order: what is read first, what is deleted last.
REQUESTS = (
    Request("signup", "POST", "/api/signup", SIGN_IN | {"name": "New"}, is_signed_in=False),
    Request("login", "POST", "/api/login", SIGN_IN, is_signed_in=False),
    Request("get_me", "GET", "/api/me"),
    Request("get_my_data", "GET", f"/api/my-data?limit={LIMIT}"),
    Request("list_characters", "GET", f"/api/characters?limit={LIMIT}"),
    Request("list_my_characters", "GET", f"/api/my-characters?limit={LIMIT}"),
    Request("list_my_favorites", "GET", f"/api/my-favorites?limit={LIMIT}"),
    Request("list_characters_combined", "GET", f"/api/characters-combined?limit={LIMIT}"),
    Request("get_character", "GET", f"/api/characters/{CHARACTER}"),
    Request("list_my_scripts", "GET", f"/api/my-scripts?limit={LIMIT}"),
    Request("get_script", "GET", f"/api/scripts/{SCRIPT}"),
    Request("get_audio_status", "GET", f"/api/scripts/{SCRIPT}/audio-status"),
    Request("get_video_status", "GET", f"/api/scripts/{SCRIPT}/video-status"),
    Request("get_script_video_job", "GET", f"/api/scripts/{SCRIPT}/video-job"),
    Request("get_video_job", "GET", f"/api/video-jobs/{JOB}"),
    Request("list_my_video_jobs", "GET", f"/api/my-video-jobs?limit={LIMIT}"),
    Request("list_my_activities", "GET", f"/api/my-activities?limit={LIMIT}"),
    Request("get_my_activity_stats", "GET", "/api/my-activity-stats"),
    Request("list_my_activities_combined", "GET", f"/api/my-activities-combined?limit={LIMIT}"),
    Request("list_backgrounds", "GET", f"/api/backgrounds?limit={LIMIT}"),
    Request("get_health", "GET", "/api/health", is_signed_in=False),
    Request("create_feedback", "POST", "/api/feedback", {"message": "Good."}),
    Request("star_character", "POST", f"/api/characters/{CHARACTER}/star"),
    Request("unstar_character", "DELETE", f"/api/characters/{CHARACTER}/star"),
    Request("create_character", "POST", "/api/characters/complete", upload=True),
    Request("update_character", "PUT", f"/api/characters/{CHARACTER}", upload=True),
    Request("generate_script", "POST", "/api/scripts/generate", {"selectedCharacters": TWO, "prompt": PROMPT}),
    Request("update_script", "PUT", f"/api/scripts/{SCRIPT}", {"dialogue": LINES}),
    Request("generate_video", "POST", f"/api/scripts/{SCRIPT}/generate-video", {"backgroundVideo": "sea1.mp4"}),
    Request("cancel_video_job", "POST", f"/api/video-jobs/{STARTED_JOB}/cancel"),
    Request("clear_my_activities", "DELETE", "/api/my-activities"),
    Request("delete_script", "DELETE", f"/api/scripts/{script_id(2)}"),
    Request("delete_character", "DELETE", f"/api/characters/{character_id(2)}"),
    Request("refresh_token", "POST", "/api/refresh-token"),
    Request("delete_me", "DELETE", "/api/me"),
)


@pytest.fixture
def measure(
    *,
    db: "Client",
    auth: FirebaseAuth,
    make_user: Callable[..., User],
    call_api: Callable[..., Any],
    send: Send,
    forms: Forms,
    writer: Desk,
    render_queue: RenderQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[int], dict[str, tuple[int, int]]]:
    """A function that gives each operation's reads and writes, by its name, with so many documents of each kind."""
    assert writer
    assert render_queue

    def answered(request: Request, user_id: str) -> int:
        caller = user_id if request.is_signed_in else None
        if not request.upload:
            status: int = call_api(request.method, request.path, user_id=caller, body=request.body).status
            return status
        field = "imageFiles" if request.method == "POST" else "newImageFiles"
        uploads = [("audioFile", forms.recording), (field, forms.picture)]
        fields = {"displayName": "Ada"}
        return send(request.method, request.path, user_id=caller, fields=fields, uploads=uploads).status_code

    def count(number: int) -> dict[str, tuple[int, int]]:
        user_id = auth.sign_up("ann@example.com").user_id
        make_user(user_id)
        fill(db, user_id, number)
        start_job(db, job_id=STARTED_JOB, user_id=user_id, script_id=script_id(3), background_video="sea2.mp4", now=NOW)
        # Read once, and counted with no operation, however long all of them take.
        monkeypatch.setattr(platform, "_CACHE_SECONDS", math.inf)
        effective_config(clients.firestore())
        counted = count_calls(clients.firestore())
        return {each.function: cost(counted, each, answered(each, user_id)) for each in REQUESTS}

    def cost(counted: Counted, request: Request, status: int) -> tuple[int, int]:
        assert status == 200, f"{request.function}: {status}"
        spent = counted.reads, counted.writes
        counted.reads = counted.writes = 0
        return spent

    return count


def fill(db: "Client", user_id: str, number: int) -> None:
    """The user has so many of everything."""
    writer = db.bulk_writer()
    for each in range(number):
        moment = NOW + timedelta(seconds=each)
        for path, fields in documents(user_id, each, moment):
            writer.set(db.document(path), fields)
    stars = {character_id(each): NOW for each in range(number) if each != 1}
    writer.set(db.document("stars", user_id), {"characters": stars})
    writer.close()  # type: ignore[no-untyped-call]  # the package leaves it so


def table(costs: dict[str, tuple[int, int]]) -> str:
    """The costs as docs/costs.md has them, in the order of the route table."""
    lines = ["| operation | reads | writes |", "|---|---:|---:|"]
    for route in ROUTES:
        reads, writes = costs.get(route.function, (0, 0))
        lines.append(f"| {route.method} {route.path} | {reads} | {writes} |")
    return "\n".join(lines)


def test_every_operation_is_counted() -> None:
    assert {each.function for each in REQUESTS} | WITHOUT_DATABASE == {route.function for route in ROUTES}


@pytest.mark.parametrize("number", [FEW, MANY])
def test_an_operation_costs_what_the_table_says_however_much_there_is(
    measure: Callable[[int], dict[str, tuple[int, int]]], number: int
) -> None:
    measured = table(measure(number))

    assert measured in COSTS.read_text(), f"docs/costs.md should have:\n{measured}"


def test_a_known_network_adds_what_the_document_says(
    auth: FirebaseAuth, call_api: Callable[..., Any], product: pytest.MonkeyPatch
) -> None:
    assert auth
    product.setattr(platform, "_CACHE_SECONDS", math.inf)
    effective_config(clients.firestore())
    counted = count_calls(clients.firestore())
    spent: dict[str, list[tuple[int, int]]] = {"signup": [], "login": []}

    for number, trusted_hops in enumerate(("0", "1")):
        product.setenv("TRUSTED_HOPS", trusted_hops)
        settings.cache_clear()
        for operation, costs in spent.items():
            counted.reads = counted.writes = 0
            body = {"name": "New", "email": f"new{number}@example.com", "password": PASSWORD}
            answer = call_api("POST", f"/api/{operation}", body=body, headers={"X-Forwarded-For": "203.0.113.9"})
            assert answer.status == 200
            costs.append((counted.reads, counted.writes))

    added = {name: (known[0] - none[0], known[1] - none[1]) for name, (none, known) in spent.items()}
    assert added == {"signup": (1, 2), "login": (2, 2)}
    sentence = "a login costs two reads and two writes more, and a sign-up one read and two writes"
    assert sentence in " ".join(COSTS.read_text().split())

"""Names that lead elsewhere: in paths, in bodies, in queries. They find nothing, change nothing and break nothing."""

import base64
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from config import platform
from gcp import clients
from gcp.settings import settings
from routes import ROUTES, Access, Route
from tests.attacks.conftest import Ask, MakeUser
from tests.functions.killed import everything
from tests.functions.things import JOB_ID, PICTURES, SCRIPT_ID

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

# As they stand in a request line; a path's part never has a slash, so that these are written with %2f.
HOSTILE_NAMES = (
    "..",
    "%2e%2e",
    "%252e%252e%252f",
    "..%2fusers%2fann",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..%5cwindows%5cwin.ini",
    "%00",
    "tom%00",
    "tom%00.png",
    "tom%0a",
    "tom%0d%0aX-Injected%3a1",
    "%20tom",
    "TOM",
    "tom%2e",
    "t%c3%b6m",
    "%ff%fe",
    "%c0%ae%c0%ae%c0%af",
    "%ef%bc%8e%ef%bc%8e%ef%bc%8fusers",
    "%e2%80%aemot",
    "%e2%80%8btom",
    "__id7__",
    "__proto__",
    "constructor",
    "users",
    "users%2fann",
    "tom%2f..%2feva",
    "tom;eva",
    "tom%3feva",
    "%23tom",
    "*",
    "%25s",
    "$%7bjndi%3aldap%3a%2f%2f127.0.0.1%2fa%7d",
    "'%20OR%201=1%20--",
    "null",
    "0",
    "-1",
    "x" * 1_501,
    "%f0%9f%98%80" * 300,
)
VARIABLES = [
    (route, variable)
    for route in ROUTES
    for variable in ("characterId", "scriptId", "jobId", "ownerId", "fileName")
    if f"{{{variable}}}" in route.path
]
GOOD = {"characterId": "tom", "scriptId": SCRIPT_ID, "jobId": JOB_ID, "ownerId": "ann"}


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(
    ("route", "variable"), VARIABLES, ids=[f"{route.function}: {variable}" for route, variable in VARIABLES]
)
def test_an_id_that_is_none_finds_nothing(
    ask: Ask, db: "Client", bucket: "Bucket", route: Route, variable: str
) -> None:
    before = everything(db, bucket)

    answers = {name: answer_to(ask, route, variable, name) for name in HOSTILE_NAMES}

    assert {name: status for name, status in answers.items() if status not in REFUSALS[route.access]} == {}
    assert everything(db, bucket) == before


# Of a media path: not signed, and the token is not its owner's. The rest is the caller's own fault.
REFUSALS = {Access.USER: {404, 422}, Access.OPTIONAL_USER: {404}, Access.ANYONE: {403, 404}}


def answer_to(ask: Ask, route: Route, variable: str, name: str) -> int:
    file_name = PICTURES[0].rpartition("/")[2]
    path = route.path.format(**({"fileName": file_name} | GOOD | {variable: name}))
    content = json.dumps({"dialogue": [{"speaker": "tom", "text": "Tea."}]}).encode() if route.method == "PUT" else b""
    kind = "application/json"
    if route.function == "update_character":
        content, kind = b"displayName=Thomas", "application/x-www-form-urlencoded"
    user_id = "eve" if route.access is Access.ANYONE else "ann"
    return ask(
        route.method, path, function=route.function, user_id=user_id, content=content, content_type=kind
    ).status_code


NAMES_OF_THINGS: tuple[Any, ...] = (
    "../sea.mp4",
    "..",
    ".",
    "/etc/passwd",
    "backgrounds/sea.mp4",
    "sea.mp4/",
    "sea.mp4\0",
    "sea.mp4\n",
    " sea.mp4",
    "SEA.MP4",
    "sea%2emp4",
    "%2e%2e%2fsea.mp4",
    "library/" + "e" * 32 + ".mp4",
    "gs://bucket/sea.mp4",
    "http://127.0.0.1:9/sea.mp4",
    "file:///etc/passwd",
    "concat:sea.mp4|sea.mp4",
    "-i",
    "\uff0e\uff0e\uff0fsea.mp4",
    "\u202esea.mp4",
    "sea.mp4\u200b",
    "x" * 2_000,
    "",
    0,
    True,
    ["sea.mp4"],
    {"name": "sea.mp4"},
)


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("name", NAMES_OF_THINGS, ids=lambda each: repr(each)[:30])
def test_a_background_that_is_none_starts_no_video(ask: Ask, db: "Client", bucket: "Bucket", name: Any) -> None:
    before = everything(db, bucket)

    response = send_json(ask, "POST", f"/api/scripts/{SCRIPT_ID}/generate-video", {"backgroundVideo": name})

    assert response.status_code == 422
    assert everything(db, bucket) == before


def send_json(ask: Ask, method: str, path: str, body: Any) -> Any:
    return ask(method, path, user_id="ann", content=json.dumps(body).encode(), content_type="application/json")


@pytest.fixture
def no_writer(product: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody is asked to write: the test fails where somebody would be."""
    product.setenv("OPENAI_API_KEY", "local-development-writer")
    product.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    settings.cache_clear()
    clients.openai.cache_clear()
    platform._cache.clear()
    yield
    clients.openai.cache_clear()


CHARACTERS = ("../tom", "tom/../eva", "/tom", ".", "..", "__x__", "tom\0", "tom\n", "TOM", "t\u00f6m", "", "x" * 2_000)


@pytest.mark.usefixtures("things", "no_writer")
@pytest.mark.parametrize("name", [*CHARACTERS, 0, None, ["tom"], {"id": "tom"}], ids=lambda each: repr(each)[:30])
def test_a_character_that_is_none_speaks_in_no_script(ask: Ask, db: "Client", bucket: "Bucket", name: Any) -> None:
    before = everything(db, bucket)
    line = {"speaker": name, "text": "Tea."}

    written = send_json(
        ask, "POST", "/api/scripts/generate", {"selectedCharacters": ["eva", name], "prompt": "A dialogue about tea."}
    )
    edited = send_json(ask, "PUT", f"/api/scripts/{SCRIPT_ID}", {"dialogue": [line]})

    assert (written.status_code, edited.status_code) == (422, 422)
    assert everything(db, bucket) == before


def token_of(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


PAGE_TOKENS = {
    "a path": token_of(["2026-01-01T00:00:00+00:00", "../users/ann"]),
    "a reserved id": token_of(["2026-01-01T00:00:00+00:00", "__x__"]),
    "NUL": token_of(["2026-01-01T00:00:00+00:00", "a\0"]),
    "no zone": token_of(["2026-01-01T00:00:00", "a"]),
    "before all time": token_of(["0001-01-01T00:00:00+23:59", "a"]),
    "after all time": token_of(["9999-12-31T23:59:59-23:59", "a"]),
    "an object": token_of({"0": "2026-01-01T00:00:00+00:00", "1": "a"}),
    "three parts": token_of(["2026-01-01T00:00:00+00:00", "a", "b"]),
    "nested without end": base64.urlsafe_b64encode(b"[" * 350).decode(),
    "no base64": "%%%",
    "not ASCII": "\u00e4",
    "long": "A" * 501,
}
PAGED = [
    route.function
    for route in ROUTES
    if route.function in {"list_characters", "list_my_characters", "list_my_favorites", "list_my_scripts"}
    or route.function in {"list_my_video_jobs", "list_my_activities", "list_backgrounds"}
]


@pytest.mark.parametrize("token", PAGE_TOKENS.values(), ids=PAGE_TOKENS)
@pytest.mark.parametrize("function", PAGED)
def test_a_pages_token_that_is_none_is_refused(ask: Ask, make_user: MakeUser, function: str, token: str) -> None:
    make_user("ann")
    path = next(route.path for route in ROUTES if route.function == function)

    response = ask("GET", f"{path}?pageToken={quote(token)}", user_id="ann")

    assert (response.status_code, response.get_json()["error"]["param"]) == (422, "pageToken")


LIMITS = ("1e3", "0x10", "NaN", "Infinity", "1.5", "ten", "٣", "1_0", "+5", " 5", "5\0", "9" * 101)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("function", PAGED)
def test_a_limit_that_is_no_number_is_refused(ask: Ask, make_user: MakeUser, function: str, limit: str) -> None:
    make_user("ann")
    path = next(route.path for route in ROUTES if route.function == function)

    response = ask("GET", f"{path}?limit={quote(limit)}", user_id="ann")

    assert (response.status_code, response.get_json()["error"]["param"]) == (422, "limit")

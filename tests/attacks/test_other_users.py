"""Nobody sees or changes what is another's, on every operation of the route table.

A route that takes an id is taken for private: whoever adds one that is not must say so in OPEN. What an operation
answers whom exactly is in tests/functions/test_access.py.
"""

import importlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from flask import Request
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from gcp.models import Form
from gcp.settings import settings
from local.examples import EXAMPLES
from routes import ROUTES, Access, Route, route_of, siblings
from tests.functions.killed import everything
from tests.functions.test_access import BODIES, MEDIA, UNKNOWN, become, path_of
from tests.functions.things import JOB_ID, PROMPT, SCRIPT_ID, write_script

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = [pytest.mark.attacks, pytest.mark.usefixtures("things")]

STRANGERS = ("other", "nobody", "deleted")
TAKES_ID = [route.function for route in ROUTES if "{" in route.path]
# What strangers may have: characters are public, and so are their pictures.
OPEN = {
    ("get_character", "other"),
    ("get_character", "nobody"),
    ("star_character", "other"),
    ("unstar_character", "other"),
    ("get_picture", "other"),
    ("get_picture", "nobody"),
    ("get_picture", "deleted"),
}
CLOSED = [(function, caller) for function in TAKES_ID for caller in STRANGERS if (function, caller) not in OPEN]
PRIVATE_TEXTS = (PROMPT, "Tea?", "ann@example.com", JOB_ID, SCRIPT_ID)
# Ways of saying who one would rather be.
DISGUISES: dict[str, Any] = {
    "query": {"userId": "ann", "uid": "ann", "ownerId": "ann", "user_id": "ann", "createdBy": "ann", "admin": "true"},
    "headers": {"X-User-Id": "ann", "X-Forwarded-User": "ann", "X-Goog-Authenticated-User-Id": "ann", "From": "ann"},
}


def ask(function: str, path: str, caller: str, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """The status and text that the operation answers this caller with."""
    route = route_of(function)
    given = Headers(headers or {})
    if caller != "nobody":
        user_id = "eve" if caller == "other" else "ann"
        given["Authorization"] = f"Bearer {issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))}"
    module, first = importlib.import_module(route.module), siblings(route)[0]
    body = body_of(function)
    form, sent = (body, None) if issubclass(getattr(module, function).body, Form) else (None, body)
    builder = EnvironBuilder(path=path, method=route.method, headers=given, data=form, json=sent)
    with Request(builder.get_environ()) as request:
        response = getattr(importlib.import_module(first.module), first.function)(request)
    return response.status_code, response.get_data(as_text=True) if response.is_json else ""


def body_of(function: str) -> Any:
    """A body that its owner could send, also for a route that is new here."""
    return BODIES.get(function) or (EXAMPLES[function].request if function in EXAMPLES else None)


@pytest.mark.parametrize(("function", "caller"), CLOSED, ids=lambda each: each)
def test_a_stranger_learns_and_changes_nothing_by_an_id(
    db: "Client", bucket: "Bucket", function: str, caller: str
) -> None:
    become(db, caller)
    before = everything(db, bucket)

    status, text = ask(function, path_of(route_of(function)), caller)

    assert status in {401, 403, 404}
    assert [each for each in PRIVATE_TEXTS if each in text] == []
    assert everything(db, bucket) == before


@pytest.mark.parametrize("function", sorted({each for each, caller in OPEN if caller == "other"} - set(MEDIA)))
def test_a_stranger_changes_nothing_of_a_character_but_its_stars(db: "Client", bucket: "Bucket", function: str) -> None:
    before, objects = everything(db, bucket)

    ask(function, path_of(route_of(function)), "other")

    after, objects_after = everything(db, bucket)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert objects_after == objects
    assert changed <= {"stars/eve", "characters/tom"}
    assert before["characters/tom"] | {"starred": 0} == after["characters/tom"] | {"starred": 0}


@pytest.mark.parametrize("function", [each for each, caller in CLOSED if caller == "other" and each not in MEDIA])
def test_what_is_anothers_is_refused_as_what_is_nobodys(function: str, db: "Client") -> None:
    # Of a character that may be seen it is no secret that it exists.
    db.document("characters", "tom").update({"hidden": True})
    route = route_of(function)

    anothers = ask(function, path_of(route), "other")
    nobodys = ask(function, path_of(route, UNKNOWN), "other")

    assert without_request_id(anothers) == without_request_id(nobodys)


def without_request_id(answer: tuple[int, str]) -> tuple[int, Any]:
    status, body = answer[0], json.loads(answer[1])
    del body["error"]["requestId"]
    return status, body


LISTS = [route.function for route in ROUTES if "{" not in route.path and route.access is not Access.ANYONE]


@pytest.mark.parametrize("function", [each for each in LISTS if route_of(each).method == "GET"])
@pytest.mark.parametrize("caller", ["other", "nobody"])
def test_no_list_holds_what_is_anothers_however_it_is_asked(function: str, caller: str) -> None:
    path = f"{route_of(function).path}?{urlencode(DISGUISES['query'])}"

    _, text = ask(function, path, caller, headers=DISGUISES["headers"])

    assert [each for each in PRIVATE_TEXTS if each in text] == []


def changing_routes() -> list[Route]:
    return [route_of(each) for each in LISTS if route_of(each).method != "GET"]


@pytest.mark.parametrize("function", [each.function for each in changing_routes()])
def test_no_operation_on_ones_own_things_touches_anothers(db: "Client", bucket: "Bucket", function: str) -> None:
    before, objects = everything(db, bucket)
    path = f"{route_of(function).path}?{urlencode(DISGUISES['query'])}"

    ask(function, path, "other", headers=DISGUISES["headers"])

    after, objects_after = everything(db, bucket)
    assert [each for each in objects if each not in objects_after] == []
    assert {each for each in before if before[each] != after.get(each)} <= {"users/eve"}


def test_a_hidden_character_cannot_be_put_into_anothers_dialogue(db: "Client", bucket: "Bucket") -> None:
    write_script(db, "e" * 32)
    hers = {"ownerId": "eve", "selectedCharacters": ["eva"], "dialogue": [{"speaker": "eva", "text": "Tea."}]}
    db.document("scripts", "e" * 32).update(hers)
    db.document("characters", "tom").update({"hidden": True})
    before = everything(db, bucket)

    status, _ = ask("update_script", f"/api/scripts/{'e' * 32}", "other")

    assert status == 422
    assert everything(db, bucket) == before

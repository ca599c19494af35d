"""Who may do what: every operation of the route table, called by everybody who might.

An operation that takes an id needs a row in one of the tables below, or a test fails.
"""

import importlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from accounts.users import User
from gcp import clients
from gcp.models import Form
from gcp.settings import settings
from gcp.wire import NoBody
from media.signing import signed_path
from routes import ROUTES, Access, Route, route_of, siblings
from tests.functions.things import (
    JOB_ID,
    NOW,
    PICTURES,
    RECORDING,
    SCRIPT_ID,
    UNREACHABLE_QUEUE,
    write_background,
    write_character,
    write_failed_job,
    write_script,
)

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

CALLERS = ("owner", "other", "nobody", "deleted", "disabled")
# What the caller of each kind is answered; `deleted` and `disabled` are the owner whose account is.
#                          owner other nobody deleted disabled
ROWS = {
    "get_character":        "200   200   200    401     401",
    "update_character":     "200   403   401    401     401",
    "delete_character":     "200   403   401    401     401",
    "star_character":       "200   200   401    401     401",
    "unstar_character":     "200   200   401    401     401",
    "get_script":           "200   404   401    401     401",
    "update_script":        "200   404   401    401     401",
    "delete_script":        "200   404   401    401     401",
    "get_audio_status":     "200   404   401    401     401",
    "generate_video":       "200   404   401    401     401",
    "get_video_status":     "200   404   401    401     401",
    "get_script_video_job": "200   404   401    401     401",
    "get_video_job":        "200   404   401    401     401",
    # The job has failed, which is told to nobody else.
    "cancel_video_job":     "409   404   401    401     401",
    "get_picture":          "200   200   200    200     200",
    "get_recording":        "302   403   403    401     401",
    "get_video":            "302   403   403    401     401",
}  # fmt: skip
# A character that an admin has hidden is its owner's only.
HIDDEN_ROWS = {
    "get_character":        "200   404   404    401     401",
    "update_character":     "200   404   401    401     401",
    "delete_character":     "200   404   401    401     401",
    "star_character":       "200   404   401    401     401",
    "unstar_character":     "200   404   401    401     401",
}  # fmt: skip
# Whoever was given a path may load it: a media element sends no token.
SIGNED_ROWS = {
    "get_recording":        "302   302   302    302     302",
    "get_video":            "302   302   302    302     302",
}  # fmt: skip
TAKES_ID = [route.function for route in ROUTES if "{" in route.path]
FOR_USERS = [route.function for route in ROUTES if route.access is Access.USER]
# Nobody has these: an id of nobody's is refused as somebody else's private thing is.
UNKNOWN = {
    "characterId": "c0ffee",
    "scriptId": "c" * 32,
    "jobId": "d" * 32,
}
BODIES: dict[str, Any] = {
    "update_script": {"dialogue": [{"speaker": "tom", "text": "Coffee."}]},
    "update_character": {"displayName": "Thomas"},
    "generate_video": {},
}
MEDIA = {
    "get_picture": PICTURES[0],
    "get_recording": RECORDING,
    "get_video": f"videos/ann/{JOB_ID}_1.mp4",
}


def matrix(rows: dict[str, str]) -> list[Any]:
    """One case for each operation and caller."""
    return [
        pytest.param(function, caller, int(status), id=f"{function} by {caller}")
        for function, row in rows.items()
        for caller, status in zip(CALLERS, row.split(), strict=True)
    ]


@pytest.fixture
def things(
    product: pytest.MonkeyPatch, db: "Client", bucket: "Bucket", make_user: Callable[..., User]
) -> Iterator[None]:
    """What ann owns: a character, its media, a script and the job of it that failed; and eve, who owns nothing."""
    for name, value in {"MEDIA_BUCKET": bucket.name, **UNREACHABLE_QUEUE}.items():
        product.setenv(name, value)
    cached = (settings, clients.media_bucket, clients.tasks)
    for each in cached:
        each.cache_clear()
    make_user("ann")
    make_user("eve")
    for character_id in ("tom", "eva"):
        write_character(db, character_id)
    write_script(db, job_id=JOB_ID)
    write_failed_job(db)
    write_background(db)
    for name in MEDIA.values():
        bucket.blob(name).upload_from_string(b"media")
    yield
    for each in cached[1:]:
        each.cache_clear()


def answered_status(function: str, caller: str, path: str) -> int:
    """The status of the operation when this caller calls it, at the function to which Hosting rewrites the path."""
    route = route_of(function)
    user_id = {"nobody": None, "other": "eve"}.get(caller, "ann")
    headers = Headers()
    if user_id is not None:
        headers["Authorization"] = f"Bearer {issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))}"
    module, first = importlib.import_module(route.module), siblings(route)[0]
    body = BODIES.get(function)
    form, json = (body, None) if issubclass(getattr(module, function).body, Form) else (None, body)
    builder = EnvironBuilder(path=path, method=route.method, headers=headers, data=form, json=json)
    with Request(builder.get_environ()) as request:
        response: Response = getattr(importlib.import_module(first.module), first.function)(request)
    return response.status_code


def path_of(route: Route, ids: dict[str, str] | None = None) -> str:
    """The path of ann's thing; of the media its unsigned path."""
    if route.function in MEDIA:
        return signed_path(MEDIA[route.function], settings().jwt_secrets, datetime.now(UTC)).partition("?")[0]
    return route.path.format(**(ids or {"characterId": "tom", "scriptId": SCRIPT_ID, "jobId": JOB_ID}))


def become(db: "Client", caller: str) -> None:
    """ann's account is as that of a caller of this kind."""
    changes: dict[str, dict[str, Any]] = {"deleted": {"deletedAt": NOW}, "disabled": {"disabled": True}}
    if caller in changes:
        db.document("users", "ann").update(changes[caller])


def test_every_operation_that_takes_an_id_has_its_row() -> None:
    assert set(ROWS) == set(TAKES_ID)


def test_every_operation_on_a_character_has_its_row_for_hidden_ones() -> None:
    assert set(HIDDEN_ROWS) == {each for each in TAKES_ID if "{characterId}" in route_of(each).path}


def test_every_operation_that_reads_a_body_is_sent_one() -> None:
    taken = {
        each for each in TAKES_ID if getattr(importlib.import_module(route_of(each).module), each).body is not NoBody
    }

    assert set(BODIES) == taken


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(("function", "caller", "status"), matrix(ROWS))
def test_an_operation_with_an_id(db: "Client", function: str, caller: str, status: int) -> None:
    become(db, caller)

    assert answered_status(function, caller, path_of(route_of(function))) == status


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(("function", "caller", "status"), matrix(HIDDEN_ROWS))
def test_an_operation_with_the_id_of_a_hidden_character(db: "Client", function: str, caller: str, status: int) -> None:
    db.document("characters", "tom").update({"hidden": True})
    become(db, caller)

    assert answered_status(function, caller, path_of(route_of(function))) == status


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize(("function", "caller", "status"), matrix(SIGNED_ROWS))
def test_a_signed_path_of_media(db: "Client", function: str, caller: str, status: int) -> None:
    become(db, caller)
    path = signed_path(MEDIA[function], settings().jwt_secrets, datetime.now(UTC))

    assert answered_status(function, caller, path) == status


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("function", [each for each in TAKES_ID if each not in MEDIA])
def test_an_id_of_nobodys_is_not_found(function: str) -> None:
    assert answered_status(function, "owner", path_of(route_of(function), UNKNOWN)) == 404


@pytest.mark.usefixtures("product")
@pytest.mark.parametrize("function", FOR_USERS)
def test_an_operation_for_users_needs_a_token(function: str) -> None:
    route = route_of(function)

    assert answered_status(function, "nobody", path_of(route)) == 401


@pytest.mark.usefixtures("things")
@pytest.mark.parametrize("caller", ["deleted", "disabled"])
@pytest.mark.parametrize("function", FOR_USERS)
def test_an_operation_for_users_needs_an_account_that_stands(db: "Client", function: str, caller: str) -> None:
    become(db, caller)

    assert answered_status(function, caller, path_of(route_of(function))) == 401

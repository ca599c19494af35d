"""Fields that no body has are ignored: whatever a client sends along, what is stored is the same."""

import importlib
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from accounts.users import User
from characters.character import Character
from contracts.message import Message
from contracts.video_job import VideoJob
from feedback.store import Feedback
from gcp import clients
from gcp.models import Form
from gcp.settings import settings
from gcp.wire import NoBody
from local.writer_server import Desk
from routes import ROUTES, Route, route_of
from scripts.script import Script
from tests.functions.killed import everything
from tests.functions.things import (
    BACKGROUND,
    SCRIPT_ID,
    UNREACHABLE_QUEUE,
    write_background,
    write_character,
    write_script,
)
from tests.functions.unknown_fields.conftest import FirebaseAuth, Forms, Send
from tokens.ledger import Hold, LedgerEntry

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

pytestmark = pytest.mark.attacks

PASSWORD = "securepassword123"
VOICE = {"speed": 1.5, "nfeSteps": 20, "crossFadeDuration": 0.5, "removeSilences": False, "refText": "Good morning."}
# A body of each operation that has one, with every field that it knows.
BODIES: dict[str, dict[str, Any]] = {
    "signup": {"name": "New User", "email": "new@example.com", "password": PASSWORD},
    "login": {"email": "old@example.com", "password": PASSWORD},
    "create_character": {"displayName": "Ada", **VOICE},
    "update_character": {"displayName": "Thomas", **VOICE, "removeImageKeys": "0"},
    "generate_script": {"selectedCharacters": ["tom", "eva"], "prompt": "Write a dialogue about tea."},
    "update_script": {"dialogue": [{"speaker": "eva", "text": "Coffee."}, {"speaker": "tom", "text": "Yes."}]},
    "generate_video": {"backgroundVideo": BACKGROUND},
    "create_feedback": {"message": "I like it."},
}
WITH_BODY = {
    route.function
    for route in ROUTES
    if getattr(importlib.import_module(route.module), route.function).body is not NoBody
}
# Ours, and Firebase Auth's.
_RANDOM_ID = re.compile("(?<![A-Za-z0-9])([0-9a-f]{32,64}|[A-Za-z0-9]{28})(?![A-Za-z0-9])")
LONG_AGO = "2020-01-01T00:00:00Z"
# What a client would gain by.
TEMPTING: dict[str, Any] = {
    "id": "chosen",
    "uid": "eve",
    "userId": "eve",
    "ownerId": "eve",
    "createdBy": "eve",
    "createdByName": "Eve",
    "tokens": 1_000_000,
    "ledgerTokens": 1_000_000,
    "tokensToGive": 1_000_000,
    "held": -5,
    "priceTokens": 0,
    "price": 0,
    "role": "admin",
    "isAdmin": True,
    "isVerified": True,
    "emailVerified": True,
    "subscription": "pro",
    "starred": 1_000,
    "isStarred": True,
    "isOwner": True,
    "hidden": True,
    "status": "completed",
    "videoJobId": "7" * 32,
    "jobId": "chosen",
    "mediaObjects": ["videos/eve/x.mp4"],
    "finalVideoPath": "/api/videos/eve/x.mp4",
    "createdAt": LONG_AGO,
    "updatedAt": LONG_AGO,
    "deletedAt": LONG_AGO,
    "idempotencyKey": "mine",
    "__proto__": {"tokens": 1},
}
STORED: tuple[type[Message], ...] = (User, Character, Script, VideoJob, Hold, LedgerEntry, Feedback)
# And the names of all that is stored, in both ways of writing them; a body's own fields have one of them.
EXTRA = (
    dict.fromkeys((name for model in STORED for name in model.model_fields), "mallory")
    | dict.fromkeys((str(each.alias) for model in STORED for each in model.model_fields.values()), "mallory")
    | dict.fromkeys(("display_name", "nfe_steps", "selected_characters", "background_video"), "mallory")
    | TEMPTING
)


class Outcome(NamedTuple):
    status: int
    documents: list[str]
    objects: list[str]


@pytest.fixture
def outcome_of(
    *,
    product: pytest.MonkeyPatch,
    db: "Client",
    auth: FirebaseAuth,
    bucket: "Bucket",
    writer: Desk,
    make_user: Callable[..., User],
    call_api: Callable[..., Any],
    send: Send,
    forms: Forms,
) -> Iterator[Callable[..., Outcome]]:
    """A function that calls an operation in a world as new, and tells what is stored afterwards."""
    assert writer
    for name, value in UNREACHABLE_QUEUE.items():
        product.setenv(name, value)
    settings.cache_clear()
    clients.tasks.cache_clear()

    def make_world() -> None:
        make_user("ann")
        for character_id in ("tom", "eva"):
            write_character(db, character_id)
        write_script(db)
        write_background(db)
        auth.sign_up("old@example.com", PASSWORD)

    def call(route: Route, body: dict[str, Any]) -> int:
        path = route.path.format(characterId="tom", scriptId=SCRIPT_ID)
        model = getattr(importlib.import_module(route.module), route.function).body
        if not issubclass(model, Form):
            status: int = call_api(route.method, path, user_id="ann", body=body).status
            return status
        uploads = [("audioFile", forms.recording)]
        if route.function == "create_character":
            uploads.append(("imageFiles", forms.picture))
        if len(body) > len(BODIES[route.function]):
            uploads.append(("mediaObjects", forms.picture))
        fields = {name: str(value) for name, value in body.items()}
        return send(route.method, path, user_id="ann", fields=fields, uploads=uploads).status_code

    def outcome(function: str, body: dict[str, Any]) -> Outcome:
        make_world()
        status = call(route_of(function), body)
        documents, objects = everything(db, bucket)
        empty(db, auth, bucket)
        return Outcome(
            status,
            sorted(f"{normalised(path)} {normalised(fields)}" for path, fields in documents.items()),
            sorted(map(str, map(normalised, objects))),
        )

    yield outcome
    clients.tasks.cache_clear()


def empty(db: "Client", auth: FirebaseAuth, bucket: "Bucket") -> None:
    """Nothing is left in Firestore, Firebase Auth and the bucket."""
    for collection in db.collections():
        db.recursive_delete(collection)
    address = f"http://{auth.host}/emulator/v1/projects/{db.project}/accounts"
    requests.delete(address, headers={"Authorization": "Bearer owner"}, timeout=10).raise_for_status()
    for blob in bucket.list_blobs():
        blob.delete()


def normalised(value: Any) -> Any:
    """The value without what differs from one request to the next: random ids, and the time of the request."""
    match value:
        case str():
            return _RANDOM_ID.sub("<id>", value)
        case datetime():
            return "<now>" if value > datetime.now(UTC) - timedelta(hours=1) else value.isoformat()
        case dict():
            return {normalised(name): normalised(value[name]) for name in sorted(value)}
        case list():
            return [normalised(each) for each in value]
        case _:
            return value


def with_extras(value: Any) -> Any:
    """The body with every extra field that it does not have, at every level."""
    match value:
        case dict():
            return EXTRA | {name: with_extras(each) for name, each in value.items()}
        case list():
            return [with_extras(each) for each in value]
        case _:
            return value


def test_every_operation_with_a_body_is_sent_one() -> None:
    assert set(BODIES) == WITH_BODY


@pytest.mark.parametrize("function", BODIES)
def test_a_body_here_has_every_field_of_its_model(function: str) -> None:
    model = getattr(importlib.import_module(route_of(function).module), function).body

    assert set(BODIES[function]) == {field.alias for field in model.model_fields.values()}


@pytest.mark.parametrize("function", BODIES)
def test_unknown_fields_change_nothing_stored(outcome_of: Callable[..., Outcome], function: str) -> None:
    plain = outcome_of(function, BODIES[function])

    extended = outcome_of(function, with_extras(BODIES[function]))

    assert plain.status == 200
    assert extended == plain

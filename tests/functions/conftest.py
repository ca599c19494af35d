"""The functions on the test's own database, called as Hosting calls them."""

import functools
import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import firebase_admin
import pytest
from cloudevents.http import CloudEvent
from flask import Request, Response
from google.cloud.firestore_v1._helpers import encode_dict
from google.cloud.firestore_v1.types import Document
from google.events.cloud.firestore import Document as EventDocument
from google.events.cloud.firestore import DocumentEventData
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from accounts.sessions import issue_session
from accounts.users import User
from gcp import clients, endpoint
from gcp.settings import settings
from local.openapi import openapi_document
from routes import ROUTES, Route, siblings

if TYPE_CHECKING:
    from google.cloud.firestore import Client


class Answered(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


CallApi = Callable[..., Answered]
DeliverCreated = Callable[..., None]
DeliverWritten = Callable[..., None]
MakeUser = Callable[..., User]

ADDRESS_HASH_KEY = "local-development-" + "a" * 40


@pytest.fixture
def product(db: "Client", monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The product's settings and Firestore client belong to the test's database; more variables may be set.

    Every answer of an operation is held against the API document: none may have a status that is not in it.
    """
    monkeypatch.setattr(endpoint, "handle", functools.partial(_handle_as_documented, endpoint.handle))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", db.project)
    monkeypatch.setenv("JWT_SECRET", "local-development-" + "j" * 40)
    monkeypatch.setenv("ADDRESS_HASH_KEY", ADDRESS_HASH_KEY)
    cached = (settings, clients.firestore, clients.firebase_app, clients.openai)
    for each in cached:
        each.cache_clear()
    yield monkeypatch
    clients.firestore().close()  # type: ignore[no-untyped-call]  # the package leaves it so
    _forget_apps()
    for each in cached:
        each.cache_clear()


def _handle_as_documented(
    handle: Callable[[Request, Route | None], Response], request: Request, named: Route | None
) -> Response:
    response = handle(request, named)
    if named is None:
        return response
    operation = _documented()["paths"][named.path].get(request.method.lower())
    if operation is not None and named.match(request.path) is not None:
        documented = operation["responses"]
        assert str(response.status_code) in documented, f"{operation['operationId']}: {response.status_code}"
        reference = documented[str(response.status_code)].get("$ref")
        if reference:
            code = json.loads(response.get_data())["error"]["code"]
            assert code in reference.rpartition("/")[2].split(".")
    return response


@functools.cache
def _documented() -> dict[str, Any]:
    return openapi_document()


@pytest.fixture
def make_user(db: "Client") -> MakeUser:
    """A function that makes the user of an id as signing up does, but for Firebase Auth."""

    def make(user_id: str, *, tokens: int = 20) -> User:
        identity = Identity(user_id, user_id.title(), f"{user_id}@example.com", has_password=True)
        return ensure_user(db, identity, InitialTokens(tokens, ADDRESS_HASH_KEY), now=datetime.now(UTC))

    return make


@pytest.fixture
def call_api(product: pytest.MonkeyPatch) -> CallApi:
    """A function that sends a request to the function to which Hosting would rewrite its path."""
    assert product

    def call(
        method: str,
        path: str,
        *,
        user_id: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answered:
        given = Headers(headers or {})
        if user_id is not None:
            token = issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))
            given["Authorization"] = f"Bearer {token}"
        request = Request(EnvironBuilder(path=path, method=method, headers=given, json=body).get_environ())
        route = next(each for each in ROUTES if each.match(request.path) is not None)
        first = siblings(route)[0]
        response = getattr(importlib.import_module(first.module), first.function)(request)
        return Answered(response.status_code, json.loads(response.get_data()), dict(response.headers))

    return call


@pytest.fixture
def deliver_created(db: "Client", product: pytest.MonkeyPatch) -> Iterator[DeliverCreated]:
    """A function that calls a trigger with the event of a document's creation, as Eventarc delivers it.

    `fields` is what the document was created with, where that is no longer what it has.
    """
    assert product

    def deliver(
        trigger: Callable[[CloudEvent], None],
        path: str,
        *,
        fields: Mapping[str, Any] | None = None,
        event_id: str = "event1",
    ) -> None:
        created_as = db.document(path).get().to_dict() or {} if fields is None else fields
        trigger(document_event(path, None, created_as, happened="created", project=db.project, event_id=event_id))

    yield deliver
    _forget_apps()


@pytest.fixture
def deliver_written(db: "Client", product: pytest.MonkeyPatch) -> Iterator[DeliverWritten]:
    """A function that calls a trigger with the event of a document's write, as Eventarc delivers it.

    `before` and `after` are the document's fields, None where there was no document.
    """
    assert product

    def deliver(
        trigger: Callable[[CloudEvent], None],
        path: str,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        event_id: str = "event1",
    ) -> None:
        trigger(document_event(path, before, after, happened="written", project=db.project, event_id=event_id))

    yield deliver
    _forget_apps()


def _event_document(path: str, fields: Mapping[str, Any]) -> EventDocument:
    document = Document(name=path, fields=encode_dict(fields))
    return EventDocument.deserialize(Document.serialize(document))


def document_event(
    path: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    happened: str,
    project: str = "demo-project",
    event_id: str = "event1",
    time: str = "2026-01-02T03:04:05.678901Z",
) -> CloudEvent:
    """The event of a document that was `created` or `written`, as Eventarc delivers it."""
    data = DocumentEventData(
        old_value=_event_document(path, before) if before is not None else None,
        value=_event_document(path, after) if after is not None else None,
    )
    attributes = {
        "id": event_id,
        "type": f"google.cloud.firestore.document.v1.{happened}",
        "source": f"//firestore.googleapis.com/projects/{project}/databases/(default)",
        "subject": f"documents/{path}",
        "time": time,
        "datacontenttype": "application/protobuf",
        "location": "us-east4",
        "project": project,
        "namespace": "(default)",
        "database": "(default)",
        "document": path,
    }
    return CloudEvent(attributes, DocumentEventData.serialize(data))


def _forget_apps() -> None:
    """We make one at its first use, which keeps this test's project."""
    for app in list(firebase_admin._apps.values()):
        firebase_admin.delete_app(app)

"""A request that was let in before its user's account was deleted, and writes afterwards."""

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from flask import Request, Response
from werkzeug.datastructures import FileStorage, Headers, MultiDict
from werkzeug.test import EnvironBuilder

from accounts.deletion import request_account_deletion
from accounts.sessions import issue_session
from accounts.users import User
from activities.store import clear_activities
from characters.stars import set_star
from gcp import clients
from gcp.errors import Unauthenticated
from gcp.settings import settings
from local.writer_server import Desk
from routes import ROUTES, siblings
from tests.functions.characters.conftest import Forms, forms
from tests.functions.killed import everything
from tests.functions.scripts.conftest import writer
from tests.functions.things import (
    PROMPT,
    SCRIPT_ID,
    UNREACHABLE_QUEUE,
    write_background,
    write_character,
    write_script,
)

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

__all__ = ["forms", "writer"]

LINES = [{"speaker": "tom", "text": "Coffee?"}]
# What says that the account is deleted, and what counts how often somebody did something.
_BESIDES = ("users/", "accountDeletions/", "rateLimits/")


class SlowBody(io.BytesIO):
    """A body that is long in coming: something happens before its first byte."""

    def __init__(self, content: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(content)
        self._meanwhile: Callable[[], None] | None = meanwhile

    def readinto(self, buffer: Any, /) -> int:
        if self._meanwhile:
            self._meanwhile()
            self._meanwhile = None
        return super().readinto(buffer)


class Write(NamedTuple):
    """A request that makes or changes something of ann's; `upload` is the field in which a picture comes along."""

    method: str
    path: str
    body: Mapping[str, Any] = {}
    upload: str | None = None


WRITES = {
    "create_character": Write("POST", "/api/characters/complete", {"displayName": "Ada"}, "imageFiles"),
    "update_character": Write("PUT", "/api/characters/tom", {"displayName": "Ada"}, "newImageFiles"),
    "generate_script": Write("POST", "/api/scripts/generate", {"selectedCharacters": ["tom", "eva"], "prompt": PROMPT}),
    "update_script": Write("PUT", f"/api/scripts/{SCRIPT_ID}", {"dialogue": LINES}),
    "generate_video": Write("POST", f"/api/scripts/{SCRIPT_ID}/generate-video"),
    "create_feedback": Write("POST", "/api/feedback", {"message": "Good."}),
}


@pytest.fixture
def _things(product: pytest.MonkeyPatch, db: "Client", bucket: "Bucket", make_user: Callable[..., User]) -> None:
    for name, value in (UNREACHABLE_QUEUE | {"MEDIA_BUCKET": bucket.name}).items():
        product.setenv(name, value)
    settings.cache_clear()
    clients.media_bucket.cache_clear()
    make_user("ann")
    write_character(db, "tom")
    write_character(db, "eva")
    write_script(db)
    write_background(db)


def owned(db: "Client", bucket: "Bucket") -> dict[str, Any]:
    """All documents that may hold something of ann's, by their paths."""
    return {path: fields for path, fields in everything(db, bucket)[0].items() if not path.startswith(_BESIDES)}


def answer(write: Write, forms: Forms, meanwhile: Callable[[], None]) -> Response:
    """The answer to a request during whose body something happens."""
    token = issue_session("ann", settings().jwt_secrets, now=datetime.now(UTC))
    headers = Headers({"Authorization": f"Bearer {token}", "Idempotency-Key": "once"})
    content: dict[str, Any] = {"json": write.body}
    if write.upload:
        parts: MultiDict[str, Any] = MultiDict(write.body)
        parts.add("audioFile", FileStorage(io.BytesIO(forms.recording), filename="a.wav"))
        parts.add(write.upload, FileStorage(io.BytesIO(forms.picture), filename="a.png"))
        content = {"data": parts}
    builder = EnvironBuilder(path=write.path, method=write.method, headers=headers, **content)
    with contextlib.closing(builder):
        environ = builder.get_environ()
        with environ["wsgi.input"] as body:
            environ["wsgi.input"] = SlowBody(body.read(), meanwhile)
    route = next(each for each in ROUTES if each.match(write.path) is not None)
    first = siblings(route)[0]
    response: Response = getattr(importlib.import_module(first.module), first.function)(Request(environ))
    return response


@pytest.mark.usefixtures("_things")
@pytest.mark.parametrize("operation", WRITES)
def test_what_a_request_would_write_after_the_deletion_is_refused(
    db: "Client", bucket: "Bucket", forms: Forms, writer: Desk, operation: str
) -> None:
    assert writer
    before = owned(db, bucket)

    response = answer(WRITES[operation], forms, lambda: request_account_deletion(db, "ann", datetime.now(UTC)))

    assert (response.status_code, response.get_json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    after = owned(db, bucket)
    listed = [after.pop(path)["objectNames"] for path in list(after) if path.startswith("mediaDeletions/")]
    # Nothing new, nothing changed, and the Idempotency-Key is free: but the objects that were uploaded are listed.
    assert after == before
    assert sorted(name for names in listed for name in names) == everything(db, bucket)[1]


@pytest.mark.usefixtures("_things")
@pytest.mark.parametrize("operation", WRITES)
def test_a_user_whose_document_is_gone_writes_nothing(
    db: "Client", bucket: "Bucket", forms: Forms, writer: Desk, operation: str
) -> None:
    assert writer
    before = owned(db, bucket)

    response = answer(WRITES[operation], forms, lambda: db.document("users", "ann").delete() and None)

    assert response.status_code == 401
    assert {path for path in owned(db, bucket) if not path.startswith("mediaDeletions/")} == set(before)


@pytest.mark.usefixtures("_things")
def test_a_deleted_users_star_is_refused(db: "Client", bucket: "Bucket") -> None:
    request_account_deletion(db, "ann", datetime.now(UTC))
    before = owned(db, bucket)

    with pytest.raises(Unauthenticated):
        set_star(db, "ann", "tom", is_starred=True, now=datetime.now(UTC))

    assert owned(db, bucket) == before


@pytest.mark.usefixtures("_things")
def test_a_deleted_users_log_is_not_cleared(db: "Client", bucket: "Bucket") -> None:
    request_account_deletion(db, "ann", datetime.now(UTC))
    before = everything(db, bucket)

    with pytest.raises(Unauthenticated):
        clear_activities(db, "ann", datetime.now(UTC))

    assert everything(db, bucket) == before

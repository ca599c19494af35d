"""Characters on real emulators, called as Hosting calls them."""

import contextlib
import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask import Request, Response
from werkzeug.datastructures import FileStorage, Headers, MultiDict
from werkzeug.test import EnvironBuilder

from accounts.sessions import issue_session
from characters.character import Character, Recording, VoiceConfig
from gcp import clients
from gcp.settings import settings
from routes import ROUTES, siblings
from tests.functions.characters import uploaded_files as files

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

Send = Callable[..., Response]
WriteCharacter = Callable[..., Character]
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Forms:
    """The parts of forms."""

    recording: bytes
    picture: bytes


@pytest.fixture(scope="session")
def forms() -> Forms:
    return Forms(recording=files.wav(files.voice(2.0)), picture=files.picture())


@pytest.fixture
def send(product: pytest.MonkeyPatch, bucket: "Bucket") -> Send:
    """A function that sends a form, or nothing, to the function to which Hosting would rewrite its path."""
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()

    def send_form(
        method: str,
        path: str,
        *,
        user_id: str | None = None,
        fields: Mapping[str, str] | None = None,
        uploads: Sequence[tuple[str, bytes | None]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        given = Headers(headers or {})
        if user_id is not None:
            given["Authorization"] = f"Bearer {issue_session(user_id, settings().jwt_secrets, now=datetime.now(UTC))}"
        data: MultiDict[str, Any] = MultiDict(fields or {})
        for name, content in uploads:
            # A form sends a file that nobody chose with an empty name.
            data.add(name, FileStorage(io.BytesIO(content or b""), filename="" if content is None else "chosen.bin"))
        builder = EnvironBuilder(path=path, method=method, headers=given, data=data)
        environ = builder.get_environ()
        with contextlib.closing(builder), environ["wsgi.input"], Request(environ) as request:
            route = next(each for each in ROUTES if each.match(request.path) is not None)
            first = siblings(route)[0]
            response: Response = getattr(importlib.import_module(first.module), first.function)(request)
        return response

    return send_form


@pytest.fixture
def write_character(db: "Client") -> WriteCharacter:
    """A function that stores a character without any media."""

    def write(character_id: str, *, owner_id: str = "ann", **changes: Any) -> Character:
        character = Character(
            id=character_id,
            display_name="Ada",
            config=VoiceConfig(),
            recording=Recording(object_name=f"recordings/{owner_id}/{'a' * 32}.wav", duration_seconds=8.0),
            images={"0": f"images/{owner_id}/{'b' * 32}.png", "1": f"images/{owner_id}/{'c' * 32}.png"},
            next_image_key=2,
            output_prefix="ada",
            owner_id=owner_id,
            owner_name=owner_id.title(),
            created_at=NOW,
            updated_at=NOW,
        ).model_copy(update=changes)
        db.document("characters", character_id).set(character.to_document())
        return character

    return write

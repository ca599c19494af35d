"""One request for every function that it answers with success, and what has to be there for it.

Each round has its own user, characters, scripts and jobs, since some requests use them up.
"""

import io
import json
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import requests
from google.cloud.firestore import Client
from google.cloud.firestore_v1 import _helpers
from google.cloud.firestore_v1.types import Document
from google.events.cloud import firestore as events
from PIL import Image

import main
from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from accounts.sessions import issue_session
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import JobStatus, VideoJob
from gcp.deployment import CalledBy, Deployment
from local.addresses import BUCKET, HOST, PROJECT_ID, REGION, Ports
from media.signing import signed_path
from routes import ROUTES, route_of
from scripts.script import DialogueLine, Script

PASSWORD = "a password of some length"  # noqa: S105 (of the emulator's users)
# Redirects to media are a success, and so is the answer to a path that does not exist.
_OTHER_SUCCESS = {"get_recording": 302, "get_video": 302, "not_found": 404}
# Their requests below are answered without a client library of Google's. All others call a service, or read the event
# of a document, which Firestore's library decodes.
WITHOUT_CLIENT = {
    "get_recording",
    "get_video",
    "not_found",
    "on_background_deleted",  # most objects are none of the library's
    "on_background_finalized",
}


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request to the root of a function's server."""

    method: str = "GET"
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    success: int = 200

    @property
    def is_answered_by(self) -> set[int]:
        """The statuses that count: an event's are several."""
        return {self.success, 204} if self.success == 200 else {self.success}


@dataclass(frozen=True)
class Round:
    """The names of what one round uses."""

    number: int
    secret: str

    @property
    def user(self) -> str:
        return f"user{self.number}"

    def id_of(self, purpose: str) -> str:
        """An id of 32 letters as the product makes them, its own for each purpose."""
        return (purpose.encode().hex() + f"{self.number:04x}").zfill(32)[-32:]


def prepare(db: Client, ports: Ports, this: Round) -> None:
    """All that the round's requests ask for is there."""
    now = datetime.now(UTC)
    for user in (this.user, f"leaving{this.number}"):
        identity = Identity(user, "Ann", f"{user}@example.com", has_password=True)
        ensure_user(db, identity, InitialTokens(20, this.secret), now=now)
    sign_up = f"{ports.url('auth')}/identitytoolkit.googleapis.com/v1/projects/{PROJECT_ID}/accounts"
    for user in (this.user, f"login{this.number}"):
        account = {"localId": user, "email": f"{user}@example.com", "password": PASSWORD, "displayName": "Ann"}
        requests.post(sign_up, json=account, headers={"Authorization": "Bearer owner"}, timeout=30).raise_for_status()
    background = BackgroundVideo(
        name="sea.mp4",
        status=BackgroundStatus.LISTED,
        object_name=f"library/{'e' * 32}.mp4",
        duration_seconds=9.0,
        width=1080,
        height=1920,
        thumbnail_object=f"images/backgrounds/{'f' * 32}.png",
        source_object="backgrounds/sea.mp4",
        source_generation=1,
        created_at=now,
        updated_at=now,
    )
    db.document("backgrounds", background_id(background.name)).set(background.to_document())
    picture = f"images/{this.user}/{'b' * 32}.png"
    upload = f"{ports.url('storage')}/upload/storage/v1/b/{BUCKET}/o"
    requests.post(upload, params={"uploadType": "media", "name": picture}, data=b"png", timeout=30).raise_for_status()
    for purpose in ("tom", "eva", "edited", "removed", "starred"):
        db.document("characters", this.id_of(purpose)).set(_character(this, purpose, now).to_document())
    for purpose, job in (("read", "ended"), ("edited", None), ("removed", None), ("video", None), ("cancel", "cancel")):
        script = _script(this, purpose, job, now)
        db.document("scripts", script.id).set(script.to_document())
    for purpose, status in (("ended", JobStatus.FAILED), ("cancel", JobStatus.CANCELLED)):
        db.document("videoJobs", this.id_of(purpose)).set(_job(this, purpose, status, now).to_document())


def _character(this: Round, purpose: str, now: datetime) -> Character:
    return Character(
        id=this.id_of(purpose),
        display_name=purpose.title(),
        config=VoiceConfig(),
        recording=Recording(object_name=f"recordings/{this.user}/{'a' * 32}.wav", duration_seconds=8.0),
        images={"0": f"images/{this.user}/{'b' * 32}.png"},
        next_image_key=1,
        output_prefix=purpose,
        owner_id=this.user,
        owner_name="Ann",
        created_at=now,
        updated_at=now,
    )


def _script(this: Round, purpose: str, job: str | None, now: datetime) -> Script:
    speakers = this.id_of("tom"), this.id_of("eva")
    return Script(
        id=this.id_of(purpose),
        owner_id=this.user,
        selected_characters=speakers,
        original_prompt="A dialogue about tea.",
        dialogue=tuple(DialogueLine(speaker=each, text="Tea.") for each in speakers),
        video_job_id=this.id_of(job) if job else None,
        created_at=now,
        updated_at=now,
    )


def _job(this: Round, purpose: str, status: JobStatus, now: datetime) -> VideoJob:
    return VideoJob(
        job_id=this.id_of(purpose),
        script_id=this.id_of("read"),
        user_id=this.user,
        title="Tea",
        status=status,
        price_tokens=1,
        background_video="sea.mp4",
        created_at=now,
        deadline_at=now + timedelta(hours=1),
    )


def ask_of(db: Client, function: str, this: Round) -> Ask:
    """The function's request in this round."""
    deployment: Deployment = getattr(main, function).deployment
    if deployment.called_by is CalledBy.SCHEDULE:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Ask(method="POST", headers={"X-CloudScheduler-ScheduleTime": now, "Content-Length": "0"})
    if deployment.called_by in {CalledBy.DOCUMENT_CREATED, CalledBy.DOCUMENT_WRITTEN}:
        return _document_event(db, deployment, this)
    if deployment.called_by is not CalledBy.HTTPS:
        return _object_event()
    if function == "not_found":
        return Ask(path="/api/nothing", success=404)
    return _api_request(function, this)


def _api_request(function: str, this: Round) -> Ask:
    route = route_of(function)
    purposes = {
        "characterId": {"update_character": "edited", "delete_character": "removed"}.get(function, "starred"),
        "scriptId": {"update_script": "edited", "delete_script": "removed", "generate_video": "video"}.get(
            function, "read"
        ),
        "jobId": {"cancel_video_job": "cancel"}.get(function, "ended"),
    }
    path = route.path
    for variable, purpose in purposes.items():
        path = path.replace(f"{{{variable}}}", this.id_of(purpose))
    objects = {"get_picture": "images", "get_recording": "recordings", "get_video": "videos"}
    if function in objects:
        suffix = {"images": "b" * 32 + ".png", "recordings": "a" * 32 + ".wav", "videos": "7" * 32 + "_1.mp4"}
        name = f"{objects[function]}/{this.user}/{suffix[objects[function]]}"
        path = signed_path(name, (this.secret,), datetime.now(UTC))
    user = f"leaving{this.number}" if function == "delete_me" else this.user
    headers = {"Authorization": f"Bearer {issue_session(user, (this.secret,), now=datetime.now(UTC))}"}
    prepared = requests.Request(
        route.method, f"http://{HOST}{path}", headers=headers, **_body(function, this)
    ).prepare()
    body = prepared.body or b""
    return Ask(
        method=route.method,
        path=prepared.path_url,
        headers=dict(prepared.headers),
        body=body if isinstance(body, bytes) else body.encode(),
        success=_OTHER_SUCCESS.get(function, 200),
    )


def _body(function: str, this: Round) -> dict[str, Any]:
    """What `requests` is to send along."""
    speakers = [this.id_of("tom"), this.id_of("eva")]
    account = {"email": f"login{this.number}@example.com", "password": PASSWORD}
    bodies: dict[str, dict[str, Any]] = {
        "signup": {"json": account | {"email": f"new{this.number}@example.com", "name": "Ann"}},
        "login": {"json": account},
        "create_character": {"data": {"displayName": "Ann"}, "files": _files()},
        "update_character": {"data": {"displayName": "Anna"}},
        "generate_script": {"json": {"selectedCharacters": speakers, "prompt": "A dialogue about tea, please."}},
        "update_script": {"json": {"dialogue": [{"speaker": speakers[0], "text": "Coffee."}]}},
        "generate_video": {"json": {}},
        "create_feedback": {"json": {"message": "Good."}},
    }
    return bodies.get(function, {})


def _files() -> list[tuple[str, tuple[str, bytes]]]:
    """A short recording and a small picture."""
    picture, recording = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(picture, "PNG")
    samples = 8_000 * np.sin(np.arange(24_000 * 4) / 20)
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return [("audioFile", ("a.wav", recording.getvalue())), ("imageFiles", ("a.png", picture.getvalue()))]


def _event_headers(kind: str, subject: str, more: Mapping[str, str]) -> dict[str, str]:
    attributes = {
        "id": "1",
        "specversion": "1.0",
        "source": f"//{kind}.googleapis.com/projects/_",
        "subject": subject,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **more,
    }
    return {f"ce-{name}": value for name, value in attributes.items()}


def _document_event(db: Client, deployment: Deployment, this: Round) -> Ask:
    """The creation of a document as it is in the database, or of one with nothing that its listener knows."""
    variables = {
        "userId": this.user,
        "jobId": this.id_of("ended"),
        "scriptId": this.id_of("read"),
        "characterId": this.id_of("tom"),
        "backgroundId": background_id("sea.mp4"),
        "document": "platform",
    }
    path = deployment.subject
    for name, value in variables.items():
        path = path.replace(f"{{{name}}}", value)
    parts = [part if not part.startswith("{") else f"none{this.number}" for part in path.split("/")]
    fields = db.document(*parts).get().to_dict() or {"type": "none"}
    name = f"projects/{PROJECT_ID}/databases/(default)/documents/{'/'.join(parts)}"
    stored = Document(name=name, fields=_helpers.encode_dict(fields))
    data = events.DocumentEventData(value=events.Document.deserialize(Document.serialize(stored)))
    is_creation = deployment.called_by is CalledBy.DOCUMENT_CREATED
    attributes = {
        "type": f"google.cloud.firestore.document.v1.{'created' if is_creation else 'written'}",
        "datacontenttype": "application/protobuf",
        "project": PROJECT_ID,
        "location": REGION,
        "namespace": "(default)",
        "database": "(default)",
        "document": "/".join(parts),
    }
    headers = _event_headers("firestore", f"documents/{'/'.join(parts)}", attributes)
    headers["Content-Type"] = "application/protobuf"
    return Ask(method="POST", headers=headers, body=events.DocumentEventData.serialize(data))


def _object_event() -> Ask:
    """An object that is none of the library's, as most are."""
    headers = _event_headers("storage", "objects/notes/a", {"type": "google.cloud.storage.object.v1.finalized"})
    fields = {"bucket": BUCKET, "name": "notes/a", "storageClass": "STANDARD"}
    fields |= dict.fromkeys(("generation", "metageneration", "id", "size"), "1")
    body = json.dumps(fields)
    return Ask(method="POST", headers=headers | {"Content-Type": "application/json"}, body=body.encode())


def functions() -> list[str]:
    """Every function that answers at once, those of the API first and in the order of the route table."""
    api = [route.function for route in ROUTES]
    return [*api, *(name for name in sorted(main.FUNCTIONS) if name not in {*api, "watch_identities"})]

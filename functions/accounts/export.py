"""All that is stored about a user, as the user gets it: one document in sections, a page at a time.

The sections follow each other in a fixed order, each with the newest first. A page has at most so many documents, and
its token says in which section the next one goes on, and where in it. The lists of all pages, one after the other, are
the whole; profile and stars, which are one document each, come with the first.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from accounts.users import User, UserAnswer
from activities.activity import Activity, ActivityType
from characters.character import Character, CharacterAnswer
from characters.stars import find_stars
from contracts.message import Message
from contracts.video_job import VideoJob
from feedback.store import Feedback
from gcp.documents import read_document
from gcp.errors import ValidationFailed
from gcp.models import Answer
from gcp.page import MOST, PageRequest, page_request, read_page
from media.signing import signed_path
from scripts.script import Script
from scripts.script_view import LineAnswer
from tokens.ledger import LedgerEntry
from videos.job_view import VideoJobAnswer

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Query


class CharacterData(CharacterAnswer):
    """`refText` is what is said in the recording, as the user wrote it or a voice heard it."""

    ref_text: str


class ScriptData(Answer):
    id: str
    selected_characters: list[str]
    original_prompt: str
    dialogue: list[LineAnswer]
    created_at: datetime
    updated_at: datetime
    video_job_id: str | None
    final_video_path: str | None


class LedgerData(Answer):
    """One movement of tokens: what was added to the balance and to what is held, and both afterwards."""

    id: str
    kind: str
    tokens: int
    held: int
    balance_after: int
    held_after: int
    job_id: str | None
    reason: str | None
    created_at: datetime


class ActivityData(Answer):
    id: str
    type: ActivityType
    message: str
    timestamp: datetime
    script_id: str | None
    character_id: str | None
    video_path: str | None


class StarData(Answer):
    character_id: str
    starred_at: datetime


class FeedbackData(Answer):
    id: str
    message: str
    created_at: datetime


class MyData(Answer):
    """One page of it. `profile` and `stars` come with the first; a list is empty where a page has none of it."""

    profile: UserAnswer | None
    stars: list[StarData]
    characters: list[CharacterData]
    scripts: list[ScriptData]
    video_jobs: list[VideoJobAnswer]
    ledger: list[LedgerData]
    activities: list[ActivityData]
    feedback: list[FeedbackData]


class ExportRequest(NamedTuple):
    """At most so many documents, from this place of this section on."""

    page: PageRequest
    section: str | None = None


class _Section(NamedTuple):
    """Where the documents are, by which field they are ordered, and what is made of each and its id."""

    query: "Query"
    order: str
    model: type[Message]
    make: Callable[[str, Any], Answer]


# Before everything that we store.
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_SECTIONS = ("characters", "scripts", "video_jobs", "ledger", "activities", "feedback")


def export_request(query: Mapping[str, str]) -> ExportRequest:
    """The page that the query asks for. Raises ValidationFailed."""
    section, _, token = query.get("pageToken", "").partition(".")
    page = page_request({**query, "pageToken": token}, default=MOST)
    if section and section not in _SECTIONS:
        message = "This is no token of a page; take it from the answer before."
        raise ValidationFailed([{"loc": ["query", "pageToken"], "msg": message, "type": "value_error"}])
    return ExportRequest(page, section or None)


def export_page(
    db: "Client", user: User, request: ExportRequest, secrets: Sequence[str], now: datetime
) -> tuple[MyData, str | None]:
    """The page, and the token of the next one. The last page can be empty."""
    stars = find_stars(db, user.id)
    sections = _sections(db, user, stars, secrets, now)
    first, after, left = request.section or _SECTIONS[0], request.page.after, request.page.limit
    contents: dict[str, list[Answer]] = {name: [] for name in _SECTIONS}
    next_token = None
    for name in _SECTIONS[_SECTIONS.index(first) :]:
        if not left:
            next_token = f"{name}."
            break
        section = sections[name]
        found, token = read_page(section.query, section.order, PageRequest(left, after))
        documents = ((each.id, read_document(section.model, each, id=each.id)) for each in found)
        contents[name] = [section.make(document_id, content) for document_id, content in documents if content]
        if token:
            next_token = f"{name}.{token}"
            break
        after, left = None, left - len(found)
    is_first = request.section is None
    newest_stars = sorted(stars.items(), key=lambda star: star[1], reverse=True)
    data = MyData(
        profile=UserAnswer.of(user) if is_first else None,
        stars=[StarData(character_id=key, starred_at=at) for key, at in newest_stars] if is_first else [],
        **contents,  # type: ignore[arg-type]  # each section makes its own answers
    )
    return data, next_token


def _sections(
    db: "Client", user: User, stars: Mapping[str, datetime], secrets: Sequence[str], now: datetime
) -> dict[str, _Section]:
    # Deferred: gRPC; whoever has a client has it already.
    from google.cloud.firestore import FieldFilter

    def owned(collection: str, field: str) -> "Query":
        return db.collection(collection).where(filter=FieldFilter(field, "==", user.id))

    def path(object_name: str | None) -> str | None:
        return signed_path(object_name, secrets, now) if object_name else None

    def character(_document_id: str, found: Character) -> CharacterData:
        is_starred = found.id in stars
        shown = CharacterAnswer.of(found, viewer_id=user.id, is_starred=is_starred, secrets=secrets, now=now)
        return CharacterData(**shown.model_dump(), ref_text=found.recording.ref_text)

    def script(_document_id: str, found: Script) -> ScriptData:
        return ScriptData(
            **found.model_dump(include={"id", "original_prompt", "created_at", "updated_at", "video_job_id"}),
            selected_characters=list(found.selected_characters),
            dialogue=[
                LineAnswer(speaker=line.speaker, text=line.text, audio_file=path(line.audio_object) or "")
                for line in found.dialogue
            ],
            final_video_path=path(found.video.object_name if found.video else None),
        )

    def job(_document_id: str, found: VideoJob) -> VideoJobAnswer:
        return VideoJobAnswer.of(found, tuple(secrets), now)

    def entry(document_id: str, found: LedgerEntry) -> LedgerData:
        return LedgerData(id=document_id, **found.model_dump())

    def activity(document_id: str, found: Activity) -> ActivityData:
        known = found.model_dump(exclude={"video_object"})
        return ActivityData(id=document_id, **known, video_path=path(found.video_object))

    def feedback(document_id: str, found: Feedback) -> FeedbackData:
        return FeedbackData(id=document_id, message=found.message, created_at=found.created_at)

    def below(collection: str, order: str, after: datetime = _BEGINNING) -> "Query":
        return db.collection("users", user.id, collection).where(filter=FieldFilter(order, ">", after))

    cleared_at = user.activities_cleared_at or _BEGINNING
    return {
        "characters": _Section(owned("characters", "ownerId"), "createdAt", Character, character),
        "scripts": _Section(owned("scripts", "ownerId"), "createdAt", Script, script),
        "video_jobs": _Section(owned("videoJobs", "userId"), "createdAt", VideoJob, job),
        "ledger": _Section(below("ledger", "createdAt"), "createdAt", LedgerEntry, entry),
        "activities": _Section(below("activities", "timestamp", cleared_at), "timestamp", Activity, activity),
        "feedback": _Section(owned("feedback", "userId"), "createdAt", Feedback, feedback),
    }

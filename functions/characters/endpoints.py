"""Characters: making, changing, listing, starring."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from characters.character import (
    Character,
    CharacterAnswer,
    CharacterChanges,
    CharacterForm,
    VoiceConfig,
    check_image_count,
    output_prefix_of,
    require_owned,
    require_visible,
)
from characters.limits import MAX_PICTURES
from characters.stars import find_stars, list_favorites, set_star
from characters.store import (
    change_character,
    find_character,
    list_characters_of,
    list_public_characters,
    remove_character,
    write_new_character,
)
from characters.uploads import Stored, Uploads, decode_uploads, find_recording, require_one_recording, stored_uploads
from config.platform import effective_config
from gcp.clients import firestore, media_bucket
from gcp.endpoint import Call, endpoint
from gcp.errors import Forbidden, NotFound, RateLimited, ValidationFailed
from gcp.idempotency import begin, given_back_unless_made, key_of
from gcp.models import Answer
from gcp.page import Page, PageRequest, limit_parameter, page_limit, page_parameters, page_request, paged
from gcp.settings import settings
from gcp.wire import NoBody, WithHeaders
from limits.rate_limits import spend


class CharactersCombined(BaseModel):
    """The keys are snake_case, as clients know them."""

    all: list[CharacterAnswer]
    my_characters: list[CharacterAnswer]
    my_favorites: list[CharacterAnswer]


class CharacterDeleted(Answer):
    message: str
    deleted_files: tuple[str, ...]


class CharacterStarred(Answer):
    success: bool = True
    message: str
    character_id: str
    starred: int
    is_starred: bool


@endpoint(answer=list[CharacterAnswer], query=page_parameters(), refuses=(ValidationFailed,))
def list_characters(call: Call[NoBody]) -> WithHeaders:
    """GET /api/characters, anyone: the public characters, newest first."""
    return _page(call, list_public_characters(firestore(), page_request(call.query)), _stars(call))


@endpoint(answer=list[CharacterAnswer], query=page_parameters(), refuses=(ValidationFailed,))
def list_my_characters(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-characters, the user: the caller's own, newest first."""
    return _page(call, list_characters_of(firestore(), call.caller.id, page_request(call.query)), _stars(call))


@endpoint(answer=list[CharacterAnswer], query=page_parameters(), refuses=(ValidationFailed,))
def list_my_favorites(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-favorites, the user: the characters that the caller starred, the last one starred first."""
    stars = _stars(call)
    return _page(call, list_favorites(firestore(), call.caller.id, stars, page_request(call.query)), stars)


@endpoint(answer=CharactersCombined, query=(limit_parameter(),), refuses=(ValidationFailed,))
def list_characters_combined(call: Call[NoBody]) -> CharactersCombined:
    """GET /api/characters-combined, the user: the first page of each of the three lists."""
    db, user_id, stars = firestore(), call.caller.id, _stars(call)
    page = PageRequest(page_limit(call.query))
    return CharactersCombined(
        all=_answers(call, list_public_characters(db, page).items, stars),
        my_characters=_answers(call, list_characters_of(db, user_id, page).items, stars),
        my_favorites=_answers(call, list_favorites(db, user_id, stars, page).items, stars),
    )


@endpoint(answer=CharacterAnswer, refuses=(NotFound,))
def get_character(call: Call[NoBody]) -> CharacterAnswer:
    """GET /api/characters/{characterId}, anyone who may see it: one character."""
    viewer_id = call.user.id if call.user else None
    return _answer(call, require_visible(find_character(firestore(), call.path["characterId"]), viewer_id))


@endpoint(body=CharacterForm, answer=CharacterAnswer, refuses=(NotFound, RateLimited), idempotent=True)
def create_character(call: Call[CharacterForm]) -> CharacterAnswer:
    """POST /api/characters/complete, the user: a character of a recording and pictures.

    404 when the Idempotency-Key's character is deleted since.
    """
    db = firestore()
    key = key_of(db, call, "create_character")
    attempt = begin(db, key, now=datetime.now(UTC))
    if attempt.is_repeat:
        return _answer(call, require_visible(find_character(db, attempt.resource_id), call.caller.id))
    with given_back_unless_made(db, key):
        uploads = _uploads_of_new(call)
        with _stored(call, uploads, call.body.ref_text) as stored:
            character = _made(call, attempt.resource_id, stored)
            write_new_character(db, character, key)
    return _answer(call, character)


def _uploads_of_new(call: Call[CharacterForm]) -> Uploads:
    """The files of a new character. Raises ValidationFailed when there are too few or too many."""
    recording = require_one_recording(call.files)
    uploads = Uploads(recording=recording, pictures=call.files.get("imageFiles", ()), pictures_field="imageFiles")
    if not 1 <= len(uploads.pictures) <= MAX_PICTURES:
        raise ValidationFailed.of(
            "imageFiles", f"{len(uploads.pictures)} pictures were sent; 1 to {MAX_PICTURES} are taken."
        )
    return uploads


def _made(call: Call[CharacterForm], character_id: str, stored: Stored) -> Character:
    """A character of the form and its files."""
    assert stored.recording is not None
    form = call.body
    now = datetime.now(UTC)
    return Character(
        id=character_id,
        display_name=form.display_name,
        config=VoiceConfig(**form.model_dump(include=set(VoiceConfig.model_fields))),
        recording=stored.recording,
        images={str(key): name for key, name in enumerate(stored.pictures)},
        next_image_key=len(stored.pictures),
        output_prefix=output_prefix_of(form.display_name),
        owner_id=call.caller.id,
        owner_name=call.caller.name,
        created_at=now,
        updated_at=now,
    )


@endpoint(body=CharacterChanges, answer=CharacterAnswer, refuses=(Forbidden, NotFound, RateLimited))
def update_character(call: Call[CharacterChanges]) -> CharacterAnswer:
    """PUT /api/characters/{characterId}, its owner: the changed character."""
    uploads = Uploads(
        recording=find_recording(call.files),
        pictures=call.files.get("newImageFiles", ()),
        pictures_field="newImageFiles",
    )
    # Decided again in the transaction; now it spares a stranger's uploads the decoding.
    before = require_owned(find_character(firestore(), call.path["characterId"]), call.caller.id)
    check_image_count(before, call.body, added=len(uploads.pictures))
    with _stored(call, uploads, call.body.ref_text) as stored:
        character = change_character(
            firestore(),
            before.id,
            call.caller.id,
            call.body,
            recording=stored.recording,
            pictures=stored.pictures,
            now=datetime.now(UTC),
        )
    return _answer(call, character)


@endpoint(answer=CharacterDeleted, refuses=(Forbidden, NotFound))
def delete_character(call: Call[NoBody]) -> CharacterDeleted:
    """DELETE /api/characters/{characterId}, its owner: gone; older videos and running ones stay."""
    character = remove_character(firestore(), call.path["characterId"], call.caller.id, now=datetime.now(UTC))
    return CharacterDeleted(
        message=f"Character '{character.id}' deleted successfully", deleted_files=character.object_names
    )


@endpoint(answer=CharacterStarred, refuses=(NotFound, ValidationFailed))
def star_character(call: Call[NoBody]) -> CharacterStarred:
    """POST /api/characters/{characterId}/star, the user: starred, once however often."""
    return _set_star(call, is_starred=True)


@endpoint(answer=CharacterStarred, refuses=(NotFound,))
def unstar_character(call: Call[NoBody]) -> CharacterStarred:
    """DELETE /api/characters/{characterId}/star, the user: starred no longer.

    That holds for a character too that was deleted or hidden since it was starred; it has 0 stars then.
    """
    return _set_star(call, is_starred=False)


def _set_star(call: Call[NoBody], *, is_starred: bool) -> CharacterStarred:
    character_id = call.path["characterId"]
    count = set_star(firestore(), call.caller.id, character_id, is_starred=is_starred, now=datetime.now(UTC))
    return CharacterStarred(
        message=f"Character {'starred' if is_starred else 'unstarred'} successfully",
        character_id=character_id,
        starred=count,
        is_starred=is_starred,
    )


@contextmanager
def _stored(call: Call[Any], uploads: Uploads, ref_text: str | None) -> Iterator[Stored]:
    """The files, decoded and in the bucket, for what is written inside. Raises RateLimited for too many uploads."""
    if not uploads.items:
        yield Stored(None, ())
        return
    db, owner_id = firestore(), call.caller.id
    most = effective_config(db).uploads_per_hour
    message = f"At most {most} forms with files are taken in an hour; try again later."
    spend(db, "upload", owner_id, most=most, window=timedelta(hours=1), now=datetime.now(UTC), message=message)
    decoded = decode_uploads(uploads)
    with stored_uploads(db, media_bucket(), owner_id=owner_id, decoded=decoded, ref_text=ref_text or "") as stored:
        yield stored


def _stars(call: Call[Any]) -> Mapping[str, datetime]:
    """When the caller starred which character: one read; nobody starred none."""
    if call.user is None:
        return {}
    return find_stars(firestore(), call.user.id)


def _answer(call: Call[Any], character: Character) -> CharacterAnswer:
    return _answers(call, [character], _stars(call))[0]


def _answers(call: Call[Any], characters: Sequence[Character], stars: Mapping[str, datetime]) -> list[CharacterAnswer]:
    """The characters as the caller sees them."""
    viewer_id = call.user.id if call.user else None
    secrets, now = settings().jwt_secrets, datetime.now(UTC)
    return [
        CharacterAnswer.of(character, viewer_id=viewer_id, is_starred=character.id in stars, secrets=secrets, now=now)
        for character in characters
    ]


def _page(call: Call[Any], page: Page[Character], stars: Mapping[str, datetime]) -> WithHeaders:
    return paged(_answers(call, page.items, stars), page.next_token)

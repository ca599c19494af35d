"""The documents `characters/{characterId}`. Objects that a character no longer needs are listed in `mediaDeletions`."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from accounts.users import require_account
from characters.character import (
    Character,
    CharacterChanges,
    Recording,
    apply_changes,
    is_character_id,
    require_owned,
)
from gcp.documents import read_document
from gcp.idempotency import Key, finish
from gcp.page import Page, PageRequest, read_page
from gcp.transactions import transact
from media.deletions import write_media_deletion

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, DocumentSnapshot, Transaction


def find_character(db: "Client", character_id: str, *, transaction: "Transaction | None" = None) -> Character | None:
    """The character of that id, None for an id that is no character's."""
    if not is_character_id(character_id):
        return None
    return _character(_reference(db, character_id).get(transaction=transaction))


def find_characters(
    db: "Client", ids: Iterable[str], *, transaction: "Transaction | None" = None
) -> dict[str, Character]:
    """The characters of these ids, read at once; those that are not there, or damaged, are absent."""
    references = [_reference(db, each) for each in dict.fromkeys(ids) if is_character_id(each)]
    found = (_character(document) for document in db.get_all(references, transaction=transaction)) if references else ()
    return {character.id: character for character in found if character}


def missing_characters(db: "Client", ids: Sequence[str]) -> list[str]:
    """Those of the ids that no document has, whether it could be read as a character or not."""
    found = db.get_all([_reference(db, each) for each in ids], field_paths=[]) if ids else ()
    return [document.id for document in found if not document.exists]


def list_public_characters(db: "Client", page: PageRequest) -> Page[Character]:
    """The characters that everybody may use, newest first."""
    return _newest(db, "hidden", False, page)


def list_characters_of(db: "Client", owner_id: str, page: PageRequest) -> Page[Character]:
    """A user's own characters, newest first."""
    return _newest(db, "ownerId", owner_id, page)


def write_new_character(db: "Client", character: Character, key: Key | None = None) -> None:
    """The character is stored, as what the key's request made.

    Its objects are in the bucket already, so that nobody sees a character without them. Raises Unauthenticated when the
    owner's account is deleted, RequestInProgress when another request has taken the key over, and Unavailable.
    """

    def create(transaction: "Transaction") -> None:
        require_account(db, character.owner_id, transaction=transaction)
        if finish(transaction, key):
            # Not `create`: when the commit's answer was lost, this runs again. The id is new and nobody else's.
            transaction.set(_reference(db, character.id), _document(character))

    transact(db, create)


def change_character(
    db: "Client",
    character_id: str,
    user_id: str,
    changes: CharacterChanges,
    *,
    recording: Recording | None,
    pictures: Sequence[str],
    now: datetime,
) -> Character:
    """The character as changed and stored. What it was made of before is listed for deletion.

    Raises Unauthenticated when the user's account is deleted, NotFound, Forbidden, ValidationFailed and Unavailable.
    """
    added = {*pictures, *([recording.object_name] if recording else [])}

    def change(transaction: "Transaction") -> Character:
        require_account(db, user_id, transaction=transaction)
        before = require_owned(find_character(db, character_id, transaction=transaction), user_id)
        if not added.isdisjoint(before.object_names):
            # The names are new and random: the change is made already, and the commit's answer was lost.
            return before
        after = apply_changes(before, changes, recording=recording, pictures=pictures, now=now)
        if after == before:
            return before
        # Only what is another: what an admin or a trigger wrote beside it stays.
        old = _document(before)
        changed = {name: value for name, value in _document(after).items() if value != old[name]}
        transaction.update(_reference(db, character_id), changed)
        unused = tuple(name for name in before.object_names if name not in after.object_names)
        deletion_id = f"{character_id}_{uuid.uuid4().hex}"
        write_media_deletion(transaction, db, deletion_id, unused, owner_id=user_id, now=now)
        return after

    return transact(db, change)


def remove_character(db: "Client", character_id: str, user_id: str, *, now: datetime) -> Character:
    """The character that is stored no longer; its objects are listed for deletion.

    Raises NotFound, Forbidden and Unavailable.
    """

    def remove(transaction: "Transaction") -> Character:
        character = require_owned(find_character(db, character_id, transaction=transaction), user_id)
        transaction.delete(_reference(db, character_id))
        write_media_deletion(transaction, db, character_id, character.object_names, owner_id=user_id, now=now)
        return character

    return transact(db, remove)


def _newest(db: "Client", field: str, value: str | bool, page: PageRequest) -> Page[Character]:
    # Deferred: whoever has a client has loaded them.
    from google.cloud.firestore import FieldFilter

    query = db.collection("characters").where(filter=FieldFilter(field, "==", value))
    documents, next_token = read_page(query, "createdAt", page)
    return Page([character for document in documents if (character := _character(document))], next_token)


def _reference(db: "Client", character_id: str) -> "DocumentReference":
    return db.document("characters", character_id)


def _character(document: "DocumentSnapshot[Any]") -> Character | None:
    return read_document(Character, document, id=document.id)


def _document(character: Character) -> dict[str, object]:
    return {name: value for name, value in character.to_document().items() if name != "id"}

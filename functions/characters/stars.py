"""Who likes which character: `stars/{uid}`, and how many do: `starred` of the character.

There is one document per user, so that any list costs one read of the caller's stars. `characters` says when the user
starred which character, `updatedAt` when the user last starred one or took a star away.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from accounts.users import require_account
from characters.character import Character, is_character_id, require_visible
from characters.store import find_character, find_characters, missing_characters
from contracts.message import Message
from gcp.documents import fields_of
from gcp.errors import NotFound, ValidationFailed
from gcp.page import Page, PageRequest, page_token
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

# As many make a document of about 60 kB, which every list of the user's reads.
MAX_STARS = 1_000


class Stars(Message):
    """The document of one user."""

    characters: dict[str, datetime] = Field(default_factory=dict)
    updated_at: datetime | None = None


def find_stars(db: "Client", user_id: str, *, transaction: "Transaction | None" = None) -> dict[str, datetime]:
    """When the user starred which character, by its id; some may have been deleted or hidden since."""
    fields = fields_of(_reference(db, user_id).get(transaction=transaction))
    return Stars.model_validate(fields or {}).characters


def set_star(db: "Client", user_id: str, character_id: str, *, is_starred: bool, now: datetime) -> int:
    """The character has the user's star or not; its number of stars is returned. Repeating changes nothing.

    A star can be taken away from a character that was deleted or hidden since, of which the number is told no longer:
    it is 0. Raises NotFound, ValidationFailed for one star too many, Unauthenticated for a star of a user whose account
    is deleted, and Unavailable.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.api_core.exceptions import NotFound as DocumentNotFound
    from google.cloud.firestore import DELETE_FIELD, Increment

    def set_it(transaction: "Transaction") -> int:
        stars = find_stars(db, user_id, transaction=transaction)
        was_starred = character_id in stars
        # Not in the transaction: the number is added to and not set, so that users who star one character at the same
        # time do not wait for each other. It may be deleted in between, and then nothing is written.
        character = find_character(db, character_id)
        is_visible = character is not None and character.is_visible_to(user_id)
        if is_starred or not was_starred:
            require_visible(character, user_id)
        if is_starred and not was_starred and len(stars) >= MAX_STARS:
            raise _one_too_many()
        count = max(0, character.starred) if character is not None and is_visible else 0
        if is_starred == was_starred:
            return count
        if is_starred:
            # Stars are taken away from a deleted account's characters too, by its deletion.
            require_account(db, user_id, transaction=transaction)
        step = 1 if is_starred else -1
        star = {"characters": {character_id: now if is_starred else DELETE_FIELD}, "updatedAt": now}
        transaction.set(_reference(db, user_id), star, merge=True)
        if character is not None:
            transaction.update(db.document("characters", character_id), {"starred": Increment(step)})
        return max(0, count + step) if is_visible else 0

    if not is_character_id(character_id):
        raise NotFound("There is no such character.")
    try:
        return transact(db, set_it)
    except DocumentNotFound:
        # Deleted since it was read. It stays so: there is no third time.
        return transact(db, set_it)


def list_favorites(db: "Client", user_id: str, stars: Mapping[str, datetime], page: PageRequest) -> Page[Character]:
    """Those of the user's stars that the user may see, the last one starred first; at most `limit` documents are read.

    The stars of a page whose characters are hidden or gone are left out; those that are gone are forgotten as well, so
    that they take no room on the next such page.
    """
    newest = sorted(((starred_at, character_id) for character_id, starred_at in stars.items()), reverse=True)
    if page.after is not None:
        newest = [star for star in newest if star < page.after]
    asked = newest[: page.limit]
    found = find_characters(db, [character_id for _, character_id in asked])
    _forget(db, user_id, missing_characters(db, [each for _, each in asked if each not in found]))
    favorites = [found[character_id] for _, character_id in asked if character_id in found]
    next_token = page_token(*asked[-1]) if len(asked) < len(newest) else None
    return Page([character for character in favorites if character.is_visible_to(user_id)], next_token)


def _forget(db: "Client", user_id: str, gone: list[str]) -> None:
    """The user's stars hold these characters no longer, which nobody can star again."""
    from google.api_core.exceptions import Aborted
    from google.api_core.exceptions import NotFound as DocumentNotFound
    from google.cloud.firestore import DELETE_FIELD
    from google.cloud.firestore_v1.field_path import FieldPath

    if not gone:
        return
    forgotten = {FieldPath("characters", character_id).to_api_repr(): DELETE_FIELD for character_id in gone}
    try:
        _reference(db, user_id).update(forgotten)
    except (Aborted, DocumentNotFound):
        # The user stars something right now, and the next list forgets them; or the account was deleted.
        return


def _one_too_many() -> ValidationFailed:
    message = f"You have {MAX_STARS:,} stars, which is the most; take one away first."
    return ValidationFailed([{"loc": ["path", "characterId"], "msg": message, "type": "too_many"}])


def _reference(db: "Client", user_id: str) -> "DocumentReference":
    return db.document("stars", user_id)

"""Who likes which character: `users/{uid}/stars/{characterId}`, and their number in the character's `starred`."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from characters.character import Character, require_visible
from characters.store import find_character
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction


def starred_among(db: "Client", user_id: str | None, characters: Sequence[Character]) -> frozenset[str]:
    """The ids of those characters that the user starred, read at once; none for nobody."""
    if user_id is None or not characters:
        return frozenset()
    references = [_reference(db, user_id, character.id) for character in characters]
    return frozenset(star.id for star in db.get_all(references) if star.exists)


def set_star(db: "Client", user_id: str, character_id: str, *, is_starred: bool, now: datetime) -> Character:
    """The character, with the user's star on it or not. Repeating changes nothing: a user counts once.

    Raises NotFound and Unavailable.
    """
    reference = _reference(db, user_id, character_id)

    def set_it(transaction: "Transaction") -> Character:
        character = require_visible(find_character(db, character_id, transaction=transaction), user_id)
        if reference.get(transaction=transaction).exists == is_starred:
            return character
        starred = max(0, character.starred + (1 if is_starred else -1))
        transaction.update(db.document("characters", character_id), {"starred": starred})
        if is_starred:
            transaction.create(reference, {"createdAt": now})
        else:
            transaction.delete(reference)
        return character.model_copy(update={"starred": starred})

    return transact(db, set_it)


def _reference(db: "Client", user_id: str, character_id: str) -> "DocumentReference":
    return db.document("users", user_id, "stars", character_id)

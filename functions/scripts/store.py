"""Reads and writes of `scripts/{scriptId}`. Somebody else's script is, to a caller, one that does not exist."""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from activities.activity import Activity, ActivityType, write_activity
from gcp.errors import NotFound
from gcp.transactions import transact
from media.deletions import write_media_deletion
from scripts.script import DialogueLine, Script

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, Transaction

# Asked of every id before it becomes part of a document's path: Firestore refuses some names with an error of its own.
_SCRIPT_ID = re.compile(r"[0-9a-f]{32}")


def script_reference(db: "Client", script_id: str) -> "DocumentReference":
    return db.document("scripts", script_id)


def new_script_id() -> str:
    return uuid.uuid4().hex


def find_script(db: "Client", script_id: str, *, transaction: "Transaction | None" = None) -> Script | None:
    """The script of that id, or None, also for a text that cannot be an id."""
    if not _SCRIPT_ID.fullmatch(script_id):
        return None
    fields = script_reference(db, script_id).get(transaction=transaction).to_dict()
    return Script.model_validate(fields | {"id": script_id}) if fields is not None else None


def find_own_script(db: "Client", script_id: str, owner_id: str, *, transaction: "Transaction | None" = None) -> Script:
    """The owner's script of that id. Raises NotFound, the same for a missing script and for somebody else's."""
    script = find_script(db, script_id, transaction=transaction)
    if script is None or script.owner_id != owner_id:
        raise NotFound("There is no such script.")
    return script


def list_scripts(db: "Client", owner_id: str, limit: int) -> list[Script]:
    """The owner's scripts, the newest first."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter, Query

    own = db.collection("scripts").where(filter=FieldFilter("ownerId", "==", owner_id))
    newest = own.order_by("createdAt", direction=Query.DESCENDING).limit(limit)
    return [Script.model_validate({**(found.to_dict() or {}), "id": found.id}) for found in newest.stream()]


def create_script(db: "Client", script: Script) -> None:
    """The script is stored; its activity follows from that (scripts.triggers)."""
    fields = script.to_document()
    del fields["id"]
    script_reference(db, script.id).create(fields)


def update_dialogue(
    db: "Client", *, script_id: str, owner_id: str, lines: Sequence[DialogueLine], cause: str, now: datetime
) -> Script:
    """The owner's script with these lines, and the activity of this update, whose cause is a request's id.

    Raises NotFound and ValidationFailed. A video that is being made keeps the lines with which it was started.
    """

    def update(transaction: "Transaction") -> Script:
        script = find_own_script(db, script_id, owner_id, transaction=transaction).with_dialogue(lines, now)
        dialogue = [line.to_document() for line in script.dialogue]
        transaction.update(script_reference(db, script_id), {"dialogue": dialogue, "updatedAt": now})
        activity = Activity(
            type=ActivityType.SCRIPT_UPDATED,
            message=f"Script '{script.title}' updated",
            timestamp=now,
            script_id=script_id,
        )
        write_activity(transaction, db, owner_id, cause, activity)
        return script

    return transact(db, update)


def delete_script(db: "Client", *, script_id: str, owner_id: str, now: datetime) -> tuple[str, ...]:
    """The owner's script is gone, its media is listed for deletion and the log says so; the media's object names.

    An unfinished job of the script is left alone: its runner finds the script gone and ends it as cancelled, which
    releases its hold. Raises NotFound.
    """

    def delete(transaction: "Transaction") -> tuple[str, ...]:
        script = find_own_script(db, script_id, owner_id, transaction=transaction)
        transaction.delete(script_reference(db, script_id))
        write_media_deletion(transaction, db, script_id, script.media_objects, owner_id=owner_id, now=now)
        activity = Activity(
            type=ActivityType.SCRIPT_DELETED,
            message=f"Script '{script.title}' deleted",
            timestamp=now,
            script_id=script_id,
        )
        write_activity(transaction, db, owner_id, script_id, activity)
        return script.media_objects

    return transact(db, delete)

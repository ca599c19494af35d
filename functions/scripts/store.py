"""Reads and writes of `scripts/{scriptId}`. Somebody else's script is, to a caller, one that does not exist."""

import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from accounts.users import require_account
from contracts.video_job import JobStatus, VideoJob, ended_fields
from gcp.documents import read_document
from gcp.errors import NotFound
from gcp.idempotency import Key, finish
from gcp.page import Page, PageRequest, read_page
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
    return read_document(Script, script_reference(db, script_id).get(transaction=transaction), id=script_id)


def find_own_script(db: "Client", script_id: str, owner_id: str, *, transaction: "Transaction | None" = None) -> Script:
    """The owner's script of that id. Raises NotFound, the same for a missing script and for somebody else's."""
    script = find_script(db, script_id, transaction=transaction)
    if script is None or script.owner_id != owner_id:
        raise NotFound("There is no such script.")
    return script


def list_scripts(db: "Client", owner_id: str, request: PageRequest) -> Page[Script]:
    """The owner's scripts, the newest first."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    own = db.collection("scripts").where(filter=FieldFilter("ownerId", "==", owner_id))
    found, next_token = read_page(own, "createdAt", request)
    return Page([script for each in found if (script := read_document(Script, each, id=each.id))], next_token)


def create_script(db: "Client", script: Script, key: Key | None = None) -> None:
    """The script is stored, as what the key's request made; its activity follows from that (scripts.triggers).

    Raises Unauthenticated when the owner's account is deleted, RequestInProgress when another request has taken the key
    over, and Unavailable.
    """
    fields = script.to_document()
    del fields["id"]

    def create(transaction: "Transaction") -> None:
        require_account(db, script.owner_id, transaction=transaction)
        if finish(transaction, key):
            # Not `create`: when the commit's answer was lost, this runs again. The id is new and nobody else's.
            transaction.set(script_reference(db, script.id), fields)

    transact(db, create)


def update_dialogue(
    db: "Client", *, script_id: str, owner_id: str, lines: Sequence[DialogueLine], now: datetime
) -> Script:
    """The owner's script with these lines; its activity follows from that (scripts.triggers).

    A video that is being made keeps the lines with which it was started, and its job says so. The audio of lines that
    are gone is listed for deletion. Raises Unauthenticated when the owner's account is deleted, NotFound and
    ValidationFailed.
    """

    def update(transaction: "Transaction") -> Script:
        require_account(db, owner_id, transaction=transaction)
        before = find_own_script(db, script_id, owner_id, transaction=transaction)
        script = before.with_dialogue(lines, now)
        # Clients also send what they got back unchanged, which is no edit that the job should tell of.
        is_edited = script.dialogue != before.dialogue
        unfinished = _unfinished_job(db, script, transaction) if is_edited else None
        fields = {
            "dialogue": [line.to_document() for line in script.dialogue],
            "mediaObjects": list(script.media_objects),
            "updatedAt": now,
        }
        transaction.update(script_reference(db, script_id), fields)
        unused = [name for name in before.media_objects if name not in script.media_objects]
        write_media_deletion(transaction, db, f"{script_id}_{uuid.uuid4().hex}", unused, owner_id=owner_id, now=now)
        if unfinished is not None:
            transaction.update(_job_reference(db, unfinished.job_id), {"dialogueEditedAt": now})
        return script

    return transact(db, update)


def _unfinished_job(db: "Client", script: Script, transaction: "Transaction") -> VideoJob | None:
    """The script's newest job, unless that has ended or is gone.

    Not by videos.jobs, which imports this module.
    """
    if script.video_job_id is None:
        return None
    job = read_document(VideoJob, _job_reference(db, script.video_job_id).get(transaction=transaction))
    return job if job and not job.status.is_terminal else None


def _job_reference(db: "Client", job_id: str) -> "DocumentReference":
    return db.document("videoJobs", job_id)


class DeletedScript(NamedTuple):
    """What a script leaves: its media's object names, and the job that was cancelled with it."""

    object_names: tuple[str, ...]
    cancelled_job_id: str | None


def delete_script(db: "Client", *, script_id: str, owner_id: str, now: datetime) -> DeletedScript:
    """The owner's script is gone, its media listed for deletion and its unfinished job cancelled, in one transaction.

    That job's hold is still to be settled: by the caller, who is in a hurry, or by what follows from the job's end. A
    start changes the script too, so that there is no job which this does not see. Raises NotFound.
    """

    def delete(transaction: "Transaction") -> DeletedScript:
        script = find_own_script(db, script_id, owner_id, transaction=transaction)
        unfinished = _unfinished_job(db, script, transaction)
        transaction.delete(script_reference(db, script_id))
        write_media_deletion(
            transaction, db, script_id, script.media_objects, owner_id=owner_id, script_id=script_id, now=now
        )
        if unfinished is None:
            return DeletedScript(script.media_objects, None)
        cancelled = ended_fields(unfinished, now, JobStatus.CANCELLED)
        transaction.update(_job_reference(db, unfinished.job_id), cancelled)
        return DeletedScript(script.media_objects, unfinished.job_id)

    return transact(db, delete)

"""The library of background videos as the functions read and write it: `backgrounds/{id}`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts.background import (
    BackgroundStatus,
    BackgroundVideo,
    background_id,
    file_name,
    is_allowed_name,
    is_news,
    refused,
)
from gcp.documents import fields_of
from gcp.page import Page, PageRequest, read_page
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction
    from google.cloud.storage import Bucket

    from gcp.trigger import StoredObject


def list_listed(db: "Client", request: PageRequest) -> Page[BackgroundVideo]:
    """A page of the listed backgrounds, the newest first."""
    # Deferred: gRPC; whoever has the client has it already.
    from google.cloud.firestore import FieldFilter

    query = db.collection("backgrounds").where(filter=FieldFilter("status", "==", BackgroundStatus.LISTED))
    found, next_token = read_page(query, "createdAt", request)
    return Page([BackgroundVideo.model_validate(fields_of(each)) for each in found], next_token)


def find_listed(db: "Client", name: str, *, transaction: "Transaction | None" = None) -> BackgroundVideo | None:
    """The listed background of that name, or None; also for a text that is no file's name."""
    if not is_allowed_name(name):
        return None
    fields = db.document("backgrounds", background_id(name)).get(transaction=transaction).to_dict()
    found = BackgroundVideo.model_validate(fields) if fields else None
    return found if found and found.status is BackgroundStatus.LISTED else None


def choose_listed(db: "Client", number: str, *, transaction: "Transaction | None" = None) -> BackgroundVideo | None:
    """The listed background whose id comes next after `number`, 32 hexadecimal digits; None when none is listed."""
    # Deferred, as above.
    from google.cloud.firestore import FieldFilter

    listed = db.collection("backgrounds").where(filter=FieldFilter("status", "==", BackgroundStatus.LISTED))
    in_order = listed.order_by("__name__").limit(1)
    # Whoever comes after the last id begins anew with the first.
    for query in (in_order.start_at({"__name__": number}), in_order):
        for each in query.stream(transaction=transaction):
            return BackgroundVideo.model_validate(each.to_dict())
    return None


def refuse_background(db: "Client", source: "StoredObject", reason: str, now: datetime) -> None:
    """The file is refused, unless the document tells of it already, or of what took its place."""
    entry = refused(source.name, source.generation, reason, created_at=source.created_at, now=now)
    _write(db, entry, lambda stored: is_news(stored, source.generation))


def remove_background(db: "Client", source: "StoredObject", now: datetime) -> None:
    """The file is no longer in the library, also when a task still has to look at it; unless another took its place."""
    entry = BackgroundVideo(
        name=file_name(source.name) or source.name,
        status=BackgroundStatus.REMOVED,
        source_object=source.name,
        source_generation=source.generation,
        created_at=source.created_at,
        updated_at=now,
    )

    def applies(stored: Mapping[str, Any] | None) -> bool:
        if stored is None or is_news(stored, source.generation):
            return True
        is_told = stored["sourceGeneration"] == source.generation
        return bool(is_told and stored["status"] != BackgroundStatus.REMOVED)

    _write(db, entry, applies)


def was_replaced(bucket: "Bucket", source: "StoredObject") -> bool:
    """Whether a newer content lies under the object's name."""
    live = bucket.get_blob(source.name)
    return live is not None and int(live.generation) > source.generation


def _write(db: "Client", entry: BackgroundVideo, applies: Callable[[Mapping[str, Any] | None], bool]) -> None:
    reference = db.document("backgrounds", background_id(entry.name))

    def write(transaction: "Transaction") -> None:
        if applies(reference.get(transaction=transaction).to_dict()):
            transaction.set(reference, entry.to_document())

    transact(db, write)

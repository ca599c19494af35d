"""A library on a real Firestore emulator and bucket, told of by Cloud Storage's own events."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import firebase_admin
import pytest
from cloudevents.http import CloudEvent

from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from gcp import clients
from gcp.settings import settings
from tests.functions.videos.conftest import RenderQueue, render_queue

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

__all__ = ["NOW", "DeliverObject", "RenderQueue", "WriteBackground", "render_queue"]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DeliverObject = Callable[..., None]
WriteBackground = Callable[..., BackgroundVideo]


@pytest.fixture
def media(product: pytest.MonkeyPatch, bucket: "Bucket") -> Iterator["Bucket"]:
    """The media bucket, as the functions find it."""
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()
    yield bucket
    clients.media_bucket.cache_clear()


@pytest.fixture
def deliver_object(media: "Bucket") -> Iterator[DeliverObject]:
    """A function that calls a trigger with the event of an object, as Eventarc delivers it."""

    def deliver(trigger: Callable[[CloudEvent], None], name: str, **changes: Any) -> None:
        data: dict[str, Any] = {
            "bucket": media.name,
            "generation": "7",
            "id": f"{media.name}/{name}/7",
            "metageneration": "1",
            "name": name,
            "size": "1000",
            "storageClass": "STANDARD",
            "timeCreated": "2026-01-01T12:00:00Z",
        }
        attributes = {
            "id": "event1",
            "type": "google.cloud.storage.object.v1.finalized",
            "source": f"//storage.googleapis.com/projects/_/buckets/{media.name}",
            "subject": f"objects/{name}",
            # Cloud Storage leaves out a fraction of zeros.
            "time": "2026-01-01T12:00:00Z",
        }
        trigger(CloudEvent(attributes, data | changes))

    yield deliver
    if firebase_admin._apps:
        firebase_admin.delete_app(firebase_admin.get_app())


@pytest.fixture
def write_background(db: "Client") -> WriteBackground:
    """A function that writes the document of a file, as the runner does; each a minute younger than the one before."""

    def write(name: str, *, status: BackgroundStatus = BackgroundStatus.LISTED, generation: int = 7) -> BackgroundVideo:
        count = len(list(db.collection("backgrounds").list_documents()))
        entry = BackgroundVideo(
            name=name,
            status=status,
            object_name=f"library/{background_id(name)}.mp4",
            thumbnail_object=f"images/backgrounds/{background_id(name)}.png",
            duration_seconds=20.0,
            width=1080,
            height=1920,
            source_object=f"backgrounds/{name}",
            source_generation=generation,
            created_at=NOW + timedelta(minutes=count),
            updated_at=NOW,
        )
        db.document("backgrounds", background_id(name)).set(entry.to_document())
        return entry

    return write

"""What becomes of files that an admin puts into the library's folder, replaces and deletes."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import GoogleAPICallError

from backgrounds.triggers import on_background_deleted, on_background_finalized, on_background_written
from contracts.background import MAX_SIZE_BYTES, BackgroundStatus, BackgroundTask, background_id
from gcp import clients
from gcp.settings import settings
from local.addresses import QUEUE
from tests.functions.backgrounds.conftest import DeliverObject, RenderQueue, WriteBackground
from tests.functions.conftest import DeliverWritten

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

SEA = "backgrounds/sea.mp4"
CREATED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)  # as the delivered events have it


def document(db: "Client", name: str = "sea.mp4") -> dict[str, Any]:
    fields: dict[str, Any] | None = db.document("backgrounds", background_id(name)).get().to_dict()
    return fields or {}


def test_the_runner_gets_a_task_for_a_new_file(render_queue: RenderQueue, deliver_object: DeliverObject) -> None:
    assert render_queue

    deliver_object(on_background_finalized, SEA)

    task = clients.tasks().list_tasks(request={"parent": QUEUE, "response_view": "FULL"}).tasks[0]
    assert task.http_request.url.endswith("/backgrounds")
    assert task.http_request.oidc_token.audience == "http://127.0.0.1:9"
    assert BackgroundTask.model_validate(json.loads(task.http_request.body)) == BackgroundTask(
        source_object=SEA, source_generation=7, source_created_at=CREATED_AT
    )


def test_an_event_that_comes_twice_makes_one_task(render_queue: RenderQueue, deliver_object: DeliverObject) -> None:
    deliver_object(on_background_finalized, SEA)
    deliver_object(on_background_finalized, SEA)

    assert render_queue.pending() == 1


def test_a_new_content_of_the_same_name_makes_another_task(
    render_queue: RenderQueue, deliver_object: DeliverObject
) -> None:
    deliver_object(on_background_finalized, SEA)
    deliver_object(on_background_finalized, SEA, generation="8")

    assert render_queue.pending() == 2


@pytest.mark.parametrize(
    "name",
    ["backgrounds/", "backgrounds/more/sea.mp4", "library/sea.mp4", "images/ann/sea.png", "sea.mp4", "backgroundsX/a"],
)
def test_nothing_else_in_the_bucket_is_looked_at(
    db: "Client", render_queue: RenderQueue, deliver_object: DeliverObject, name: str
) -> None:
    deliver_object(on_background_finalized, name)
    deliver_object(on_background_deleted, name)

    assert render_queue.pending() == 0
    assert list(db.collection("backgrounds").stream()) == []


@pytest.mark.parametrize(
    "name",
    [".sea.mp4", "sea\n.mp4", "my?sea.mp4", "<b>.mp4", "мор.mp4", "-i.mp4", "..", "__sea__", "a" * 101],
    ids=["dot", "line break", "question", "tag", "letters", "option", "dots", "underscores", "long"],
)
def test_a_name_that_clients_could_not_send_is_refused(
    db: "Client", render_queue: RenderQueue, deliver_object: DeliverObject, name: str
) -> None:
    deliver_object(on_background_finalized, f"backgrounds/{name}")

    assert render_queue.pending() == 0
    assert document(db, name)["status"] == "refused"
    assert document(db, name)["reason"].startswith("The name must")


def test_a_file_that_is_too_large_is_refused_without_waking_the_runner(
    db: "Client", render_queue: RenderQueue, deliver_object: DeliverObject
) -> None:
    deliver_object(on_background_finalized, SEA, size=str(MAX_SIZE_BYTES + 1))

    assert render_queue.pending() == 0
    assert document(db)["reason"] == "The file has 1024 MiB; at most 1024 MiB."


def test_a_late_refusal_of_an_older_content_changes_nothing(
    db: "Client", write_background: WriteBackground, deliver_object: DeliverObject
) -> None:
    write_background("sea.mp4", generation=8)

    deliver_object(on_background_finalized, SEA, size=str(MAX_SIZE_BYTES + 1))

    assert document(db)["status"] == "listed"


def test_another_buckets_events_are_passed_over(render_queue: RenderQueue, deliver_object: DeliverObject) -> None:
    deliver_object(on_background_finalized, SEA, bucket="somebody-elses")

    assert render_queue.pending() == 0


def test_an_outage_of_the_queue_has_the_event_delivered_again(
    render_queue: RenderQueue, deliver_object: DeliverObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert render_queue
    monkeypatch.setenv("RENDER_QUEUE", QUEUE + "-that-is-not-there")
    settings.cache_clear()

    with pytest.raises(GoogleAPICallError):
        deliver_object(on_background_finalized, SEA)


def test_a_deleted_file_leaves_the_list(
    db: "Client", write_background: WriteBackground, deliver_object: DeliverObject
) -> None:
    write_background("sea.mp4")

    deliver_object(on_background_deleted, SEA)

    assert document(db)["status"] == "removed"
    assert document(db)["objectName"] is None


def test_a_file_that_is_deleted_before_it_was_looked_at_is_known_to_be_gone(
    db: "Client", deliver_object: DeliverObject
) -> None:
    deliver_object(on_background_deleted, SEA)

    assert (document(db)["status"], document(db)["sourceGeneration"]) == ("removed", 7)


def test_a_late_deletion_leaves_a_newer_content_listed(
    db: "Client", write_background: WriteBackground, deliver_object: DeliverObject
) -> None:
    write_background("sea.mp4", generation=8)

    deliver_object(on_background_deleted, SEA)

    assert document(db)["status"] == "listed"


def test_a_file_that_is_replaced_stays_listed_until_the_new_one_was_looked_at(
    db: "Client", media: "Bucket", write_background: WriteBackground, deliver_object: DeliverObject
) -> None:
    write_background("sea.mp4")
    media.blob(SEA).upload_from_string(b"the newer content")

    deliver_object(on_background_deleted, SEA)

    assert document(db)["status"] == "listed"


def test_a_deletion_that_is_told_twice_writes_once(
    db: "Client", write_background: WriteBackground, deliver_object: DeliverObject
) -> None:
    write_background("sea.mp4")
    deliver_object(on_background_deleted, SEA)
    before = db.document("backgrounds", background_id("sea.mp4")).get().update_time

    deliver_object(on_background_deleted, SEA)

    assert db.document("backgrounds", background_id("sea.mp4")).get().update_time == before


def test_what_a_document_no_longer_names_is_listed_for_deletion_once(
    db: "Client", write_background: WriteBackground, deliver_written: DeliverWritten
) -> None:
    entry = write_background("sea.mp4")
    removed = entry.model_copy(
        update={"status": BackgroundStatus.REMOVED, "object_name": None, "thumbnail_object": None}
    )

    for _ in range(2):
        deliver_written(
            on_background_written,
            f"backgrounds/{background_id('sea.mp4')}",
            before=entry.to_document(),
            after=removed.to_document(),
        )

    listed = [(each.to_dict() or {})["objectNames"] for each in db.collection("mediaDeletions").stream()]
    assert listed == [sorted([entry.object_name or "", entry.thumbnail_object or ""])]


def test_a_new_document_lists_nothing_for_deletion(
    db: "Client", write_background: WriteBackground, deliver_written: DeliverWritten
) -> None:
    entry = write_background("sea.mp4")

    deliver_written(on_background_written, f"backgrounds/{'0' * 32}", before=None, after=entry.to_document())

    assert list(db.collection("mediaDeletions").stream()) == []

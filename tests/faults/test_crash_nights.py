"""What runs at night, and an operator's retry, killed at every call."""

from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from contracts.dead_letter import retried_job_id
from contracts.video_job import DEADLINE
from gcp import clients
from tests.faults.conftest import NewWorld
from tests.faults.crashes import Process
from tests.faults.enumeration import try_every_point
from tests.faults.redelivery import deliver_tasks, run_scheduled, settle_down
from tests.faults.scenes import completed, has, only_job, started
from tests.faults.world import World
from videos.retry import retry_job

pytestmark = [pytest.mark.usefixtures("quick_renders"), pytest.mark.timeout(1200)]

_ORPHANS = (
    f"recordings/ann/{'9' * 32}.wav",
    f"images/ann/{'9' * 32}.png",
    f"lines/ann/{'9' * 64}.wav",
    f"videos/ann/{'9' * 32}_1.mp4",
    f"library/{'9' * 32}.mp4",
)


def audit(world: World, process: Process) -> None:
    run_scheduled(world, "audit_ledgers", process)


def sweep(world: World, process: Process) -> None:
    run_scheduled(world, "sweep_media", process)


def with_orphans(world: World) -> World:
    """A day ago five objects were written whose documents never were."""
    completed(world)
    for name in _ORPHANS:
        world.bucket.blob(name).upload_from_string(b"nobody's")
    world.clock.advance_to(world.clock.time + timedelta(hours=25))
    return world


def test_the_audit_of_books_that_do_not_agree(new_world: NewWorld) -> None:
    world = started(new_world())
    deliver_tasks(world)
    # The job has ended, and neither its event nor the minute function's turn ever came.
    job_id, _ = only_job(world)
    world.db.document("videoJobs", job_id).update({"checkAt": None})
    world.db.document("users", "ann").update({"ledgerTokens": 4})
    world.events.clear()
    world.clock.advance_to(world.clock.time + timedelta(hours=25))

    tried = try_every_point("audit_ledgers, two disagreements", world, audit, repeat=audit, expect=has(19), alike=False)

    assert tried.calls["firestore.commit"] >= 2


def test_the_sweep_of_a_bucket_with_orphans(new_world: NewWorld) -> None:
    world = with_orphans(new_world())

    tried = try_every_point("sweep_media, five orphans", world, sweep, repeat=sweep, alike=False)

    assert tried.calls["storage.DELETE"] == len(_ORPHANS)


def test_the_sweep_removes_the_content_that_it_saw_and_no_other(new_world: NewWorld) -> None:
    world = with_orphans(new_world())
    generations = {blob.name: blob.generation for blob in world.bucket.list_blobs()}
    world.storage_requests.clear()

    sweep(world, Process())

    deletions = [urlsplit(each.url) for each in world.storage_requests if each.method == "DELETE"]
    asked = {unquote(each.path).partition("/o/")[2]: parse_qs(each.query)["ifGenerationMatch"] for each in deletions}
    assert asked == {name: [str(generations[name])] for name in _ORPHANS}


def test_the_runner_overwrites_no_object(new_world: NewWorld) -> None:
    world = started(new_world())
    world.storage_requests.clear()

    deliver_tasks(world)

    uploads = [each.url for each in world.storage_requests if each.method == "POST"]
    assert len(uploads) == 3
    assert all("ifGenerationMatch=0" in url for url in uploads), uploads


def test_a_retry_by_an_operator(new_world: NewWorld) -> None:
    world = started(new_world())
    for task in world.tasks():
        world.end_task(task)
    world.clock.advance_to(world.clock.time + DEADLINE + timedelta(minutes=1))
    run_scheduled(world, "repair_video_jobs")
    settle_down(world)
    job_id, _ = only_job(world)

    def retry(world: World, process: Process) -> None:
        with world.functions(process):
            retry_job(clients.firestore(), job_id, world.clock.now())

    def is_made_once(world: World) -> None:
        assert world.documents[f"videoJobs/{retried_job_id(job_id)}"]["status"] == "completed"
        assert world.documents[f"deadLetters/{job_id}"]["retriedAs"] == retried_job_id(job_id)
        has(19)(world)

    tried = try_every_point("retry, repeated", world, retry, repeat=retry, expect=is_made_once)

    assert tried.calls["firestore.commit"] == 2

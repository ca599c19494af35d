"""Every function that Firestore or Cloud Storage calls, killed at every call while it handles an event.

Its event is delivered again, and so is every other that waits.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from backgrounds import triggers as background_triggers
from contracts.background import background_id
from gcp.trigger import StoredObject
from tests.faults.conftest import NewWorld
from tests.faults.crashes import Process
from tests.faults.enumeration import Expect, hear, try_every_point
from tests.faults.redelivery import deliver_events, deliver_tasks, listeners
from tests.faults.scenes import (
    SCRIPT_ID,
    add_script,
    add_user,
    asks,
    completed,
    deleted_account,
    deleted_finished_script,
    half_rendered,
    has,
    is_gone,
    of_somebody_else,
    only_job,
    press,
    scripted,
    started,
)
from tests.faults.world import World

pytestmark = [pytest.mark.usefixtures("quick_renders"), pytest.mark.timeout(1200)]

Scene = Callable[[World], object]


def do(method: str, path: str, *, user_id: str = "ann", **sent: Any) -> Callable[[World], object]:
    return lambda world: asks(method, path, user_id=user_id, **sent)(world, Process())


def signed_up(world: World) -> None:
    add_user(world)


def begun_log(world: World) -> None:
    add_user(world)
    hear("on_user_written")(world, Process())


def edited_balance(world: World) -> None:
    scripted(world).db.document("users", "ann").update({"tokens": 25})


def edited_books(world: World) -> None:
    scripted(world).db.document("users", "ann").update({"held": 7})


def slipped_switch(world: World) -> None:
    scripted(world).db.document("users", "ann").update({"disabled": "no"})


def cleared_log(world: World) -> None:
    do("DELETE", "/api/my-activities")(completed(world))


def adjusted(world: World) -> None:
    adjustment = {"delta": 5, "reason": "A present"}
    scripted(world).db.document("users", "ann", "adjustments", "one").set(adjustment)


def adjusted_too_much(world: World) -> None:
    adjustment = {"delta": -500, "reason": "A fine"}
    scripted(world).db.document("users", "ann", "adjustments", "one").set(adjustment)


def configured(world: World) -> None:
    scripted(world).db.document("config", "platform").update({"priceTokens": 3})


def created_characters(world: World) -> None:
    add_user(world)
    deliver_events(world)
    add_script(world)


def hidden_character(world: World) -> None:
    scripted(world).db.document("characters", "ada").update({"hidden": "yes"})


def deleted_character(world: World) -> None:
    do("DELETE", "/api/characters/ada")(half_rendered(world))


def deleted_character_of_others_video(world: World) -> None:
    do("DELETE", "/api/characters/ada")(of_somebody_else(world))


def starred(world: World) -> None:
    do("POST", "/api/characters/ada/star")(scripted(world))


def unstarred(world: World) -> None:
    starred(world)
    deliver_events(world)
    do("DELETE", "/api/characters/ada/star")(world)


def edited_script(world: World) -> None:
    lines = {"dialogue": [{"speaker": "ben", "text": "Something else."}]}
    do("PUT", f"/api/scripts/{SCRIPT_ID}", body=lines)(completed(world))


def deleted_script(world: World) -> None:
    do("DELETE", f"/api/scripts/{SCRIPT_ID}")(half_rendered(world))


def removed_script(world: World) -> None:
    """An admin's hand, which cancels nothing."""
    half_rendered(world).db.document("scripts", SCRIPT_ID).delete()


def new_job(world: World) -> None:
    press(scripted(world), Process())


def completed_job(world: World) -> None:
    started(world)
    deliver_tasks(world)


def completed_job_for_which_media_waits(world: World) -> None:
    """The dialogue was edited while it was spoken; the lines wait for the job's end."""
    half_rendered(world)
    edited = {"dialogue": [{"speaker": "ben", "text": "Something else."}]}
    do("PUT", f"/api/scripts/{SCRIPT_ID}", body=edited)(world)
    deliver_events(world)
    world.clock.advance_to(world.clock.time + timedelta(seconds=31))
    deliver_tasks(world)
    hear("on_media_deletion_created")(world, Process())


def cancelled_job(world: World) -> None:
    """As cancelling leaves it that dies between its two transactions."""
    world = half_rendered(world)
    job_id, job = only_job(world)
    ended = {"status": "cancelled", "fence": job["fence"] + 1, "leaseUntil": None, "checkAt": world.clock.now()}
    world.db.document("videoJobs", job_id).update(ended | {"completedAt": world.clock.now()})


def replaced_background(world: World) -> None:
    reference = scripted(world).db.document("backgrounds", background_id("sea.mp4"))
    reference.update({"status": "removed", "objectName": None, "sourceGeneration": 2})


class Case(NamedTuple):
    trigger: str
    scene: Scene
    calls: str
    expect: Expect | None = None


_CASES = (
    Case("on_account_deletion_created", deleted_account, "identity.delete_user", is_gone),
    Case("on_activity_created", begun_log, "firestore.commit"),
    Case("on_adjustment_created", adjusted, "firestore.commit", has(25)),
    Case("on_adjustment_created", adjusted_too_much, "firestore.commit", has(20)),
    Case("on_background_written", replaced_background, "firestore.commit"),
    Case("on_character_written", created_characters, "firestore.commit"),
    Case("on_character_written", hidden_character, "firestore.commit"),
    Case("on_character_written", deleted_character, "firestore.commit", has(20)),
    Case("on_character_written", deleted_character_of_others_video, "firestore.commit"),
    Case("on_config_written", configured, "firestore.commit"),
    Case("on_ledger_entry_created", signed_up, "firestore.commit"),
    Case("on_media_deletion_created", deleted_script, "storage.GET"),
    Case("on_media_deletion_created", deleted_finished_script, "storage.DELETE", has(19)),
    Case("on_media_deletion_created", deleted_character_of_others_video, "firestore.commit"),
    Case("on_script_written", edited_script, "firestore.commit"),
    Case("on_script_written", removed_script, "firestore.commit", has(20)),
    Case("on_stars_written", starred, "firestore.commit"),
    Case("on_stars_written", unstarred, "firestore.commit"),
    Case("on_user_written", signed_up, "firestore.commit"),
    Case("on_user_written", edited_balance, "firestore.commit", has(25)),
    Case("on_user_written", edited_books, "firestore.commit", has(20)),
    Case("on_user_written", slipped_switch, "firestore.commit"),
    Case("on_user_written", cleared_log, "firestore.commit"),
    Case("on_video_job_written", new_job, "firestore.commit", has(19)),
    Case("on_video_job_written", completed_job, "firestore.commit", has(19)),
    Case("on_video_job_written", completed_job_for_which_media_waits, "storage.DELETE", has(19)),
    Case("on_video_job_written", cancelled_job, "firestore.commit", has(20)),
)


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case.trigger}, {case.scene.__name__}")
def test_a_trigger(new_world: NewWorld, case: Case) -> None:
    world = new_world()
    case.scene(world)

    name = f"{case.trigger}, {case.scene.__name__}"
    tried = try_every_point(name, world, hear(case.trigger), expect=case.expect)

    assert tried.calls[case.calls]


@pytest.mark.parametrize(
    ("trigger", "name", "calls"),
    [
        ("on_background_finalized", "lake.mp4", "tasks.create_task"),
        ("on_background_finalized", "a lake!.mp4", "firestore.commit"),
        ("on_background_deleted", "sea.mp4", "firestore.commit"),
    ],
)
def test_a_trigger_of_the_bucket(new_world: NewWorld, trigger: str, name: str, calls: str) -> None:
    world = scripted(new_world())
    source = StoredObject(f"backgrounds/{name}", 7, 1000, world.clock.now())

    def handle(world: World, process: Process) -> None:
        with world.functions(process):
            getattr(background_triggers, trigger).handler(source)

    tried = try_every_point(f"{trigger}, {name}", world, handle, repeat=handle)

    assert tried.calls[calls]


def test_every_trigger_of_the_deployment_is_tried() -> None:
    assert {case.trigger for case in _CASES} == {listener.name for listener in listeners()}

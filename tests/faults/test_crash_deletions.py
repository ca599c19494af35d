"""Deleting scripts, characters and accounts, and the clock behind it, killed at every call."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.faults.conftest import NewWorld
from tests.faults.crashes import Process
from tests.faults.enumeration import Expect, try_every_point
from tests.faults.redelivery import deliver_events, run_scheduled
from tests.faults.scenes import (
    SCRIPT_ID,
    asks,
    completed,
    deleted_account,
    deleted_finished_script,
    half_rendered,
    is_gone,
    of_somebody_else,
    only_job,
)
from tests.faults.world import World

pytestmark = [pytest.mark.usefixtures("quick_renders"), pytest.mark.timeout(1200)]

_ME = "/api/me"
_CHARACTER = "/api/characters/ada"
_SCRIPT = f"/api/scripts/{SCRIPT_ID}"


def is_deleted(path: str) -> Expect:
    """The document is gone, and with it the video for which it was needed."""

    def expect(world: World) -> None:
        assert path not in world.documents, f"{path} is still there"
        assert only_job(world)[1]["status"] == "cancelled", only_job(world)[1]["status"]

    return expect


def is_whole_or_deleted(path: str) -> Expect:
    """As is_deleted, or nothing has happened, and the video was made."""

    def expect(world: World) -> None:
        if path in world.documents:
            assert only_job(world)[1]["status"] == "completed", only_job(world)[1]["status"]
        else:
            is_deleted(path)(world)

    return expect


@pytest.mark.parametrize("repeated", [False, True], ids=["given up", "repeated"])
@pytest.mark.parametrize(
    ("scene", "path", "document"),
    [
        (half_rendered, _SCRIPT, f"scripts/{SCRIPT_ID}"),
        (half_rendered, _CHARACTER, "characters/ada"),
        (of_somebody_else, _CHARACTER, "characters/ada"),
    ],
    ids=["script", "character", "character of somebody else's video"],
)
def test_a_deletion_while_a_video_is_made(
    new_world: NewWorld, scene: Callable[[World], World], path: str, document: str, *, repeated: bool
) -> None:
    tried = try_every_point(
        f"delete {document.partition('/')[0]}, {scene.__name__}, {'repeated' if repeated else 'given up'}",
        scene(new_world()),
        asks("DELETE", path),
        repeat=asks("DELETE", path, answers={200, 404}) if repeated else None,
        expect=is_deleted(document) if repeated else is_whole_or_deleted(document),
        alike=repeated,
    )

    assert tried.calls["firestore.commit"]


def test_an_edit_while_a_video_is_made(new_world: NewWorld) -> None:
    lines = {"dialogue": [{"speaker": "ben", "text": "Something else."}]}
    edit = asks("PUT", _SCRIPT, body=lines)

    tried = try_every_point("edit script, half_rendered, repeated", half_rendered(new_world()), edit, repeat=edit)

    assert tried.calls["firestore.commit"] == 1


@pytest.mark.parametrize("repeated", [False, True], ids=["given up", "repeated"])
def test_an_account(new_world: NewWorld, *, repeated: bool) -> None:
    def is_gone_or_whole(world: World) -> None:
        if world.documents["users/ann"].get("deletedAt"):
            is_gone(world)

    tried = try_every_point(
        f"delete account, half_rendered, {'repeated' if repeated else 'given up'}",
        half_rendered(new_world()),
        asks("DELETE", _ME),
        repeat=asks("DELETE", _ME, answers={200, 401}) if repeated else None,
        expect=is_gone if repeated else is_gone_or_whole,
        alike=repeated,
    )

    assert tried.calls["firestore.commit"] == 1


def finish_deletions(world: World, process: Process) -> None:
    run_scheduled(world, "finish_deletions", process)


@pytest.mark.parametrize(
    ("scene", "calls", "expect"),
    [(deleted_account, "identity.delete_user", is_gone), (deleted_finished_script, "storage.DELETE", None)],
)
def test_the_clock_on_a_deletion_of_which_nobody_heard(
    new_world: NewWorld, scene: Callable[[World], None], calls: str, expect: Expect | None
) -> None:
    world = new_world()
    scene(world)
    world.events.clear()
    world.clock.advance_to(world.clock.time + timedelta(minutes=11))

    tried = try_every_point(f"finish_deletions, {scene.__name__}", world, finish_deletions, expect=expect)

    assert tried.calls[calls]


def test_a_cleared_log(new_world: NewWorld) -> None:
    world = completed(new_world())
    deliver_events(world)
    clear = asks("DELETE", "/api/my-activities")

    tried = try_every_point("clear log, repeated", world, clear, repeat=clear)

    assert tried.calls["firestore.commit"] == 1

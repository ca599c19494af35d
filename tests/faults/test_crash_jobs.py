"""Starting, rendering, cancelling and looking after a video, killed at every call."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from contracts.video_job import DEADLINE, MAX_ATTEMPTS
from tests.faults.conftest import NewWorld
from tests.faults.crashes import Process
from tests.faults.enumeration import Act, try_every_point
from tests.faults.redelivery import deliver_events, deliver_tasks, run_scheduled
from tests.faults.scenes import (
    BACKGROUND,
    SCRIPT_ID,
    asks,
    die_in_render,
    half_rendered,
    only_job,
    press,
    render,
    scripted,
    started,
)
from tests.faults.world import World

pytestmark = [pytest.mark.usefixtures("quick_renders"), pytest.mark.timeout(1200)]


def became(*statuses: str, tokens: int) -> Act:
    """What is expected of the only job, and of the balance when it is the first of the statuses."""

    def expect(world: World, _process: Process | None = None) -> None:
        status = only_job(world)[1]["status"]
        assert status in statuses, f"the job is {status}"
        if status == statuses[0]:
            balance = world.documents["users/ann"]["tokens"]
            assert balance == tokens, f"{balance} tokens are left"

    return expect


def is_completed(world: World) -> None:
    became("completed", tokens=19)(world, Process())


def is_completed_if_started(world: World) -> None:
    if any(path.startswith("videoJobs/") for path in world.documents):
        is_completed(world)


def is_cancelled_or_completed(world: World) -> None:
    became("cancelled", "completed", tokens=20)(world, Process())


def is_cancelled(world: World) -> None:
    became("cancelled", tokens=20)(world, Process())


def is_failed(world: World) -> None:
    became("failed", tokens=20)(world, Process())


def is_failed_or_completed(world: World) -> None:
    became("failed", "completed", tokens=20)(world, Process())


def lose_tasks(world: World) -> None:
    """The queue gives up every task."""
    for task in world.tasks():
        world.end_task(task)


def lose_events(world: World) -> None:
    world.events.clear()


def look_after(world: World, process: Process) -> None:
    run_scheduled(world, "repair_video_jobs", process)


def test_a_start_whose_answer_is_given_up(new_world: NewWorld) -> None:
    tried = try_every_point(
        "start, given up", scripted(new_world()), press, expect=is_completed_if_started, alike=False
    )

    assert {"firestore.commit", "tasks.create_task"} <= tried.calls.keys()


def test_a_start_that_is_repeated_with_its_key(new_world: NewWorld) -> None:
    tried = try_every_point("start, repeated", scripted(new_world()), press, repeat=press, expect=is_completed)

    assert {"firestore.commit", "tasks.create_task"} <= tried.calls.keys()


def test_a_render_whose_task_is_delivered_again(new_world: NewWorld) -> None:
    tried = try_every_point("render, delivered again", started(new_world(), ref_text=""), render, expect=is_completed)

    assert {"voice.speak", "voice.transcribe", "storage.POST", "storage.GET", "firestore.commit"} <= tried.calls.keys()


def test_a_render_whose_task_and_events_are_lost(new_world: NewWorld) -> None:
    def lose_all(world: World) -> None:
        lose_tasks(world)
        lose_events(world)

    tried = try_every_point(
        "render, given up by the queue", started(new_world()), render, meanwhile=lose_all, expect=is_completed
    )

    assert {"voice.speak", "storage.POST", "firestore.commit"} <= tried.calls.keys()


def test_a_render_that_finds_its_script_gone(new_world: NewWorld) -> None:
    world = started(new_world())
    script = world.db.document("scripts", SCRIPT_ID)
    script.delete()
    lose_events(world)

    tried = try_every_point("render, script gone", world, render, expect=is_cancelled)

    assert {"voice.speak", "storage.POST", "firestore.commit"} <= tried.calls.keys()


def test_a_render_without_hope(new_world: NewWorld) -> None:
    world = started(new_world())
    world.bucket.blob(BACKGROUND).delete()

    tried = try_every_point("render, background gone", world, render, expect=is_failed)

    assert {"storage.GET", "firestore.commit"} <= tried.calls.keys()


def test_a_delivery_after_the_last_attempt(new_world: NewWorld) -> None:
    world = started(new_world())
    for _ in range(MAX_ATTEMPTS):
        die_in_render(world, "voice.speak")
        deliver_events(world)
        world.clock.advance_to(world.clock.time + timedelta(seconds=31))

    tried = try_every_point("render, attempts used up", world, render, expect=is_failed)

    assert tried.calls["firestore.commit"] >= 1


@pytest.mark.parametrize("repeated", [False, True], ids=["given up", "repeated"])
@pytest.mark.parametrize("scene", [started, half_rendered])
def test_a_cancellation(new_world: NewWorld, scene: Callable[[World], World], *, repeated: bool) -> None:
    cancel = asks("POST", "/api/video-jobs/{job}/cancel")

    tried = try_every_point(
        f"cancel, {scene.__name__}, {'repeated' if repeated else 'given up'}",
        scene(new_world()),
        cancel,
        repeat=cancel if repeated else None,
        expect=is_cancelled if repeated else is_cancelled_or_completed,
        alike=repeated,
    )

    assert tried.calls["firestore.commit"] == 2


def test_the_minute_function_on_a_job_without_a_task(new_world: NewWorld) -> None:
    world = started(new_world())
    lose_tasks(world)
    world.clock.advance_to(world.clock.time + timedelta(minutes=6))

    tried = try_every_point("minute, task lost", world, look_after, expect=is_completed)

    assert {"firestore.commit", "tasks.create_task", "tasks.get_task"} <= tried.calls.keys()


def test_the_minute_function_on_an_overdue_job(new_world: NewWorld) -> None:
    world = half_rendered(new_world())
    world.clock.advance_to(world.clock.time + DEADLINE + timedelta(seconds=1))

    tried = try_every_point("minute, overdue", world, look_after, expect=is_failed_or_completed, alike=False)

    assert tried.calls["firestore.commit"] == 2


def test_the_minute_function_on_a_job_whose_end_nobody_heard(new_world: NewWorld) -> None:
    world = started(new_world())
    deliver_tasks(world)
    lose_events(world)
    world.clock.advance_to(world.clock.time + timedelta(minutes=1))

    tried = try_every_point("minute, open hold", world, look_after, expect=is_completed)

    assert tried.calls["firestore.commit"] == 1

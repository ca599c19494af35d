"""States from which something is done, and what is done from them: a user, two characters, a script, a video of it."""

import contextlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from gpu_runner.soundtrack import LineAudio
from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange
from scripts.script import DialogueLine, Script
from tests.faults.crashes import Death, Process, write_tone
from tests.faults.enumeration import Act, Expect
from tests.faults.redelivery import deliver_events, deliver_task, deliver_tasks
from tests.faults.world import Template, World
from tests.functions.conftest import ADDRESS_HASH_KEY
from tests.functions.killed import KilledError

SCRIPT_ID = "5" * 32
BACKGROUND = f"library/{'e' * 32}.mp4"
JOB_KEY = {"Idempotency-Key": "pressed-once"}
GENERATE = f"/api/scripts/{SCRIPT_ID}/generate-video"


def add_user(world: World, user_id: str = "ann", *, tokens: int = 20) -> None:
    """Signed up, also at Firebase Auth."""
    identity = Identity(user_id, user_id.title(), f"{user_id}@example.com", has_password=True)
    ensure_user(world.db, identity, InitialTokens(tokens, ADDRESS_HASH_KEY), now=world.clock.now())
    world.firebase_users.add(user_id)


def add_script(world: World, owner_id: str = "ann", *, ref_text: str = "Words.") -> None:
    """A script of two lines, the two characters that speak them, their media, and a background."""
    now = world.clock.now()
    for character_id, letter in (("ada", "a"), ("ben", "b")):
        add_character(world, owner_id, character_id, letter, ref_text=ref_text)
    add_dialogue(world, owner_id)
    background = BackgroundVideo(
        name="sea.mp4",
        status=BackgroundStatus.LISTED,
        object_name=BACKGROUND,
        duration_seconds=9.0,
        width=1080,
        height=1920,
        source_object="backgrounds/sea.mp4",
        source_generation=1,
        created_at=now,
        updated_at=now,
    )
    world.db.document("backgrounds", background_id(background.name)).set(background.to_document())
    _add_object(world, BACKGROUND)


def add_character(world: World, owner_id: str, character_id: str, letter: str, *, ref_text: str = "Words.") -> None:
    """A character that everybody may use, with its media in the bucket."""
    character = Character(
        id=character_id,
        display_name=character_id.title(),
        config=VoiceConfig(),
        recording=Recording(
            object_name=f"recordings/{owner_id}/{letter * 32}.wav", duration_seconds=8.0, ref_text=ref_text
        ),
        images={"0": f"images/{owner_id}/{letter * 32}.png"},
        next_image_key=1,
        output_prefix=character_id,
        owner_id=owner_id,
        owner_name="Owner",
        created_at=world.clock.now(),
        updated_at=world.clock.now(),
    )
    world.db.document("characters", character_id).set(_without_id(character))
    for name in character.object_names:
        _add_object(world, name)


def add_dialogue(world: World, owner_id: str) -> None:
    """A script of two lines, which ada and ben speak."""
    script = Script(
        id=SCRIPT_ID,
        owner_id=owner_id,
        selected_characters=("ada", "ben"),
        original_prompt="Two friends talk about the weather.",
        dialogue=(DialogueLine(speaker="ada", text="Hello."), DialogueLine(speaker="ben", text="Hi.")),
        created_at=world.clock.now(),
        updated_at=world.clock.now(),
    )
    world.db.document("scripts", SCRIPT_ID).set(_without_id(script))


def _without_id(thing: Character | Script) -> dict[str, object]:
    return {name: value for name, value in thing.to_document().items() if name != "id"}


def _add_object(world: World, name: str) -> None:
    world.bucket.blob(name).upload_from_string(b"not looked into", content_type="application/octet-stream")


def scripted(world: World, **script: Any) -> World:
    """Since a minute ann has 20 tokens and a script, and every event so far was delivered."""
    add_user(world)
    add_script(world, **script)
    deliver_events(world)
    world.clock.advance_to(world.clock.time + timedelta(minutes=1))
    return world


def started(world: World, **script: Any) -> World:
    """As scripted, and a video of it is in the queue."""
    press(scripted(world, **script), Process())
    deliver_events(world)
    return world


def half_rendered(world: World, **script: Any) -> World:
    """As started, and its runner died when it had spoken the first of the two lines; its lease still runs."""
    die_in_render(started(world, **script), "voice.speak", number=2)
    deliver_events(world)
    return world


def completed(world: World) -> World:
    """As started, and the video is made and paid."""
    started(world)
    deliver_tasks(world)
    deliver_events(world)
    return world


def die_in_render(world: World, call: str, *, number: int = 1) -> None:
    """A runner takes up the only task and dies before the n-th of these calls."""
    trial = Template(world).new_world()
    rehearsal = Process()
    render(trial, rehearsal)
    calls = [index for index, each in enumerate(rehearsal.calls, 1) if each == call]
    with contextlib.suppress(KilledError):
        render(world, Process(Death(calls[number - 1], "before")))


def render(world: World, process: Process) -> None:
    """The only task is delivered."""
    (task,) = world.tasks()
    deliver_task(world, task, process)


def of_somebody_else(world: World) -> World:
    """Bob's video, in which ann's characters speak, is half rendered."""
    add_user(world)
    add_user(world, "bob")
    add_script(world)
    add_dialogue(world, "bob")
    deliver_events(world)
    asks("POST", GENERATE, user_id="bob", body={})(world, Process())
    die_in_render(world, "voice.speak", number=2)
    deliver_events(world)
    return world


def deleted_finished_script(world: World) -> None:
    """The script of a completed video was deleted, of which nobody has heard yet."""
    completed(world)
    asks("DELETE", f"/api/scripts/{SCRIPT_ID}")(world, Process())


def deleted_account(world: World) -> None:
    """Ann has a half rendered video and a star, and deleted her account, of which nobody has heard yet."""
    half_rendered(world)
    asks("POST", "/api/characters/ada/star")(world, Process())
    deliver_events(world)
    asks("DELETE", "/api/me")(world, Process())


def press(world: World, process: Process) -> None:
    """The button, as the app presses it: with a key, so that pressing again is the same."""
    asks("POST", GENERATE, body={}, headers=JOB_KEY)(world, process)


def asks(method: str, path: str, *, answers: Collection[int] = (200,), user_id: str = "ann", **sent: Any) -> Act:
    """The request, which has one of these answers; `{job}` in its path is the only job's id."""

    def act(world: World, process: Process) -> None:
        asked = path.format(job=only_job(world)[0]) if "{job}" in path else path
        with world.functions(process):
            answered = world.request(method, asked, user_id=user_id, **sent)
        assert answered.status in answers, answered

    return act


def only_job(world: World) -> tuple[str, dict[str, Any]]:
    """The id and the fields of the only job that there is."""
    ((path, fields),) = ((path, each) for path, each in world.documents.items() if path.startswith("videoJobs/"))
    return path.partition("/")[2], fields


def has(tokens: int) -> Expect:
    """That this is ann's balance."""

    def expect(world: World) -> None:
        balance = world.documents["users/ann"]["tokens"]
        assert balance == tokens, f"{balance} tokens are left"

    return expect


def is_gone(world: World) -> None:
    """Ann's account is closed, and Firebase Auth has forgotten her."""
    assert world.documents["users/ann"]["deletedAt"]
    assert not world.firebase_users, "Firebase Auth still has the user"


def normalise_quickly(source: Path, target: Path, **_: Any) -> LineAudio:
    """In FFmpeg's place: a tone of the loudness that is asked for. What the voice gave is there."""
    assert source.stat().st_size
    write_tone(target, pitch_hz=220, sample_rate_hz=SAMPLE_RATE_HZ)
    return LineAudio(path=target, sample_count=9_600, voiced=(SampleRange(0, 9_600),))


def encode_quickly(argv: Sequence[str], **_: Any) -> None:
    """In FFmpeg's place: every input is there, and what it writes is a few bytes."""
    for option, value in pairwise(argv):
        assert option != "-i" or Path(value).stat().st_size
        if option == "mp4":
            Path(value).write_bytes(b"a video")

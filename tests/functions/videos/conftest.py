"""Videos on a real Firestore emulator and a paused queue of the Cloud Tasks emulator."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from accounts.users import User
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import VideoJob
from gcp import clients
from gcp.settings import settings
from local.addresses import QUEUE, ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from scripts.script import DialogueLine, Script
from videos.jobs import new_job_id, start_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class RenderQueue:
    """The queue as its client sees it."""

    def pending(self) -> int:
        return len(list(clients.tasks().list_tasks(parent=QUEUE)))

    def forget(self) -> None:
        """The queue loses every task, as it does with one whose retries are used up."""
        for task in clients.tasks().list_tasks(parent=QUEUE):
            clients.tasks().delete_task(name=task.name)


@pytest.fixture
def render_queue(product: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RenderQueue]:
    """A queue that keeps its tasks and dispatches none."""
    emulator_settings = EmulatorSettings(
        grpc_port=0, http_port=0, state_folder=tmp_path, queue_file=ROOT / "terraform" / "queue.json"
    )
    with TasksEmulator(emulator_settings) as emulator:
        product.setenv("CLOUD_TASKS_EMULATOR_HOST", f"127.0.0.1:{emulator.grpc_port}")
        product.setenv("RUNNER_URL", "http://127.0.0.1:9")
        product.setenv("RENDER_QUEUE", QUEUE)
        product.setenv("TASKS_SERVICE_ACCOUNT", TASKS_SERVICE_ACCOUNT)
        settings.cache_clear()
        clients.tasks.cache_clear()
        clients.tasks().pause_queue(name=QUEUE)
        yield RenderQueue()
        clients.tasks().transport.close()  # type: ignore[no-untyped-call]  # the package says nothing of it
        clients.tasks.cache_clear()


@pytest.fixture(autouse=True)
def background_video(db: "Client") -> str:
    """The one background of the library."""
    entry = BackgroundVideo(
        name="sea.mp4",
        status=BackgroundStatus.LISTED,
        object_name=f"library/{'e' * 32}.mp4",
        duration_seconds=9.0,
        width=1080,
        height=1920,
        source_object="backgrounds/sea.mp4",
        source_generation=1,
        created_at=NOW,
        updated_at=NOW,
    )
    db.document("backgrounds", background_id(entry.name)).set(entry.to_document())
    return entry.name


@pytest.fixture
def write_script(db: "Client") -> Callable[..., str]:
    """A function that writes a script of two lines, and the characters that speak them, for a user."""

    def write(owner_id: str, *, script_id: str = "5" * 32) -> str:
        for character_id in ("ada", "ben"):
            character = Character(
                id=character_id,
                display_name=character_id.title(),
                config=VoiceConfig(),
                recording=Recording(object_name=f"recordings/{owner_id}/{'a' * 32}.wav", duration_seconds=8.0),
                images={"10": f"images/{owner_id}/{'b' * 32}.png", "2": f"images/{owner_id}/{'c' * 32}.png"},
                next_image_key=11,
                output_prefix=character_id,
                owner_id=owner_id,
                owner_name="Owner",
                created_at=NOW,
                updated_at=NOW,
            )
            db.document("characters", character_id).set(character.to_document())
        script = Script(
            id=script_id,
            owner_id=owner_id,
            selected_characters=("ada", "ben"),
            original_prompt="Two friends talk about the weather.",
            dialogue=(DialogueLine(speaker="ada", text="Hello."), DialogueLine(speaker="ben", text="Hi.")),
            created_at=NOW,
            updated_at=NOW,
        )
        db.document("scripts", script_id).set(script.to_document())
        return script_id

    return write


@pytest.fixture
def started_job(
    product: pytest.MonkeyPatch, db: "Client", make_user: Callable[..., User], write_script: Callable[..., str]
) -> VideoJob:
    """A queued job of the user `ann`, whose 20 tokens it holds one of."""
    assert product
    make_user("ann")
    script_id = write_script("ann")
    return start_job(db, job_id=new_job_id(), user_id="ann", script_id=script_id, background_video=None, now=NOW)

"""What the user ann owns, for tests of many operations at once."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import JobStatus, VideoJob
from local.addresses import QUEUE, TASKS_SERVICE_ACCOUNT
from scripts.script import DialogueLine, Script

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROMPT = "A dialogue about tea."
SCRIPT_ID, JOB_ID = "5" * 32, "7" * 32
RECORDING = f"recordings/ann/{'a' * 32}.wav"
PICTURES = (f"images/ann/{'b' * 32}.png", f"images/ann/{'c' * 32}.png")
BACKGROUND = "sea.mp4"
# Nobody listens there: a video whose task cannot be made is started all the same.
UNREACHABLE_QUEUE = {
    "RENDER_QUEUE": QUEUE,
    "RUNNER_URL": "http://127.0.0.1:9",
    "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT,
    "CLOUD_TASKS_EMULATOR_HOST": "127.0.0.1:9",
}


def write_character(db: "Client", character_id: str) -> None:
    character = Character(
        id=character_id,
        display_name=character_id.title(),
        config=VoiceConfig(),
        recording=Recording(object_name=RECORDING, duration_seconds=8.0),
        images={str(key): name for key, name in enumerate(PICTURES)},
        next_image_key=len(PICTURES),
        output_prefix=character_id,
        owner_id="ann",
        owner_name="Ann",
        created_at=NOW,
        updated_at=NOW,
    )
    db.document("characters", character_id).set(character.to_document())


def write_script(db: "Client", script_id: str = SCRIPT_ID, *, job_id: str | None = None) -> None:
    """A script of tom's and eva's."""
    script = Script(
        id=script_id,
        owner_id="ann",
        selected_characters=("tom", "eva"),
        original_prompt=PROMPT,
        dialogue=(DialogueLine(speaker="tom", text="Tea?"), DialogueLine(speaker="eva", text="Tea.")),
        video_job_id=job_id,
        created_at=NOW,
        updated_at=NOW,
    )
    db.document("scripts", script_id).set(script.to_document())


def write_failed_job(db: "Client") -> None:
    """The script's last job, after which another may be started."""
    job = VideoJob(
        job_id=JOB_ID,
        script_id=SCRIPT_ID,
        user_id="ann",
        title=PROMPT,
        status=JobStatus.FAILED,
        price_tokens=1,
        background_video=BACKGROUND,
        created_at=NOW,
        deadline_at=NOW + timedelta(hours=1),
    )
    db.document("videoJobs", JOB_ID).set(job.to_document())


def write_background(db: "Client") -> None:
    """The library's only background video."""
    background = BackgroundVideo(
        name=BACKGROUND,
        status=BackgroundStatus.LISTED,
        object_name=f"library/{'e' * 32}.mp4",
        duration_seconds=9.0,
        source_object=f"backgrounds/{BACKGROUND}",
        source_generation=1,
        created_at=NOW,
        updated_at=NOW,
    )
    db.document("backgrounds", background_id(background.name)).set(background.to_document())

"""What a user owns where it is counted what operations read: one document of each kind for every number."""

from dataclasses import dataclass
from datetime import datetime

from activities.activity import Activity, ActivityType
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import JobStatus, VideoJob
from scripts.script import DialogueLine, Script
from tests.functions.things import PICTURES, PROMPT, RECORDING


def script_id(number: int) -> str:
    """Also of its job: 32 letters, as the product makes them."""
    return f"{number:032x}"


def character_id(number: int) -> str:
    return f"character{number}"


TWO = [character_id(0), character_id(1)]
LINES = [{"speaker": TWO[0], "text": "Tea?"}, {"speaker": TWO[1], "text": "Tea."}]


@dataclass(frozen=True)
class Owned:
    """One of each kind."""

    character: Character
    script: Script
    job: VideoJob
    background: BackgroundVideo
    activity: Activity

    def documents(self, number: int) -> tuple[tuple[str, dict[str, object]], ...]:
        """Each by its path; `number` tells the activity from others."""
        return (
            (f"characters/{self.character.id}", self.character.to_document()),
            (f"scripts/{self.script.id}", self.script.to_document()),
            (f"videoJobs/{self.job.job_id}", self.job.to_document()),
            (f"backgrounds/{background_id(self.background.name)}", self.background.to_document()),
            (f"users/{self.job.user_id}/activities/a{number}", self.activity.to_document()),
        )


def documents(user_id: str, number: int, moment: datetime) -> tuple[tuple[str, dict[str, object]], ...]:
    """One of each kind, by its path."""
    return owned(user_id, number, moment).documents(number)


def owned(user_id: str, number: int, moment: datetime) -> Owned:
    """The number's things, made at the moment."""
    owner = {"owner_id": user_id, "created_at": moment, "updated_at": moment}
    return Owned(
        character=Character(
            id=character_id(number),
            display_name="Tom",
            config=VoiceConfig(),
            recording=Recording(object_name=RECORDING, duration_seconds=8.0),
            images={"0": PICTURES[0]},
            next_image_key=1,
            output_prefix="tom",
            owner_name="Ann",
            **owner,  # type: ignore[arg-type]  # what all have
        ),
        script=Script(
            id=script_id(number),
            selected_characters=tuple(TWO),
            original_prompt=PROMPT,
            dialogue=tuple(DialogueLine.model_validate(line) for line in LINES),
            video_job_id=script_id(number),
            **owner,  # type: ignore[arg-type]  # as above
        ),
        job=VideoJob(
            job_id=script_id(number),
            script_id=script_id(number),
            user_id=user_id,
            title=PROMPT,
            status=JobStatus.FAILED,
            price_tokens=1,
            background_video="sea.mp4",
            created_at=moment,
            deadline_at=moment,
        ),
        background=BackgroundVideo(
            name=f"sea{number}.mp4",
            status=BackgroundStatus.LISTED,
            object_name=f"library/{number:032x}.mp4",
            thumbnail_object=PICTURES[0],
            duration_seconds=9.0,
            width=1080,
            height=1920,
            source_object=f"backgrounds/sea{number}.mp4",
            source_generation=1,
            created_at=moment,
            updated_at=moment,
        ),
        activity=Activity(type=ActivityType.SCRIPT_CREATED, message="Script created", timestamp=moment),
    )

"""What ann, whose requests are measured, owns: so many of everything, each as a user's are after a while."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from activities.activity import Activity, ActivityType
from activities.statistics import ActivityStats
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import JobStatus, Step, StepName, StepStatus, VideoFile, VideoJob
from scripts.script import DialogueLine, Script

if TYPE_CHECKING:
    from google.cloud.firestore import Client

OWNER = "ann"
LINES = 8
PICTURES = 3
_FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TEXT = "I would rather have a cup of tea now, and think about the rest of it afterwards."


def object_id(number: int) -> str:
    """An id of 32 letters as the product makes them: of a script, its job, or an object of the bucket."""
    return f"{number:032x}"


def character_id(number: int) -> str:
    return f"character{number}"


def picture_name(number: int) -> str:
    return f"images/{OWNER}/{object_id(number)}.png"


def fill(db: "Client", number: int, key: str) -> None:
    """Ann has so many documents of each kind, and a star for each character; filling again with more adds the rest."""
    identity = Identity(OWNER, "Ann", f"{OWNER}@example.com", has_password=True)
    ensure_user(db, identity, InitialTokens(20, key), now=_FIRST)
    writer = db.bulk_writer()
    for each in range(number):
        for path, fields in _documents(each, _FIRST + timedelta(minutes=each)):
            writer.set(db.document(path), fields)
    stars = {character_id(each): _FIRST + timedelta(minutes=each) for each in range(number)}
    writer.set(db.document("stars", OWNER), {"characters": stars})
    stats = ActivityStats(video_activities=number, total_activities=number, last_activity_at=_FIRST)
    writer.set(db.document("activityStats", OWNER), stats.to_document())
    writer.close()  # type: ignore[no-untyped-call]  # the package leaves it so


def _documents(number: int, moment: datetime) -> Iterator[tuple[str, dict[str, object]]]:
    """One of each kind, by its path."""
    owned = {"owner_id": OWNER, "created_at": moment, "updated_at": moment}
    speakers = character_id(0), character_id(1)
    video = VideoFile(
        object_name=f"videos/{OWNER}/{object_id(number)}_1.mp4", duration_seconds=61.5, size_bytes=20_000_000
    )
    character = Character(
        id=character_id(number),
        display_name="Tom",
        config=VoiceConfig(),
        recording=Recording(
            object_name=f"recordings/{OWNER}/{object_id(number)}.wav", duration_seconds=8.0, ref_text=_TEXT
        ),
        images={str(key): picture_name(key) for key in range(PICTURES)},
        next_image_key=PICTURES,
        output_prefix="tom",
        owner_name="Ann",
        **owned,  # type: ignore[arg-type]  # what all have
    )
    yield f"characters/{character.id}", character.to_document()
    script = Script(
        id=object_id(number),
        selected_characters=speakers,
        original_prompt="A dialogue about tea.",
        dialogue=tuple(
            DialogueLine(
                speaker=speakers[line % 2], text=_TEXT, audio_object=f"lines/{OWNER}/{number:032x}{line:032x}.wav"
            )
            for line in range(LINES)
        ),
        video_job_id=object_id(number),
        video=video,
        **owned,  # type: ignore[arg-type]  # as above
    )
    yield f"scripts/{script.id}", script.to_document()
    job = VideoJob(
        job_id=object_id(number),
        script_id=script.id,
        user_id=OWNER,
        title=script.title,
        status=JobStatus.COMPLETED,
        steps=tuple(_step(name, moment) for name in StepName),
        overall_progress=100.0,
        price_tokens=1,
        background_video="sea0.mp4",
        created_at=moment,
        started_at=moment,
        completed_at=moment,
        deadline_at=moment,
        video=video,
        encoder="h264_nvenc",
    )
    yield f"videoJobs/{job.job_id}", job.to_document()
    background = BackgroundVideo(
        name=f"sea{number}.mp4",
        status=BackgroundStatus.LISTED,
        object_name=f"library/{object_id(number)}.mp4",
        thumbnail_object=picture_name(0),
        duration_seconds=9.0,
        width=1080,
        height=1920,
        source_object=f"backgrounds/sea{number}.mp4",
        source_generation=1,
        created_at=moment,
        updated_at=moment,
    )
    yield f"backgrounds/{background_id(background.name)}", background.to_document()
    activity = Activity(
        type=ActivityType.VIDEO_GENERATION_COMPLETED,
        message="Video completed: A dialogue about tea.",
        timestamp=moment,
        script_id=script.id,
        video_object=video.object_name,
    )
    yield f"users/{OWNER}/activities/{object_id(number)}", activity.to_document() | {"counted": True}


def _step(name: StepName, moment: datetime) -> Step:
    return Step(
        step_name=name,
        status=StepStatus.COMPLETED,
        progress=100.0,
        message="Done.",
        started_at=moment,
        completed_at=moment,
    )

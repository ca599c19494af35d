"""What ann, whose requests are measured, owns: so many of everything, each as a user's are after a while."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from activities.activity import ActivityType
from activities.statistics import ActivityStats
from characters.character import Recording
from contracts.video_job import JobStatus, Step, StepName, StepStatus, VideoFile
from scripts.script import DialogueLine
from tests.functions.costs.documents import Owned, character_id, owned
from tests.functions.costs.documents import script_id as object_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client

__all__ = ["OWNER", "character_id", "fill", "object_id", "picture_name"]

OWNER = "ann"
LINES = 8
PICTURES = 3
_FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)
_TEXT = "I would rather have a cup of tea now, and think about the rest of it afterwards."


def picture_name(number: int) -> str:
    return f"images/{OWNER}/{object_id(number)}.png"


def fill(db: "Client", number: int, key: str) -> None:
    """Ann has so many documents of each kind, and a star for each character; filling again with more adds the rest."""
    identity = Identity(OWNER, "Ann", f"{OWNER}@example.com", has_password=True)
    ensure_user(db, identity, InitialTokens(20, key), now=_FIRST)
    writer = db.bulk_writer()
    for each in range(number):
        for path, fields in _after_a_while(each, _FIRST + timedelta(minutes=each)).documents(each):
            is_activity = "/activities/" in path
            writer.set(db.document(path), fields | {"counted": True} if is_activity else fields)
    stars = {character_id(each): _FIRST + timedelta(minutes=each) for each in range(number)}
    writer.set(db.document("stars", OWNER), {"characters": stars})
    stats = ActivityStats(video_activities=number, total_activities=number, last_activity_at=_FIRST)
    writer.set(db.document("activityStats", OWNER), stats.to_document())
    writer.close()  # type: ignore[no-untyped-call]  # the package leaves it so


def _after_a_while(number: int, moment: datetime) -> Owned:
    """What costs most to answer with: recordings with their words, scripts that are videos, jobs that took steps."""
    these = owned(OWNER, number, moment)
    video = VideoFile(
        object_name=f"videos/{OWNER}/{object_id(number)}_1.mp4", duration_seconds=61.5, size_bytes=20_000_000
    )
    recording = Recording(
        object_name=f"recordings/{OWNER}/{object_id(number)}.wav", duration_seconds=8.0, ref_text=_TEXT
    )
    pictures = {str(key): picture_name(key) for key in range(PICTURES)}
    speakers = these.script.selected_characters
    dialogue = tuple(
        DialogueLine(speaker=speakers[line % 2], text=_TEXT, audio_object=f"lines/{OWNER}/{number:032x}{line:032x}.wav")
        for line in range(LINES)
    )
    steps = tuple(_step(name, moment) for name in StepName)
    completed = {"status": JobStatus.COMPLETED, "steps": steps, "overall_progress": 100.0, "video": video}
    times = {"started_at": moment, "completed_at": moment, "encoder": "h264_nvenc"}
    told = {"type": ActivityType.VIDEO_GENERATION_COMPLETED, "message": "Video completed: A dialogue about tea."}
    linked = {"script_id": these.script.id, "video_object": video.object_name}
    return replace(
        these,
        character=these.character.model_copy(
            update={"recording": recording, "images": pictures, "next_image_key": PICTURES}
        ),
        script=these.script.model_copy(update={"dialogue": dialogue, "video": video}),
        job=these.job.model_copy(update=completed | times),
        activity=these.activity.model_copy(update=told | linked),
    )


def _step(name: StepName, moment: datetime) -> Step:
    return Step(
        step_name=name,
        status=StepStatus.COMPLETED,
        progress=100.0,
        message="Done.",
        started_at=moment,
        completed_at=moment,
    )

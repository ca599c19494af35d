"""A queued job with its snapshot, script and characters, as the functions write them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from google.cloud.firestore import Client

from contracts.job_snapshot import Background, JobSnapshot, Line, Speaker
from contracts.video_job import DEADLINE, VideoJob

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def speaker(character_id: str, **changes: Any) -> Speaker:
    fields: dict[str, Any] = {
        "character_id": character_id,
        "display_name": character_id.title(),
        "recording": f"recordings/user1/{character_id * 32:.32}.wav",
        "ref_text": "These are the words of the recording.",
        "pictures": (f"images/user1/{character_id * 32:.32}.png",),
        "speed": 1.0,
        "nfe_steps": 32,
        "cross_fade_duration": 0.15,
        "remove_silences": True,
    }
    return Speaker(**(fields | changes))


def write_job(db: Client, *, speakers: tuple[Speaker, ...] | None = None, **changes: Any) -> VideoJob:
    """A job of two lines between the characters `a` and `b`, in Firestore."""
    speakers = speakers or (speaker("a"), speaker("b"))
    job_id = changes.get("job_id") or uuid.uuid4().hex
    job = VideoJob(
        job_id=job_id,
        script_id="script1",
        user_id="user1",
        title="Two friends",
        price_tokens=1,
        background_video="sea.mp4",
        created_at=NOW,
        deadline_at=NOW + DEADLINE,
        check_at=NOW + timedelta(seconds=60),
    ).model_copy(update=changes)
    lines = (Line(speaker="a", text="Hello there, my friend."), Line(speaker="b", text="Good evening to you."))
    snapshot = JobSnapshot(
        job_id=job_id,
        user_id="user1",
        lines=lines,
        speakers=speakers,
        background=Background(name="sea.mp4", object_name="backgrounds/sea.mp4", duration_seconds=3.0),
    )
    db.document("videoJobs", job_id).set(job.to_document())
    db.document("videoJobSnapshots", job_id).set(snapshot.to_document())
    dialogue = [{"speaker": line.speaker, "text": line.text, "audioObject": None} for line in lines]
    db.document("scripts", "script1").set({"ownerId": "user1", "dialogue": dialogue, "video": None})
    for each in speakers:
        recording = {"objectName": each.recording, "refText": each.ref_text}
        db.document("characters", each.character_id).set({"recording": recording})
    return job


def stored_job(db: Client, job_id: str) -> VideoJob:
    return VideoJob.model_validate(db.document("videoJobs", job_id).get().to_dict())

"""What the specification's examples speak of, on the test's own project, made by the product's own code."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from activities.store import count_activity
from characters.character import Character, Recording, VoiceConfig
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.media_paths import line_object, picture_object, recording_object, video_object
from contracts.video_job import Step, StepName, StepStatus, VideoFile, VideoJob
from gpu_runner.jobs import Jobs
from scripts.script import DialogueLine, Script
from scripts.store import create_script
from tests.functions.characters.conftest import Forms, Send
from tests.functions.specification.examples import Example, example_of
from videos.jobs import settle_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
# Ours have other forms.
_IDS = {
    "character_123": "character123",
    "character_456": "character456",
    "character_789": "character789",
    "script_123": f"{123:032x}",
}
_OWN_CHARACTERS = {"update_character", "delete_character"}
_STARRED = {"unstar_character", "list_my_favorites", "list_characters_combined"}
_SPEAKING = {"get_video_status", "get_audio_status"}
_RENDERING = {"get_video_job", "get_script_video_job", "list_my_video_jobs"}
_FILMED = {
    "list_my_scripts",
    "get_script",
    "delete_script",
    "list_my_activities",
    "list_my_activities_combined",
    "get_my_activity_stats",
    "clear_my_activities",
}
# As gpu_runner.pipeline says it; its own tests hold it to that.
_SAID = {
    StepName.AUDIO_VALIDATION: "Found 8/8 audio files",
    StepName.AUDIO_GENERATION: "Generating audio files... (3/8 completed)",
    StepName.VIDEO_GENERATION: "Rendering video segments...",
}


class World:
    """The specification's user with its things; `ids` has ours for the specification's."""

    def __init__(self, db: "Client", call_api: Callable[..., Any], send: Send, forms: Forms) -> None:
        self._db, self._call_api, self._send, self._forms = db, call_api, send, forms
        self.ids = dict(_IDS)
        self._headers: dict[str, str] = {}

    def prepare(self, operation: str) -> None:
        """All that the operation's example takes for there."""
        if operation == "signup":
            return
        signed_up = self.call("signup")[1]
        self._headers = {"Authorization": f"Bearer {signed_up['token']}"}
        user_id = signed_up["user"]["id"]
        other_id = user_id if operation in _OWN_CHARACTERS else "user456"
        for name, owner_id in (("character_123", other_id), ("character_456", other_id), ("character_789", user_id)):
            self._write_character(self.ids[name], owner_id)
        self._write_background()
        self._write_script(user_id)
        if operation in _STARRED:
            self.call("star_character")
        if operation in _SPEAKING | _RENDERING | _FILMED:
            self.call("generate_video")
            self._render(operation)

    def call(self, operation: str) -> tuple[int, Any]:
        """Status and body of the answer to the specification's own request."""
        method, path, request, _ = self.translated(example_of(operation))
        if operation in {"create_character", "update_character"}:
            return self._call_with_files(method, path, request or {})
        answered = self._call_api(method, path, body=request, headers=self._headers)
        if operation == "generate_video":
            self.ids["job_456"] = answered.body["job"]["jobId"]
        return answered.status, answered.body

    def translated(self, example: Example) -> Example:
        """The example with our ids in the places of the specification's."""
        text = json.dumps(example)
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        return Example(*json.loads(text))

    def _call_with_files(self, method: str, path: str, request: dict[str, Any]) -> tuple[int, Any]:
        contents = {
            "audioFile": [self._forms.recording],
            "imageFiles": [self._forms.picture] * 2,
            "newImageFiles": [self._forms.picture],
        }
        uploads = [(name, content) for name in contents.keys() & request.keys() for content in contents[name]]
        texts = {name: value for name, value in request.items() if name not in contents}
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in texts.items()}
        response = self._send(method, path, fields=fields, uploads=uploads, headers=self._headers)
        return response.status_code, json.loads(response.get_data())

    def _write_character(self, character_id: str, owner_id: str) -> None:
        character = Character(
            id=character_id,
            display_name="Modi",
            config=VoiceConfig(),
            recording=Recording(object_name=recording_object(owner_id, "a" * 32), duration_seconds=8.0),
            images={str(key): picture_object(owner_id, f"{key:032x}") for key in range(3)},
            next_image_key=3,
            output_prefix="modi",
            owner_id=owner_id,
            owner_name="Admin User",
            created_at=NOW,
            updated_at=NOW,
        )
        self._db.document("characters", character_id).set(character.to_document())

    def _write_background(self) -> None:
        background = BackgroundVideo(
            name="background_005.mp4",
            status=BackgroundStatus.LISTED,
            object_name=f"library/{'e' * 32}.mp4",
            thumbnail_object=picture_object("backgrounds", "f" * 32),
            duration_seconds=60.0,
            width=1080,
            height=1920,
            source_object="backgrounds/background_005.mp4",
            source_generation=1,
            created_at=NOW,
            updated_at=NOW,
        )
        self._db.document("backgrounds", background_id(background.name)).set(background.to_document())

    def _write_script(self, owner_id: str) -> None:
        speakers = (self.ids["character_123"], self.ids["character_456"])
        script = Script(
            id=self.ids["script_123"],
            owner_id=owner_id,
            selected_characters=speakers,
            original_prompt="Climate Change Discussion",
            dialogue=tuple(DialogueLine(speaker=speakers[line % 2], text=f"Line {line}.") for line in range(8)),
            created_at=NOW,
            updated_at=NOW,
        )
        create_script(self._db, script)

    def _render(self, operation: str) -> None:
        """The job is as far as the operation's example has it."""
        jobs = Jobs(self._db)
        job = jobs.claim(self.ids["job_456"])
        assert isinstance(job, VideoJob)
        if operation in _FILMED:
            self._finish(jobs, job)
            return
        current = StepName.AUDIO_GENERATION if operation in _SPEAKING else StepName.VIDEO_GENERATION
        jobs.write_progress(job, _steps(current), current)

    def _finish(self, jobs: Jobs, job: VideoJob) -> None:
        video = VideoFile(
            object_name=video_object(job.user_id, job.job_id, job.fence), duration_seconds=45.2, size_bytes=8_543_210
        )
        lines = jobs.read_snapshot(job).lines
        audio = {(line.speaker, line.text): line_object(job.user_id, f"{n:064x}") for n, line in enumerate(lines)}
        jobs.complete(job, steps=_steps(None), video=video, encoder="libx264", audio_objects=audio)
        assert settle_job(self._db, job.job_id, datetime.now(UTC))
        for activity in self._db.collection("users", job.user_id, "activities").stream():
            assert count_activity(self._db, job.user_id, activity.id)


def _steps(current: StepName | None) -> list[Step]:
    """A render's steps while this one runs; after the last of them without one."""
    steps, status = [], StepStatus.COMPLETED
    for name in StepName:
        fields: dict[str, Any] = {"progress": 100.0, "started_at": NOW, "completed_at": NOW}
        if name is current:
            status, fields = StepStatus.IN_PROGRESS, {"progress": 35.0, "started_at": NOW}
        elif status is not StepStatus.COMPLETED:
            status, fields = StepStatus.PENDING, {}
        steps.append(Step(step_name=name, status=status, message=_SAID.get(name, ""), **fields))
    return steps

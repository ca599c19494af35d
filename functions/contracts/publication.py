"""What the runner writes into documents of the user's when a render gives something back.

`scripts/{scriptId}` gets the published video and each unchanged line's audio; `characters/{characterId}` gets the
transcript of its recording. The functions' models (scripts.script, characters.character) read these fields.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contracts.media_paths import is_line
from contracts.video_job import VideoFile

DialogueFields = Sequence[Mapping[str, Any]]


def script_media_objects(audio_objects: Iterable[str | None], video_object: str | None) -> list[str]:
    """A script's field `mediaObjects`: what it names in the media bucket, each once, whoever wrote it last."""
    return list(dict.fromkeys(name for name in (*audio_objects, video_object) if name))


def published_script_fields(
    dialogue: DialogueFields, audio_objects: Mapping[tuple[str, str], str], video: VideoFile
) -> dict[str, Any]:
    """The fields to update of a script whose dialogue now reads `dialogue`.

    `audio_objects` has the object of each rendered (speaker, text); a line that was edited meanwhile is not in it and
    keeps what it has.
    """
    lines = [
        dict(line) | {"audioObject": audio_objects.get((line["speaker"], line["text"]), line.get("audioObject"))}
        for line in dialogue
    ]
    media_objects = script_media_objects((line["audioObject"] for line in lines), video.object_name)
    return {"dialogue": lines, "video": video.to_document(), "mediaObjects": media_objects}


def unused_lines(
    before: Mapping[str, Any], published: Mapping[str, Any], audio_objects: Iterable[str]
) -> tuple[str, ...]:
    """The lines' audio that a script named before, or that was rendered, and that the published one does not name.

    Not the video that was replaced: its job still shows it.
    """
    lines = {*filter(is_line, before.get("mediaObjects", ())), *audio_objects}
    return tuple(sorted(lines - {*published.get("mediaObjects", ())}))


def transcript_fields(transcript: str, voice_id: str) -> dict[str, object]:
    """The fields to update of a character whose recording that voice transcribed."""
    return {"recording.refText": transcript, "recording.refTextBy": voice_id}

"""What the runner writes into documents of the user's when a render gives something back.

`scripts/{scriptId}` gets the published video and each unchanged line's audio; `characters/{characterId}` gets the
transcript of its recording. The functions' models (scripts.script, characters.character) read these fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.video_job import VideoFile

DialogueFields = Sequence[Mapping[str, Any]]


def published_script_fields(
    dialogue: DialogueFields, audio_objects: Mapping[tuple[str, str], str], video: VideoFile
) -> dict[str, object]:
    """The fields to update of a script whose dialogue now reads `dialogue`.

    `audio_objects` has the object of each rendered (speaker, text); a line that was edited meanwhile is not in it and
    keeps what it has.
    """
    lines = [
        dict(line) | {"audioObject": audio_objects.get((line["speaker"], line["text"]), line.get("audioObject"))}
        for line in dialogue
    ]
    return {"dialogue": lines, "video": video.to_document()}


def transcript_fields(transcript: str, voice_id: str) -> dict[str, object]:
    """The fields to update of a character whose recording that voice transcribed."""
    return {"recording.refText": transcript, "recording.refTextBy": voice_id}

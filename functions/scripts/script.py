"""A script: what its characters say to each other, and the rules that this keeps."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from contracts.message import Message
from contracts.publication import script_media_objects
from contracts.video_job import VideoFile
from gcp.errors import ValidationFailed
from gcp.text import DIRECTION_CONTROLS, has_controls, is_visible

MIN_CHARACTERS, MAX_CHARACTERS = 2, 5
MIN_PROMPT_LENGTH, MAX_PROMPT_LENGTH = 10, 2000
MAX_LINES = 100
MAX_LINE_LENGTH = 400
TITLE_LENGTH = 60

# Line breaks and tabs, the Unicode ones too: a caption and a voice want one line.
_BREAKS = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")


def spoken_text(text: str) -> str:
    """The text on one line, without space at its ends and without controls of direction.

    Raises ValueError for any other control character, which can be neither spoken nor shown, and for a text that shows
    nothing.
    """
    cleaned = DIRECTION_CONTROLS.sub("", _BREAKS.sub(" ", text)).strip()
    if has_controls(cleaned):
        raise ValueError("the text holds a control character")
    if cleaned and not is_visible(cleaned):
        raise ValueError("the text has no visible character")
    return cleaned


def _clean(value: object) -> object:
    return spoken_text(value) if isinstance(value, str) else value


LineText = Annotated[str, BeforeValidator(_clean), StringConstraints(min_length=1, max_length=MAX_LINE_LENGTH)]


class DialogueLine(Message):
    """One line; `speaker` is a character's id, `audio_object` the line as it was last spoken, if it was."""

    speaker: str
    text: str
    audio_object: str | None = None


class Script(Message):
    """The document `scripts/{scriptId}`, with its id.

    The functions write it; starting a video sets `video_job_id`, the runner `video` and the lines' audio.
    """

    id: str
    owner_id: str
    selected_characters: tuple[str, ...]
    original_prompt: str
    dialogue: tuple[DialogueLine, ...]
    created_at: datetime
    updated_at: datetime
    video_job_id: str | None = None
    video: VideoFile | None = None

    @property
    def title(self) -> str:
        return script_title(self.original_prompt)

    @property
    def media_objects(self) -> tuple[str, ...]:
        """The objects in the media bucket that the script names, each once."""
        audio_objects = (line.audio_object for line in self.dialogue)
        return tuple(script_media_objects(audio_objects, self.video.object_name if self.video else None))

    def to_document(self) -> dict[str, object]:
        """The fields, and with them `mediaObjects`, by which scripts are found (media.removal)."""
        return super().to_document() | {"mediaObjects": list(self.media_objects)}

    def with_dialogue(self, lines: Sequence[DialogueLine], now: datetime) -> "Script":
        """The script with these lines. A line that was there before, word for word, keeps its audio.

        Raises ValidationFailed for a speaker who is not among the script's characters.
        """
        check_speakers(lines, self.selected_characters)
        audio = {(line.speaker, line.text): line.audio_object for line in self.dialogue if line.audio_object}
        dialogue = tuple(
            DialogueLine(speaker=line.speaker, text=line.text, audio_object=audio.get((line.speaker, line.text)))
            for line in lines
        )
        return self.model_copy(update={"dialogue": dialogue, "updated_at": now})


def script_title(prompt: str) -> str:
    """What a script is called in messages: the beginning of its prompt, on one line."""
    return " ".join(prompt.split())[:TITLE_LENGTH].rstrip()


def check_speakers(lines: Sequence[DialogueLine], characters: Collection[str]) -> None:
    """Raises ValidationFailed, naming each line, when a speaker is not among the characters."""
    message = "The speaker is not one of the script's characters."
    foreign = [index for index, line in enumerate(lines) if line.speaker not in characters]
    if foreign:
        raise ValidationFailed(
            [
                {"loc": ["body", "dialogue", index, "speaker"], "msg": message, "type": "value_error"}
                for index in foreign
            ]
        )

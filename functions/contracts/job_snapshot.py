"""The document `videoJobSnapshots/{jobId}`: what is rendered, as it was when the user pressed generate.

A document of its own, so that triggers on the job do not carry a dialogue. Written by videos.jobs, read by the runner,
which adds only the transcripts of recordings that came without one. It is deleted when the job's hold is settled, so
that a snapshot means an unfinished job: its field `mediaObjects` is what must not be removed yet (media.removal), and
`characterIds` by whose deletion the job ends (videos.cancellation).
"""

import hashlib
import json
from typing import Literal

from contracts.message import Message


class Line(Message):
    speaker: str
    text: str


class Speaker(Message):
    """One character as the job uses it.

    `ref_text` is the text of the recording, empty until it is transcribed, and `ref_text_by` the id of the voice that
    transcribed it, empty when the user wrote it.
    """

    character_id: str
    display_name: str
    recording: str
    ref_text: str
    ref_text_by: str = ""
    pictures: tuple[str, ...]
    speed: float
    nfe_steps: int
    cross_fade_duration: float
    remove_silences: bool


class Background(Message):
    name: str
    object_name: str
    duration_seconds: float


class JobSnapshot(Message):
    version: Literal[1] = 1
    job_id: str
    user_id: str
    lines: tuple[Line, ...]
    speakers: tuple[Speaker, ...]
    background: Background

    @property
    def media_objects(self) -> tuple[str, ...]:
        """The objects in the media bucket that the render reads, each once."""
        recordings = [speaker.recording for speaker in self.speakers]
        pictures = [picture for speaker in self.speakers for picture in speaker.pictures]
        return tuple(dict.fromkeys([*recordings, *pictures, self.background.object_name]))

    def to_document(self) -> dict[str, object]:
        """The fields, and with them those by which snapshots are found, `mediaObjects` and `characterIds`."""
        character_ids = [speaker.character_id for speaker in self.speakers]
        return super().to_document() | {"mediaObjects": list(self.media_objects), "characterIds": character_ids}


# Raise when the voice would sound different for the same fields, so that no line spoken by the old one is reused.
VOICE_VERSION = 1


def line_digest(line: Line, speaker: Speaker, voice_id: str) -> str:
    """The SHA-256, in hex, of everything that determines how a line sounds, the voice that speaks it included.

    The recording's object name stands for its content, because a recording is never overwritten.
    """
    determining = [
        VOICE_VERSION,
        voice_id,
        speaker.recording,
        speaker.ref_text,
        line.text,
        speaker.speed,
        speaker.nfe_steps,
        speaker.cross_fade_duration,
        speaker.remove_silences,
    ]
    return hashlib.sha256(json.dumps(determining, ensure_ascii=False).encode()).hexdigest()


def line_seed(digest: str) -> int:
    """The seed with which a line is spoken, 0 to 2^31-1 (F5-TTS's range): the same line sounds the same again."""
    return int(digest[:8], 16) & 0x7FFFFFFF

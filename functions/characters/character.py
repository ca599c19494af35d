"""A character: a voice, its pictures and how it speaks. The rules, and what clients see of it.

The document `characters/{characterId}` is written by characters.store and read by it and by videos.jobs, which copies
recording, pictures and configuration into the job's snapshot.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, field_validator

from characters.limits import MAX_PICTURES, PICTURE_LIMITS, RECORDING_LIMITS
from contracts.media_paths import api_path
from contracts.message import Message
from gcp.errors import Forbidden, NotFound, ValidationFailed
from gcp.models import Answer, FileField, Form, Switch
from gcp.text import name_text, prose_text
from media.signing import signed_path

# Firestore refuses some ids (".", "__x__") with an error of its own; ours are all of this shape.
_ID = re.compile(r"[A-Za-z0-9]{1,64}")
_IMAGE_KEYS = re.compile(r" *[0-9]{1,6} *(, *[0-9]{1,6} *)*")


DisplayName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), AfterValidator(name_text)
]
RefText = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(prose_text)
]
Speed = Annotated[float, Field(ge=0.5, le=2.0)]
NfeSteps = Annotated[int, Field(ge=20, le=50)]
CrossFadeDuration = Annotated[float, Field(ge=0.0, le=1.0)]
# On the wire one text: a form's fields are no lists.
ImageKeys = Annotated[
    tuple[str, ...],
    WithJsonSchema({"type": "string", "pattern": f"^{_IMAGE_KEYS.pattern}$", "examples": ["0,2"]}),
]


class VoiceConfig(Message):
    """How F5-TTS speaks with the voice. `cross_fade_duration` is in seconds."""

    speed: float = 1.0
    nfe_steps: int = 32
    cross_fade_duration: float = 0.15
    remove_silences: bool = True


class Recording(Message):
    """The clip that is cloned.

    `ref_text` is what is said in it, empty when nobody knows, and `ref_text_by` the id of the voice that transcribed
    it, empty when the user wrote it.
    """

    object_name: str
    duration_seconds: float
    ref_text: str = ""
    ref_text_by: str = ""


class Character(Message):
    """A character as stored, with the document's id. `images` holds object names under keys that are never reused."""

    id: str
    display_name: str
    config: VoiceConfig
    recording: Recording
    images: dict[str, str]
    next_image_key: int
    output_prefix: str
    owner_id: str
    owner_name: str
    starred: int = 0
    hidden: Switch = False
    created_at: datetime
    updated_at: datetime

    @property
    def pictures(self) -> tuple[str, ...]:
        """The pictures' object names in the order of their keys."""
        return tuple(self.images[key] for key in sorted(self.images, key=int))

    @property
    def object_names(self) -> tuple[str, ...]:
        """Every object of the bucket that belongs to the character."""
        return (self.recording.object_name, *self.pictures)

    def is_visible_to(self, user_id: str | None) -> bool:
        return not self.hidden or user_id == self.owner_id


class CharacterForm(Form):
    """The text fields with which a character is made."""

    files: ClassVar[Mapping[str, FileField]] = {
        "audioFile": FileField(f"The voice: {RECORDING_LIMITS}", fewest=1),
        "imageFiles": FileField(f"The pictures: {PICTURE_LIMITS}", fewest=1, most=MAX_PICTURES),
    }

    display_name: DisplayName
    speed: Speed = 1.0
    nfe_steps: NfeSteps = 32
    cross_fade_duration: CrossFadeDuration = 0.15
    remove_silences: bool = True
    ref_text: RefText | None = None


class CharacterChanges(Form):
    """The text fields with which a character is changed; what is absent stays."""

    files: ClassVar[Mapping[str, FileField]] = {
        "audioFile": FileField(f"Another voice: {RECORDING_LIMITS}"),
        "newImageFiles": FileField(f"More pictures: {PICTURE_LIMITS}", most=MAX_PICTURES),
    }

    display_name: DisplayName | None = None
    speed: Speed | None = None
    nfe_steps: NfeSteps | None = None
    cross_fade_duration: CrossFadeDuration | None = None
    remove_silences: bool | None = None
    ref_text: RefText | None = None
    remove_image_keys: ImageKeys = Field(default_factory=tuple)

    @field_validator("remove_image_keys", mode="before")
    @classmethod
    def _split(cls, keys: Any) -> Any:
        if not isinstance(keys, str):
            return keys
        if not _IMAGE_KEYS.fullmatch(keys):
            raise ValueError('the keys of pictures, separated by commas, are expected: "0,2"')
        return tuple(dict.fromkeys(str(int(key)) for key in keys.split(",")))


class CharacterAnswer(Answer):
    """A character as clients see it. The recording's path carries our signature; pictures are public."""

    id: str
    display_name: str
    audio_file: str
    config: VoiceConfig
    images: dict[str, str]
    output_prefix: str
    created_at: datetime
    updated_at: datetime
    has_audio: bool = True
    image_count: int
    created_by: str
    created_by_name: str
    is_owner: bool
    starred: int
    is_starred: bool

    @classmethod
    def of(
        cls, character: Character, *, viewer_id: str | None, is_starred: bool, secrets: Sequence[str], now: datetime
    ) -> "CharacterAnswer":
        return cls(
            id=character.id,
            display_name=character.display_name,
            audio_file=signed_path(character.recording.object_name, secrets, now),
            config=character.config,
            images={key: api_path(character.images[key]) for key in sorted(character.images, key=int)},
            output_prefix=character.output_prefix,
            created_at=character.created_at,
            updated_at=character.updated_at,
            image_count=len(character.images),
            created_by=character.owner_id,
            created_by_name=character.owner_name,
            is_owner=viewer_id == character.owner_id,
            # An admin may have put the number back while there were stars to take away.
            starred=max(0, character.starred),
            is_starred=is_starred,
        )


def is_character_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def output_prefix_of(display_name: str) -> str:
    """The name as part of a file's: lower-case ASCII words joined by underscores, "character" when none is left."""
    ascii_name = unicodedata.normalize("NFKD", display_name).encode("ascii", "ignore").decode().lower()
    return "_".join(re.findall(r"[a-z0-9]+", ascii_name)) or "character"


def require_visible(character: Character | None, user_id: str | None) -> Character:
    """The character when the user may see it. Raises NotFound, the same for one that is hidden and none."""
    if character is None or not character.is_visible_to(user_id):
        raise NotFound("There is no such character.")
    return character


def require_owned(character: Character | None, user_id: str) -> Character:
    """The character when it is the user's own. Raises NotFound, and Forbidden for one that others may see."""
    character = require_visible(character, user_id)
    if character.owner_id != user_id:
        raise Forbidden("Only the owner can change this character.")
    return character


def check_image_count(character: Character, changes: CharacterChanges, *, added: int) -> None:
    """Nothing, when 1 to 10 pictures remain and every removed one is there. Raises ValidationFailed."""
    unknown = [key for key in changes.remove_image_keys if key not in character.images]
    if unknown:
        raise ValidationFailed.of("removeImageKeys", f"The character has no picture {', '.join(unknown)}.")
    remaining = len(character.images) - len(changes.remove_image_keys) + added
    if remaining < 1:
        raise ValidationFailed.of("removeImageKeys", "At least one picture must remain.")
    if remaining > MAX_PICTURES:
        raise ValidationFailed.of(
            "newImageFiles", f"The character would have {remaining} pictures; at most {MAX_PICTURES}."
        )


def apply_changes(
    character: Character,
    changes: CharacterChanges,
    *,
    recording: Recording | None,
    pictures: Sequence[str],
    now: datetime,
) -> Character:
    """The changed character, or the same one when nothing differs. `recording` and `pictures` are stored already.

    Raises ValidationFailed. Without a new recording `ref_text` is taken as the words of the clip that is there.
    """
    check_image_count(character, changes, added=len(pictures))
    config = {name: value for name in VoiceConfig.model_fields if (value := getattr(changes, name)) is not None}
    kept = {key: name for key, name in character.images.items() if key not in changes.remove_image_keys}
    added = {str(character.next_image_key + index): name for index, name in enumerate(pictures)}
    if recording is None:
        recording = character.recording
        if changes.ref_text is not None:
            recording = recording.model_copy(update={"ref_text": changes.ref_text, "ref_text_by": ""})
    changed = character.model_copy(
        update={
            "display_name": changes.display_name or character.display_name,
            "config": character.config.model_copy(update=config),
            "recording": recording,
            "images": kept | added,
            "next_image_key": character.next_image_key + len(pictures),
        }
    )
    return character if changed == character else changed.model_copy(update={"updated_at": now})

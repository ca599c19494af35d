"""Characters and stars."""

from typing import Any

from local.examples.example import MOMENT, Example, picture_path, recording_path

_PICTURES = ("0b7f3c5e9a1d4e62b8c7d0f1a2b3c4d5", "2d9f5e70bc3f6a84dae9f203c4d5e6f7", "3ea06f81cd407b95ebfa0314d5e6f708")


def _character(**differing: Any) -> dict[str, Any]:
    """The specification's public character, with these fields instead of its own."""
    return {
        "id": "character_123",
        "displayName": "Modi",
        "audioFile": recording_path("1c8e4d6fab2e5f73c9d8e1f2b3c4d5e6"),
        "config": _config(),
        "images": _images("0", "1"),
        "outputPrefix": "modi",
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
        "hasAudio": True,
        "imageCount": 2,
        "createdBy": "user_456",
        "createdByName": "Admin User",
        "isOwner": False,
        "starred": 25,
        "isStarred": False,
    } | differing


def _config(*, speed: float = 1.0, nfe_steps: int = 32, cross_fade_duration: float = 0.15) -> dict[str, Any]:
    return {
        "speed": speed,
        "nfeSteps": nfe_steps,
        "crossFadeDuration": cross_fade_duration,
        "removeSilences": True,
    }


def _images(*keys: str) -> dict[str, str]:
    return {key: picture_path(name) for key, name in zip(keys, _PICTURES, strict=False)}


_OWNED = {"createdBy": "user_123", "createdByName": "John Doe", "isOwner": True}
_PUBLIC = _character()
MINE = _character(
    id="character_789",
    displayName="My Character",
    images=_images("0", "1", "2"),
    outputPrefix="my_character",
    imageCount=3,
    starred=5,
    **_OWNED,
)
_CREATED = _character(
    id="character_new",
    displayName="My New Character",
    config=_config(speed=1.2, nfe_steps=28, cross_fade_duration=0.2),
    outputPrefix="my_new_character",
    starred=0,
    **_OWNED,
)
_UPDATED = _CREATED | {
    "displayName": "Updated Character Name",
    "config": _config(speed=1.1, nfe_steps=28, cross_fade_duration=0.2),
    "images": _images("1", "3"),
    "updatedAt": "2024-01-02T00:00:00Z",
}
_STARRED = _character(starred=26, isStarred=True)


def _star(message: str, *, starred: int, is_starred: bool) -> Example:
    return Example(
        answer={
            "success": True,
            "message": message,
            "characterId": "character_123",
            "starred": starred,
            "isStarred": is_starred,
        }
    )


# A file in a form is shown by its name.
EXAMPLES = {
    "list_characters": Example(answer=[_PUBLIC]),
    "list_my_characters": Example(answer=[MINE]),
    "list_my_favorites": Example(answer=[_STARRED]),
    "list_characters_combined": Example(
        answer={"all": [_STARRED], "my_characters": [MINE], "my_favorites": [_STARRED]}
    ),
    "get_character": Example(answer=_PUBLIC),
    "create_character": Example(
        request={
            "displayName": "My New Character",
            "speed": 1.2,
            "nfeSteps": 28,
            "crossFadeDuration": 0.2,
            "removeSilences": True,
            "refText": "The words that are said in the recording.",
            "audioFile": "voice.wav",
            "imageFiles": ["confident.png", "serious.png"],
        },
        answer=_CREATED,
    ),
    "update_character": Example(
        request={
            "displayName": "Updated Character Name",
            "speed": 1.1,
            "removeImageKeys": "0,2",
            "newImageFiles": ["laughing.png"],
        },
        answer=_UPDATED,
    ),
    "delete_character": Example(
        answer={
            "message": "Character 'character_123' deleted successfully",
            "deletedFiles": [
                "recordings/user123/1c8e4d6fab2e5f73c9d8e1f2b3c4d5e6.wav",
                f"images/user123/{_PICTURES[0]}.png",
            ],
        }
    ),
    "star_character": _star("Character starred successfully", starred=26, is_starred=True),
    "unstar_character": _star("Character unstarred successfully", starred=25, is_starred=False),
}

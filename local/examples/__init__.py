"""The API document's examples by operation. A test holds each against the operation's models."""

from collections.abc import Mapping

from local.examples import accounts, activities, characters, scripts, service, videos
from local.examples.example import Example

EXAMPLES: Mapping[str, Example] = {
    **accounts.EXAMPLES,
    **characters.EXAMPLES,
    **scripts.EXAMPLES,
    **videos.EXAMPLES,
    **activities.EXAMPLES,
    **service.EXAMPLES,
}

# A path's variables, by the operation where that matters.
PATH_EXAMPLES: Mapping[tuple[str, str], str] = {
    ("", "characterId"): "character_123",
    ("", "scriptId"): "script_123",
    ("", "jobId"): "job_456",
    ("", "ownerId"): "user123",
    ("get_picture", "fileName"): "0b7f3c5e9a1d4e62b8c7d0f1a2b3c4d5.png",
    ("get_recording", "fileName"): "1c8e4d6fab2e5f73c9d8e1f2b3c4d5e6.wav",
    ("get_video", "fileName"): "9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d_1.mp4",
}

__all__ = ["EXAMPLES", "PATH_EXAMPLES", "Example"]

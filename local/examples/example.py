"""What the API document shows of an operation."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Example(NamedTuple):
    """A request's body and the answer to it, as they are on the wire; None where there is none.

    Times, ids and texts are those of the specification wherever it has an example.
    """

    request: Mapping[str, Any] | None = None
    answer: Any = None


# What media elements load: a path with its signature (media.signing).
SIGNATURE = "?expires=1704240000&signature=5f0c2c3fd1a4c2f5f7d6f3c09c7a1e0b6b3e2a8d9f4c5b6a7e8d9c0b1a2f3e4d"
MOMENT = "2024-01-01T00:00:00Z"


def recording_path(media_id: str) -> str:
    return f"/api/static/audio_files/user123/{media_id}.wav{SIGNATURE}"


def picture_path(media_id: str, *, owner: str = "user123") -> str:
    return f"/api/static/images/{owner}/{media_id}.png"


VIDEO_PATH = f"/api/videos/user123/9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d_1.mp4{SIGNATURE}"

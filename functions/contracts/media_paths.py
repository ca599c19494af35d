"""Object names in the media bucket and the API paths that stand for them, built and parsed here and nowhere else.

A client never names an object: it hands back a path that it was given, which either is of public media or carries our
signature. Every name ends in something random or hashed, so that an object is never overwritten.
"""

import hashlib
import re
from typing import NamedTuple

_OWNER = r"(?P<owner>[A-Za-z0-9]{1,128})"

_RECORDING = re.compile(rf"recordings/{_OWNER}/(?P<name>[0-9a-f]{{32}})\.wav")
_LINE = re.compile(rf"lines/{_OWNER}/(?P<name>[0-9a-f]{{64}})\.wav")
_PICTURE = re.compile(rf"images/{_OWNER}/(?P<name>[0-9a-f]{{32}})\.png")
_VIDEO = re.compile(rf"videos/{_OWNER}/(?P<name>[0-9a-f]{{32}}_[0-9]{{1,6}})\.mp4")

# Folder in the bucket, folder in the path. Recordings and spoken lines share a path; their names differ in length.
_PATHS = (
    (_RECORDING, "/api/static/audio_files"),
    (_LINE, "/api/static/audio_files"),
    (_PICTURE, "/api/static/images"),
    (_VIDEO, "/api/videos"),
)


class Media(NamedTuple):
    object_name: str
    owner_id: str


def recording_object(owner_id: str, media_id: str) -> str:
    return f"recordings/{owner_id}/{media_id}.wav"


def line_object(owner_id: str, digest: str) -> str:
    return f"lines/{owner_id}/{digest}.wav"


def picture_object(owner_id: str, media_id: str) -> str:
    return f"images/{owner_id}/{media_id}.png"


def video_object(owner_id: str, job_id: str, fence: int) -> str:
    """One name per lease, so that a runner which lost its lease cannot touch the video of its successor."""
    return f"{video_prefix(owner_id, job_id)}{fence}.mp4"


def video_prefix(owner_id: str, job_id: str) -> str:
    """How the names of all of a job's videos begin."""
    return f"videos/{owner_id}/{job_id}_"


def character_prefixes(owner_id: str) -> tuple[str, str]:
    """How the names of all that an owner's characters are made of begin."""
    return f"recordings/{owner_id}/", f"images/{owner_id}/"


def render_prefixes(owner_id: str) -> tuple[str, str]:
    """How the names of all that was rendered for an owner begin."""
    return f"lines/{owner_id}/", f"videos/{owner_id}/"


def is_line(object_name: str) -> bool:
    return object_name.startswith("lines/")


def is_rendered(object_name: str) -> bool:
    """Whether a render made the object, so that scripts name it and not characters."""
    return object_name.startswith(("lines/", "videos/"))


def background_object(name: str) -> str:
    """Where an admin puts a background video. The only objects whose names people choose, and may overwrite."""
    return f"backgrounds/{name}"


def background_copy_object(source_object: str, generation: int) -> str:
    """The copy of a background video that renders use: another name for every content of the file."""
    return f"library/{_source_digest(source_object, generation)}.mp4"


def background_thumbnail_object(source_object: str, generation: int) -> str:
    return picture_object("backgrounds", _source_digest(source_object, generation))


def _source_digest(source_object: str, generation: int) -> str:
    return hashlib.sha256(f"{source_object}#{generation}".encode()).hexdigest()[:32]


def api_path(object_name: str) -> str:
    """The path under which clients reach an object, without a signature. Raises ValueError for any other name."""
    for pattern, folder in _PATHS:
        if pattern.fullmatch(object_name):
            return f"{folder}/{object_name.partition('/')[2]}"
    raise ValueError(f"no API path stands for the object {object_name!r}")


def media_of_path(path: str) -> Media | None:
    """The object that an API path stands for, None when it stands for none."""
    for pattern, folder in _PATHS:
        if path.startswith(f"{folder}/"):
            object_name = f"{pattern.pattern.partition('/')[0]}/{path.removeprefix(f'{folder}/')}"
            if match := pattern.fullmatch(object_name):
                return Media(object_name, match["owner"])
    return None

"""The catalogue of background videos: `backgrounds/{name}`."""

import hashlib
from typing import TYPE_CHECKING

from contracts.job_snapshot import Background
from contracts.message import Message
from gcp.errors import Unavailable, ValidationFailed

if TYPE_CHECKING:
    from google.cloud.firestore import Client

_MOST = 200


class BackgroundVideo(Message):
    """One entry of the catalogue, as it was measured."""

    name: str
    object_name: str
    duration_seconds: float
    width: int
    height: int


def find_background(db: "Client", name: str | None, job_id: str) -> Background:
    """The background of that name, or without a name one that the job's id chooses, so that videos differ.

    A name is compared with the catalogue's and never becomes part of a path. Raises ValidationFailed for a name that
    is not in it, and Unavailable when the catalogue is empty.
    """
    entries = sorted(
        (BackgroundVideo.model_validate(each.to_dict()) for each in db.collection("backgrounds").limit(_MOST).stream()),
        key=lambda entry: entry.name,
    )
    if name is not None:
        chosen = next((entry for entry in entries if entry.name == name), None)
        if chosen is None:
            raise ValidationFailed.of("backgroundVideo", "There is no background video of this name.")
    elif entries:
        chosen = entries[int(hashlib.sha256(job_id.encode()).hexdigest(), 16) % len(entries)]
    else:
        raise Unavailable("There are no background videos yet.")
    return Background(name=chosen.name, object_name=chosen.object_name, duration_seconds=chosen.duration_seconds)

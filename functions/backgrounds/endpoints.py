"""The background videos that a user can choose from."""

from backgrounds.store import list_listed
from contracts.background import BackgroundVideo
from contracts.media_paths import api_path
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import ValidationFailed
from gcp.models import Answer
from gcp.page import page_parameters, page_request, paged
from gcp.wire import NoBody, WithHeaders


class BackgroundAnswer(Answer):
    """`name` is what `backgroundVideo` takes; `thumbnail` is the path of a PNG that loads by itself."""

    name: str
    duration_seconds: float
    width: int
    height: int
    thumbnail: str

    @classmethod
    def of(cls, background: BackgroundVideo) -> "BackgroundAnswer":
        assert background.duration_seconds is not None
        assert background.width is not None
        assert background.height is not None
        assert background.thumbnail_object is not None
        return cls(
            name=background.name,
            duration_seconds=background.duration_seconds,
            width=background.width,
            height=background.height,
            thumbnail=api_path(background.thumbnail_object),
        )


@endpoint(answer=list[BackgroundAnswer], query=page_parameters(), refuses=(ValidationFailed,))
def list_backgrounds(call: Call[NoBody]) -> WithHeaders:
    """GET /api/backgrounds, signed-in users: the library of background videos, the newest first."""
    page = list_listed(firestore(), page_request(call.query))
    return paged([BackgroundAnswer.of(each) for each in page.items], page.next_token)

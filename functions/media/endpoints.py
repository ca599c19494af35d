"""The paths that load by themselves in `<img>`, `<audio>` and `<video>` elements."""

from datetime import UTC, datetime

from flask import Response

from contracts.media_paths import Media, api_path, media_of_path
from gcp.endpoint import Call, endpoint
from gcp.errors import Forbidden, NotFound, RateLimited, SignupClosed, Unauthenticated
from gcp.settings import settings
from gcp.wire import BareAnswer, NoBody
from media.signing import SIGNATURE, is_signed
from media.store import download_address, read_picture, require_picture

# Browsers keep the redirect for a while, so that the parts of a video do not each come through a function. It must
# end well before the address that it leads to.
_REDIRECT_MAX_AGE_SECONDS = 3600
_PICTURE_MAX_AGE_SECONDS = 3600
# What becomes of a Bearer token that is not the owner's, which may also be the first that its user sends.
_OWNERS = (Unauthenticated, SignupClosed, RateLimited)
_REDIRECT = (BareAnswer(302, "The media is at Location for some hours."),)


@endpoint(
    answer=(BareAnswer(200, "The picture.", "image/png"), BareAnswer(304, "The client has the picture.")),
    refuses=(NotFound,),
)
def get_picture(call: Call[NoBody]) -> Response:
    """GET /api/static/images/{ownerId}/{fileName}, anyone: the PNG."""
    from gcp.clients import media_bucket

    media = _media(call)
    # An object is never overwritten, so that its name is its version.
    tag = f'"{media.object_name.rpartition("/")[2].removesuffix(".png")}"'
    cached = f"public, max-age={_PICTURE_MAX_AGE_SECONDS}, must-revalidate"
    headers = {"Cache-Control": cached, "ETag": tag, "Content-Disposition": "inline"}
    known = [each.strip().removeprefix("W/") for each in call.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        # Only while it is there: whoever revalidates learns within the hour that it was deleted.
        require_picture(media_bucket(), media.object_name)
        return Response(status=304, headers=headers)
    pieces = read_picture(media_bucket(), media.object_name)
    return Response(pieces, status=200, content_type="image/png", headers=headers)


@endpoint(answer=_REDIRECT, query=SIGNATURE, refuses=(*_OWNERS, Forbidden, NotFound))
def get_recording(call: Call[NoBody]) -> Response:
    """GET /api/static/audio_files/{ownerId}/{fileName}, whom the path was given to: the way to the WAV."""
    return _redirect(call, "audio/wav")


@endpoint(answer=_REDIRECT, query=SIGNATURE, refuses=(*_OWNERS, Forbidden, NotFound))
def get_video(call: Call[NoBody]) -> Response:
    """GET /api/videos/{ownerId}/{fileName}, whom the path was given to: the way to the MP4."""
    return _redirect(call, "video/mp4")


def _redirect(call: Call[NoBody], content_type: str) -> Response:
    media = _media(call)
    path = api_path(media.object_name)
    if not is_signed(path, call.query, settings().jwt_secrets, datetime.now(UTC)) and not _is_owner(call, media):
        raise Forbidden("This path is not signed for you, or its time is over: load the page again.")
    headers = {
        "Location": download_address(settings(), media.object_name, content_type),
        "Cache-Control": f"private, max-age={_REDIRECT_MAX_AGE_SECONDS}",
    }
    return Response(status=302, headers=headers)


def _is_owner(call: Call[NoBody], media: Media) -> bool:
    """Whether the caller's token, if there is one, is good and the media's owner's. Raises Unauthenticated."""
    authorization = call.headers.get("authorization", "")
    if authorization.partition(" ")[0].lower() != "bearer":
        return False
    # Deferred: signed paths, which are nearly all, need no tokens.
    from accounts.bearer import authenticate
    from gcp.clients import firestore

    return authenticate(firestore(), call.headers, datetime.now(UTC)).user.id == media.owner_id


def _media(call: Call[NoBody]) -> Media:
    media = media_of_path(call.request_path)
    if media is None:
        raise NotFound("There is nothing at this path.")
    return media

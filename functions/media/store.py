"""The media bucket as clients read it: pictures through us, everything else straight from Cloud Storage."""

import functools
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from gcp.clients import media_bucket
from gcp.errors import NotFound, Unavailable
from gcp.settings import Settings

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

# A video is loaded in parts while it plays: an address must outlive a long look at it.
ADDRESS_LIFETIME = timedelta(hours=6)
# Most pictures come in one piece; forty requests at a time share 256 MiB.
_PIECE_BYTES = 1024 * 1024


def require_picture(bucket: "Bucket", object_name: str) -> None:
    """Nothing, when the object is there. Raises NotFound and Unavailable."""
    from google.api_core.exceptions import GoogleAPIError
    from requests import RequestException

    try:
        is_there = bucket.blob(object_name).exists()
    except (GoogleAPIError, RequestException) as error:
        raise Unavailable("The media storage does not answer; try again.") from error
    if not is_there:
        raise NotFound("There is no such picture.")


def read_picture(bucket: "Bucket", object_name: str) -> Iterator[bytes]:
    """The object's bytes, piece by piece; the first is read at once. Raises NotFound and Unavailable."""
    # Deferred: whoever has a bucket has loaded them.
    from google.api_core.exceptions import GoogleAPIError
    from google.api_core.exceptions import NotFound as ObjectNotFound
    from requests import RequestException

    reader = bucket.blob(object_name).open("rb", chunk_size=_PIECE_BYTES)
    try:
        first = reader.read(_PIECE_BYTES)
    except ObjectNotFound as error:
        raise NotFound("There is no such picture.") from error
    except (GoogleAPIError, RequestException) as error:
        raise Unavailable("The media storage does not answer; try again.") from error

    def pieces() -> Iterator[bytes]:
        with reader:
            piece = first
            while piece:
                yield piece
                # A shorter one was the last, and asking for more would be a request that the bucket refuses.
                piece = reader.read(_PIECE_BYTES) if len(piece) == _PIECE_BYTES else b""

    return pieces()


def download_address(settings: Settings, object_name: str, content_type: str) -> str:
    """Where a browser loads the object by itself, for six hours. Type and disposition are ours, not the object's.

    Raises Unavailable when nothing signs.
    """
    disposition = f'inline; filename="{object_name.rpartition("/")[2]}"'
    emulator = settings.get("STORAGE_EMULATOR_HOST")
    if emulator:
        # The emulator checks no signatures, and the client that makes them is slow to import.
        ours = urlencode({"response-content-type": content_type, "response-content-disposition": disposition})
        return f"{emulator.rstrip('/')}/{settings.require('MEDIA_BUCKET')}/{quote(object_name)}?{ours}"
    # Deferred: only signing needs credentials.
    from google.auth.exceptions import GoogleAuthError

    try:
        address: str = (
            media_bucket()
            .blob(object_name)
            .generate_signed_url(
                version="v4",
                expiration=ADDRESS_LIFETIME,
                method="GET",
                response_type=content_type,
                response_disposition=disposition,
                **_signer(),
            )
        )
    except GoogleAuthError as error:
        raise Unavailable("The media storage does not answer; try again.") from error
    return address


def _signer() -> dict[str, Any]:
    """What signs an address: a private key where there is one, else the service account itself, over IAM's signBlob.

    Functions have no key; their service account needs roles/iam.serviceAccountTokenCreator on itself.
    """
    # Deferred, as above.
    from google.auth.credentials import Signing
    from google.auth.transport.requests import Request

    credentials = _credentials()
    if isinstance(credentials, Signing):
        return {"credentials": credentials}
    if not credentials.valid:
        credentials.refresh(Request())
    return {"service_account_email": credentials.service_account_email, "access_token": credentials.token}


@functools.cache
def _credentials() -> Any:
    """The credentials of the process, made once; they are refreshed when their hour is over."""
    import google.auth

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    return credentials

"""The media bucket as the runner uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Bucket
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from gpu_runner.errors import HopelessError, TransientError

_TIMEOUT_SECONDS = 60


class MediaStore:
    """Objects in, objects out. Raises TransientError when the bucket does not answer."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def download(self, object_name: str, target: Path) -> None:
        """The object is at `target`. Raises HopelessError when there is none."""
        partial = target.with_name(f".{target.name}.part")
        with _storage_errors():
            try:
                self._bucket.blob(object_name).download_to_filename(str(partial), timeout=_TIMEOUT_SECONDS)
            except NotFound as error:
                raise HopelessError(
                    "MEDIA_MISSING", "A recording, picture or background of this video no longer exists."
                ) from error
        partial.replace(target)

    def download_generation(self, object_name: str, generation: int, target: Path) -> datetime | None:
        """That content of the object is at `target`; when it was put into the bucket. None when that is past."""
        blob = self._bucket.blob(object_name)
        with _storage_errors():
            try:
                blob.reload(timeout=_TIMEOUT_SECONDS)
                if int(blob.generation) != generation:
                    return None
                blob.download_to_filename(str(target), if_generation_match=generation, timeout=_TIMEOUT_SECONDS)
            except (NotFound, PreconditionFailed):
                return None
        created_at: datetime = blob.time_created
        return created_at

    def exists(self, object_name: str) -> bool:
        with _storage_errors():
            return bool(self._bucket.blob(object_name).exists(timeout=_TIMEOUT_SECONDS))

    def upload(self, source: Path, object_name: str, *, content_type: str) -> None:
        """The object is there, whoever wrote it first: a name stands for its content, so the first one is kept."""
        with _storage_errors():
            try:
                self._bucket.blob(object_name).upload_from_filename(
                    str(source), content_type=content_type, if_generation_match=0, timeout=_TIMEOUT_SECONDS
                )
            except PreconditionFailed:
                return


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, InvalidResponse, DataCorruption, OSError) as error:
        raise TransientError(f"the media bucket failed: {type(error).__name__}") from error

"""The bucket on the storage emulator; what cannot be had from it is raised by Google's own libraries."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.api_core.exceptions import PreconditionFailed, RetryError, ServiceUnavailable
from google.auth.exceptions import RefreshError
from google.cloud.storage import Bucket
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from gpu_runner.errors import HopelessError, TransientError
from gpu_runner.media_store import MediaStore

Action = Callable[[MediaStore], object]
NAME = "lines/user1/a.wav"
ACTIONS: dict[str, Action] = {
    "download": lambda media: media.download(NAME, Path("unused.wav")),
    "exists": lambda media: media.exists(NAME),
    "upload": lambda media: media.upload(Path("unused.wav"), NAME, content_type="audio/wav"),
}


def test_an_object_is_there_and_comes_back_unchanged(bucket: Bucket, tmp_path: Path) -> None:
    media, source, target = MediaStore(bucket), tmp_path / "source.wav", tmp_path / "target.wav"
    source.write_bytes(b"sound")

    media.upload(source, "lines/user1/a.wav", content_type="audio/wav")
    media.download("lines/user1/a.wav", target)

    assert media.exists("lines/user1/a.wav")
    assert target.read_bytes() == b"sound"


def test_an_object_that_is_there_already_is_kept(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, if_generation_match: int, **__: object) -> None:
        assert if_generation_match == 0
        raise refusal("the object exists")

    refusal: type[Exception] = PreconditionFailed
    # The storage emulator passes the condition over.
    monkeypatch.setattr("google.cloud.storage.blob.Blob.upload_from_filename", fail)

    MediaStore(bucket).upload(tmp_path / "source.wav", "lines/user1/a.wav", content_type="audio/wav")


def test_an_object_that_is_gone_is_hopeless(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(HopelessError) as failure:
        MediaStore(bucket).download("lines/user1/a.wav", tmp_path / "target.wav")

    assert failure.value.code == "MEDIA_MISSING"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (ServiceUnavailable, ("busy",)),
        (RetryError, ("the deadline passed", TimeoutError())),
        (RefreshError, ("no token",)),
        (InvalidResponse, (None, "broken")),
        (DataCorruption, (None, "the checksum differs")),
        (ConnectionError, ("reset",)),
    ],
)
@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_whatever_storage_raises_is_transient(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, action: Action, kind: type[Exception], arguments: tuple[str, ...]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind(*arguments)

    monkeypatch.setattr("google.cloud.storage.bucket.Bucket.blob", fail)

    with pytest.raises(TransientError):
        action(MediaStore(bucket))

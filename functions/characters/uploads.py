"""The files of a form: checked, decoded in a process of their own, written to the bucket under new names."""

import io
import itertools
import math
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from characters.character import Recording
from characters.decoding import WALL_SECONDS, Frame, pack_frame, read_frames
from characters.limits import MAX_PICTURE_BYTES, MAX_RECORDING_BYTES, MIB
from contracts import log
from contracts.media_paths import picture_object, recording_object
from gcp.errors import ApiError, Detail, Unavailable, ValidationFailed
from media.deletions import list_unnamed_objects

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

_FUNCTIONS_DIR = Path(__file__).resolve().parent.parent
# What Python and its packages need to start (the buildpack installs packages into the user base), and no secret.
_PASSED_ON = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUSERBASE")
# -P: what lies beside the module does not take the place of the standard library's.
_ARGV = ("-P", "-m", "characters.decoding")
_TRACEBACK_BYTES = 10_000
_UNFINISHED = "The file cannot be decoded within the limits of time and memory."


@dataclass(frozen=True, kw_only=True)
class Uploads:
    """The files of one form. `pictures_field` is what the form calls the pictures."""

    recording: bytes | None = None
    pictures: Sequence[bytes] = ()
    pictures_field: str

    @property
    def items(self) -> Sequence[tuple[tuple[str | int, ...], str, bytes]]:
        """Each file: its place in the form, its kind and content."""
        recording = [(("audioFile",), "recording", self.recording)] if self.recording is not None else []
        pictures = [((self.pictures_field, index), "picture", each) for index, each in enumerate(self.pictures)]
        return [*recording, *pictures]


class DecodedRecording(NamedTuple):
    wav: bytes
    duration_seconds: float
    was_cut: bool


class Decoded(NamedTuple):
    """The files as they are stored: WAV and PNG."""

    recording: DecodedRecording | None
    pictures: tuple[bytes, ...]


class Stored(NamedTuple):
    """The objects that were written."""

    recording: Recording | None
    pictures: tuple[str, ...]

    @property
    def object_names(self) -> tuple[str, ...]:
        return (*([self.recording.object_name] if self.recording else []), *self.pictures)


def require_one_recording(files: Mapping[str, Sequence[bytes]]) -> bytes:
    """The form's only `audioFile`. Raises ValidationFailed."""
    recording = find_recording(files)
    if recording is None:
        raise ValidationFailed.of("audioFile", "A recording of the voice is required.", kind="missing")
    return recording


def find_recording(files: Mapping[str, Sequence[bytes]]) -> bytes | None:
    """The form's `audioFile`, None when it has none. Raises ValidationFailed when it has several."""
    recordings = files.get("audioFile", ())
    if len(recordings) > 1:
        raise ValidationFailed.of("audioFile", f"The form has {len(recordings)} recordings; exactly one is taken.")
    return recordings[0] if recordings else None


def decode_uploads(uploads: Uploads) -> Decoded:
    """The files, decoded. Raises ValidationFailed with one entry for each file that is not taken."""
    if not uploads.items:
        return Decoded(None, ())
    _raise_refusals([_size_refusal(place, kind, content) for place, kind, content in uploads.items])
    frames = _run_decoder(uploads)
    # The decoder ended at the first file that it gave no answer for; those after it were not looked at.
    answers = frames if len(frames) == len(uploads.items) else [*frames, ({"refusal": _UNFINISHED}, b"")]
    _raise_refusals(
        [_refusal(place, header["refusal"]) for (place, _, _), (header, _) in zip(uploads.items, answers, strict=False)]
    )
    pictures = tuple(
        content for (_, kind, _), (_, content) in zip(uploads.items, frames, strict=True) if kind == "picture"
    )
    if uploads.recording is None:
        return Decoded(None, pictures)
    header, wav = frames[0]
    return Decoded(DecodedRecording(wav, header["durationSeconds"], header["wasCut"]), pictures)


@contextmanager
def stored_uploads(
    db: "Client", bucket: "Bucket", *, owner_id: str, decoded: Decoded, ref_text: str
) -> Iterator[Stored]:
    """The decoded files are in the bucket, each under a new random name. Raises Unavailable.

    The words of `ref_text` are those of the upload: they are dropped when the clip lacks some of them. Inside, the
    document that names the objects is written. When that is refused they are listed for deletion. They stay when nobody
    knows whether it was written, and when this process dies.
    """
    recording = None
    if decoded.recording is not None:
        recording = Recording(
            object_name=recording_object(owner_id, uuid.uuid4().hex),
            duration_seconds=decoded.recording.duration_seconds,
            ref_text="" if decoded.recording.was_cut else ref_text,
        )
    stored = Stored(recording, tuple(picture_object(owner_id, uuid.uuid4().hex) for _ in decoded.pictures))
    is_complete = False
    try:
        if recording is not None and decoded.recording is not None:
            _write(bucket, recording.object_name, decoded.recording.wav, "audio/wav")
        for name, picture in zip(stored.pictures, decoded.pictures, strict=True):
            _write(bucket, name, picture, "image/png")
        is_complete = True
        yield stored
    except ApiError as error:
        # What is unavailable after the last upload is the database, which may have taken the document all the same.
        if not (is_complete and isinstance(error, Unavailable)):
            list_unnamed_objects(db, stored.object_names, owner_id=owner_id, now=datetime.now(UTC))
        raise


def _write(bucket: "Bucket", name: str, content: bytes, content_type: str) -> None:
    # Deferred: whoever has a bucket has loaded them.
    from google.api_core.exceptions import GoogleAPIError, PreconditionFailed
    from requests import RequestException

    try:
        bucket.blob(name).upload_from_string(content, content_type=content_type, if_generation_match=0)
    except PreconditionFailed:
        # The name is new and random: it was the client's own try before, whose answer was lost.
        return
    except (GoogleAPIError, RequestException) as error:
        raise Unavailable("The media storage does not answer; try again.") from error


def _run_decoder(uploads: Uploads) -> list[Frame]:
    """The answers that the decoding process wrote before it ended, for whatever reason; at most one to each file."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    search_path = [str(_FUNCTIONS_DIR), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    environment["PYTHONPATH"] = os.pathsep.join(search_path)
    # Each thread of numpy's linear algebra reserves addresses, which are limited; nothing here uses it.
    environment["OPENBLAS_NUM_THREADS"] = "1"
    argv = [sys.executable, *_ARGV]
    request = b"".join(pack_frame({"kind": kind}, content) for _, kind, content in uploads.items)
    # Files and no pipes, whose reader would take in whatever a decoder gone wrong writes.
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as errors:
        try:
            ended = subprocess.run(
                argv, input=request, stdout=answers, stderr=errors, env=environment, timeout=WALL_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            log.warning("decoder_timed_out", timeout_seconds=WALL_SECONDS, uploads=len(uploads.items))
        else:
            if ended.returncode != 0:
                log.warning(
                    "decoder_failed",
                    exit_code=ended.returncode,
                    reason=_class_of_error(errors),
                    uploads=len(uploads.items),
                )
        answers.seek(0)
        return list(itertools.islice(read_frames(answers), len(uploads.items)))


def _class_of_error(errors: BinaryIO) -> str:
    """The last line of a traceback, up to the class: the message may quote the file."""
    errors.seek(max(0, errors.seek(0, io.SEEK_END) - _TRACEBACK_BYTES))
    return errors.read().decode(errors="replace").strip().rpartition("\n")[2].partition(":")[0][:100]


def _size_refusal(place: tuple[str | int, ...], kind: str, content: bytes) -> Detail | None:
    limit, noun = (MAX_PICTURE_BYTES, "picture") if kind == "picture" else (MAX_RECORDING_BYTES, "recording")
    if not content:
        return _refusal(place, f"The {noun} is empty.")
    if len(content) > limit:
        # Rounded up, so that one byte too many does not read as the limit itself.
        megabytes = math.ceil(len(content) / MIB * 10) / 10
        return _refusal(place, f"The {noun} is {megabytes} MB; at most {limit // MIB} MB.")
    return None


def _refusal(place: tuple[str | int, ...], message: str | None) -> Detail | None:
    return {"loc": ["body", *place], "msg": message, "type": "value_error"} if message else None


def _raise_refusals(found: Sequence[Detail | None]) -> None:
    refusals = [each for each in found if each is not None]
    if refusals:
        raise ValidationFailed(refusals)

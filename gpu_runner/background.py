"""The library of backgrounds as the runner keeps it: a file is looked at, and its document says what became of it."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from google.cloud.firestore import Client, DocumentReference, Transaction, transactional

from contracts import log
from contracts.background import (
    BackgroundStatus,
    BackgroundTask,
    BackgroundVideo,
    background_id,
    file_name,
    is_given_up,
    is_news,
    library_objects,
    refused,
)
from contracts.media_deletion import new_media_deletion
from contracts.media_paths import background_copy_object, background_thumbnail_object
from gpu_runner.background_file import PreparedBackground, UnfitFileError, prepare_background
from gpu_runner.interruption import Check, interruptible
from gpu_runner.jobs import firestore_errors
from gpu_runner.media_store import MediaStore


class Backgrounds:
    """The library's documents and files. Raises TransientError when Firestore or the bucket does not do its part.

    A task may come twice, also at the same time, and late: what it makes has names of its own for each content of the
    file, and the document takes only news. Whatever is killed half-way is done again by the next delivery.
    """

    def __init__(
        self,
        db: Client,
        media: MediaStore,
        scratch_root: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._db = db
        self._media = media
        self._scratch_root = scratch_root
        self._now = now

    def take_in(self, task: BackgroundTask, *, tries: int = 1, check: Check = lambda: None) -> str:
        """The file is listed or refused, unless it is no longer that file; what became of it, in one word.

        `tries` is how often its task was delivered, this time included: after too many the file is refused without
        another look, so that an admin reads a reason before the queue gives the task up. `check` is asked all the
        while; what it raises passes through.
        """
        name = file_name(task.source_object)
        if name is None:
            return "not_of_the_library"
        reference = self._db.document("backgrounds", background_id(name))
        with firestore_errors():
            if not is_news(reference.get().to_dict(), task.source_generation):
                return "known"
        if is_given_up(task, tries, self._now()):
            return self._give_up(task, reference)
        with tempfile.TemporaryDirectory(
            prefix="background-",
            dir=self._scratch_root,
            ignore_cleanup_errors=True,  # a download that was left behind may still write there
        ) as folder:
            source = Path(folder) / "source"
            created_at = interruptible(
                lambda: self._media.download_generation(task.source_object, task.source_generation, source), check
            )
            if created_at is None:
                return "gone"
            try:
                prepared = prepare_background(source, Path(folder), check=check)
            except UnfitFileError as error:
                check()  # an FFmpeg that was told to end with this process takes every file for unfit
                entry = refused(
                    task.source_object,
                    task.source_generation,
                    str(error),
                    created_at=created_at,
                    now=self._now(),
                )
            else:
                entry = self._stored(task, name, prepared, created_at, check)
        return self._written(reference, entry)

    def _give_up(self, task: BackgroundTask, reference: DocumentReference) -> str:
        reason = (
            "The file could not be looked at: every try was broken off by trouble that is not the file's."
            " Put it into the folder again to have it looked at once more."
        )
        log.error("background_given_up", background_id=reference.id)
        now = self._now()
        created_at = task.source_created_at or now
        return self._written(
            reference, refused(task.source_object, task.source_generation, reason, created_at=created_at, now=now)
        )

    def _written(self, reference: DocumentReference, entry: BackgroundVideo) -> str:
        written = self._write(reference, entry)
        log.info("background_taken_in", background_id=reference.id, status=entry.status, written=written)
        return entry.status.value if written else "known"

    def _stored(
        self, task: BackgroundTask, name: str, prepared: PreparedBackground, created_at: datetime, check: Check
    ) -> BackgroundVideo:
        """The entry of a file whose copy and thumbnail are in the bucket."""
        entry = BackgroundVideo(
            name=name,
            status=BackgroundStatus.LISTED,
            object_name=background_copy_object(task.source_object, task.source_generation),
            thumbnail_object=background_thumbnail_object(task.source_object, task.source_generation),
            duration_seconds=round(prepared.seconds, 3),
            width=prepared.width,
            height=prepared.height,
            source_object=task.source_object,
            source_generation=task.source_generation,
            created_at=created_at,
            updated_at=self._now(),
        )
        self._upload(prepared.copy, entry.object_name, "video/mp4", check)
        self._upload(prepared.thumbnail, entry.thumbnail_object, "image/png", check)
        return entry

    def _upload(self, source: Path, object_name: str | None, content_type: str, check: Check) -> None:
        assert object_name is not None
        interruptible(lambda: self._media.upload(source, object_name, content_type=content_type), check)

    def _write(self, reference: DocumentReference, entry: BackgroundVideo) -> bool:
        """Whether the document took the entry: it does not when it tells of it already, or of something newer.

        The objects of an entry that comes too late are listed for deletion: an admin took the file away meanwhile.
        """

        def write(transaction: Transaction) -> bool:
            stored, fields = reference.get(transaction=transaction).to_dict(), entry.to_document()
            if is_news(stored, entry.source_generation):
                transaction.set(reference, fields)
                return True
            if left := library_objects(fields) - library_objects(stored):
                deletion = new_media_deletion(sorted(left), owner_id="backgrounds", now=self._now())
                deletion_id = f"background_{reference.id}_{entry.source_generation}"
                transaction.set(self._db.document("mediaDeletions", deletion_id), deletion.to_document())
            return False

        with firestore_errors():
            return bool(transactional(write)(self._db.transaction(max_attempts=10)))

"""The video in the making: a thread encodes the lines that are ready while later ones are still being spoken.

Whatever is ready when FFmpeg is free becomes one piece: a single line while the voice speaks, the whole dialogue where
nothing had to be spoken. At the end the pieces are copied into one file with the sound.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts import log
from gpu_runner.captions import write_captions
from gpu_runner.composition import Piece, Scene, Sound, join_argv, list_pieces, piece_argv
from gpu_runner.encoders import X264, VideoEncoder
from gpu_runner.ffmpeg import FfmpegError, FfmpegTimeoutError, ProgressReport, run_ffmpeg
from gpu_runner.fonts import installed_fonts
from gpu_runner.interruption import POLL_SECONDS, Check
from gpu_runner.timeline import Timeline


@dataclass(frozen=True, slots=True)
class EncodedVideo:
    """A finished video."""

    path: Path
    encoder: str
    frame_count: int
    size_bytes: int


class _LeftError(Exception):
    """Nobody waits for the video any more."""


class Encoding:
    """One video of one scene, in an empty folder of its own. When its `with` block is left, nothing of it runs on."""

    def __init__(self, scene: Scene, folder: Path, *, encoder: VideoEncoder, check: Check, ends_at: float) -> None:
        """`check` is asked in two threads, at least twice a second; `ends_at` is on the monotonic clock.

        x264 begins anew with what is ready when the encoder asked for fails on the way.
        """
        self._scene = scene
        self._folder = folder
        self._encoder = encoder
        self._check = check
        self._ends_at = ends_at
        self._changed = threading.Condition()
        self._timeline: Timeline | None = None
        self._soundtrack: Path | None = None
        self._is_left = False
        self._frames_done = 0
        self._outcome: Future[EncodedVideo] = Future()
        self._thread = threading.Thread(target=self._run, name="encoding", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_left = True
            self._changed.notify()
        self._thread.join()

    def add(self, timeline: Timeline) -> None:
        """The lines that are known so far may be encoded; at least one follows. Raises what has failed before."""
        if self._outcome.done():
            self._outcome.result()
        with self._changed:
            self._timeline = timeline
            self._changed.notify()

    def finish(
        self, timeline: Timeline, soundtrack: Path, *, on_progress: Callable[[ProgressReport], None]
    ) -> EncodedVideo:
        """The video of all lines, at `video.mp4` in the folder; the lines before are as they were added.

        Raises FfmpegError and its subclasses, and what `check` raises. `on_progress` is called in this thread.
        """
        with self._changed:
            assert self._timeline is None or len(self._timeline.segments) < len(timeline.segments)
            self._timeline, self._soundtrack = timeline, soundtrack
            self._changed.notify()
        while not wait([self._outcome], timeout=POLL_SECONDS).done:
            self._check()
            on_progress(ProgressReport(frame=self._frames_done, total_frames=timeline.frame_count))
        return self._outcome.result()

    def _run(self) -> None:
        try:
            self._outcome.set_result(self._encode())
        except BaseException as error:  # noqa: BLE001 (raised again where the video is awaited)
            self._outcome.set_exception(error)

    def _encode(self) -> EncodedVideo:
        encoder = self._encoder
        pieces: list[Piece] = []
        while True:
            timeline, soundtrack = self._more_than(pieces)
            piece = _following(pieces, timeline, is_last=soundtrack is not None)
            try:
                self._encode_piece(len(pieces), piece, encoder, soundtrack)
            except FfmpegTimeoutError:
                raise
            except FfmpegError as error:
                if encoder == X264:
                    raise
                log.warning(
                    "video_encoder_failed",
                    encoder=encoder.name,
                    exit_code=error.exit_code,
                    stderr_tail=error.stderr_tail,
                )
                # Pieces of two encoders do not make one stream.
                encoder, pieces = X264, []
                continue
            pieces.append(piece)
            if soundtrack is not None:
                return self._joined(pieces, encoder)

    def _more_than(self, pieces: list[Piece]) -> tuple[Timeline, Path | None]:
        """The lines as soon as there are more than the pieces have, and the sound once there is no line to come."""
        line_count = sum(len(piece.segments) for piece in pieces)

        def has_news() -> bool:
            return self._is_left or (self._timeline is not None and len(self._timeline.segments) > line_count)

        with self._changed:
            self._changed.wait_for(has_news)
            self._check_left()
            assert self._timeline is not None
            return self._timeline, self._soundtrack

    def _encode_piece(self, index: int, piece: Piece, encoder: VideoEncoder, soundtrack: Path | None) -> None:
        captions = self._folder / f"captions_{index}.ass"
        write_captions(piece.segments, installed_fonts(), captions)

        def report(done: ProgressReport) -> None:
            self._frames_done = piece.start_frame + done.frame

        run_ffmpeg(
            piece_argv(
                self._scene,
                piece,
                self._path(index),
                captions=captions,
                encoder=encoder,
                sound=Sound(soundtrack, self._folder / "sound.m4a") if soundtrack else None,
            ),
            total_frames=piece.frame_count,
            timeout_seconds=self._ends_at - time.monotonic(),
            on_progress=report,
            check=self._check_left,
        )
        self._frames_done = piece.end_frame

    def _joined(self, pieces: list[Piece], encoder: VideoEncoder) -> EncodedVideo:
        listed, target = self._folder / "pieces.txt", self._folder / "video.mp4"
        listed.write_text(list_pieces([(self._path(index), piece.frame_count) for index, piece in enumerate(pieces)]))
        run_ffmpeg(
            join_argv(listed, self._folder / "sound.m4a", target),
            total_frames=pieces[-1].end_frame,
            timeout_seconds=self._ends_at - time.monotonic(),
            check=self._check_left,
        )
        return EncodedVideo(
            path=target, encoder=encoder.name, frame_count=pieces[-1].end_frame, size_bytes=target.stat().st_size
        )

    def _path(self, index: int) -> Path:
        return self._folder / f"piece_{index}.mp4"

    def _check_left(self) -> None:
        if self._is_left:
            raise _LeftError
        self._check()


def _following(pieces: list[Piece], timeline: Timeline, *, is_last: bool) -> Piece:
    """All that is ready and in no piece yet."""
    return Piece(
        segments=timeline.segments[sum(len(piece.segments) for piece in pieces) :],
        start_frame=pieces[-1].end_frame if pieces else 0,
        end_frame=timeline.frame_count if is_last else timeline.next_start_frame,
    )

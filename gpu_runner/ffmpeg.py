"""FFmpeg as a child process: what it may open, how far it is, how it ends."""

import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gpu_runner.interruption import Check

# Nothing is fetched over a network, and a file's name never decides what reads it.
PROTOCOLS = ("-protocol_whitelist", "file,pipe")
GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-loglevel", "error", "-y")

_STDERR_TAIL_LINES = 40
_POLL_SECONDS = 0.2
_PROBE_TIMEOUT_SECONDS = 30


class FfmpegError(Exception):
    """FFmpeg did not finish its work."""

    def __init__(self, argv: Sequence[str], exit_code: int | None, stderr_tail: str) -> None:
        """Keep what a log needs: the command, its exit code (None: ended by us) and the end of what it said."""
        super().__init__(f"{argv[0]} ended with {exit_code}: {stderr_tail[-500:]}")
        self.argv = tuple(argv)
        self.exit_code = exit_code
        self.stderr_tail = stderr_tail


class FfmpegTimeoutError(FfmpegError):
    """FFmpeg was ended because it ran past its time."""


class NotAVideoError(FfmpegError):
    """A file holds no video stream whose length is known."""


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """How far an encode is."""

    frame: int
    total_frames: int

    @property
    def progress_percent(self) -> float:
        """From 0 to 100."""
        return min(100.0, 100 * self.frame / self.total_frames)


def run_ffmpeg(
    argv: Sequence[str],
    *,
    total_frames: int,
    timeout_seconds: float,
    on_progress: Callable[[ProgressReport], None] | None = None,
    check: Check | None = None,
) -> None:
    """Return when the command has exited with 0. Nothing of its process group is left when this ends it earlier.

    `on_progress` is called in the calling thread whenever `-progress pipe:1` has told of another frame, at most five
    times a second, and so is `check`. Raises FfmpegTimeoutError, or FfmpegError with the end of stderr; what
    `on_progress` and `check` raise ends the command and passes through.
    """
    process = _started(argv)
    readers = _OutputReaders(process)
    deadline = time.monotonic() + timeout_seconds
    reported_frame = 0
    try:
        while not _exited_within(process, _POLL_SECONDS):
            if check is not None:
                check()
            if time.monotonic() > deadline:
                raise FfmpegTimeoutError(argv, None, f"{timeout_seconds} s were not enough\n{readers.stderr_tail()}")
            if on_progress is not None and readers.frame > reported_frame:
                reported_frame = readers.frame
                on_progress(ProgressReport(frame=reported_frame, total_frames=total_frames))
    finally:
        _end(process)
        readers.close()
    if process.returncode != 0:
        raise FfmpegError(argv, process.returncode, readers.stderr_tail())


def capture_ffmpeg(argv: Sequence[str], *, timeout_seconds: float, check: Check | None = None) -> bytes:
    """What the command wrote to stdout, for small outputs. Ends and raises as run_ffmpeg does."""
    process = _started(argv)
    deadline = time.monotonic() + timeout_seconds
    try:
        while True:
            try:
                output, complaint = process.communicate(timeout=_POLL_SECONDS)
                break
            except subprocess.TimeoutExpired as error:
                if check is not None:
                    check()
                if time.monotonic() > deadline:
                    raise FfmpegTimeoutError(argv, None, _tail_of(error.stderr or b"")) from error
    except BaseException:
        _end(process)
        process.communicate()  # the pipes end with the last of the group
        raise
    if process.returncode != 0:
        raise FfmpegError(argv, process.returncode, _tail_of(complaint))
    return output


def measure_video_seconds(path: Path, *, formats: str, check: Check | None = None) -> float:
    """The length of a video file that is one of FFmpeg's `formats`. Raises NotAVideoError."""
    argv = [
        *("ffprobe", "-hide_banner", "-loglevel", "error", *PROTOCOLS, "-format_whitelist", formats),
        *("-select_streams", "v:0", "-show_entries", "stream=duration:format=duration", "-of", "json"),
        *("-i", str(path.absolute())),
    ]
    try:
        answer = json.loads(capture_ffmpeg(argv, timeout_seconds=_PROBE_TIMEOUT_SECONDS, check=check))
    except FfmpegError as error:
        raise NotAVideoError(argv, error.exit_code, error.stderr_tail) from error
    streams = answer.get("streams", [])
    # Matroska keeps no length per stream, and the file's may be that of its longer sound.
    lengths = [part.get("duration") for part in (*streams, answer.get("format", {}))]
    known = [float(length) for length in lengths if length is not None]
    if not streams or not known or known[0] <= 0:
        raise NotAVideoError(argv, 0, "no video stream, or no length")
    return known[0]


def escape_filter_value(value: str) -> str:
    """The value so written that a filter graph's option takes it literally.

    A graph is read twice, first as a graph and then as the filter's options; each reading takes one backslash away.
    """
    for_options = "".join(f"\\{character}" if character in "\\':" else character for character in value)
    return "".join(f"\\{character}" if character in "\\'[],;" else character for character in for_options)


class _OutputReaders:
    """Empties a child's two pipes, so that it never waits for us."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.frame = 0
        self._tail: deque[str] = deque(maxlen=_STDERR_TAIL_LINES)
        self._pipes = (process.stdout, process.stderr)
        self._threads = (
            threading.Thread(target=self._read_progress, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(process.stderr,), daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def stderr_tail(self) -> str:
        return "\n".join(self._tail.copy())

    def close(self) -> None:
        """Take in what is left; the process must have ended."""
        for thread in self._threads:
            thread.join()
        for pipe in self._pipes:
            pipe.close()

    def _read_progress(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            key, _, value = line.strip().partition(b"=")
            if key == b"frame" and value.isdigit():
                self.frame = int(value)

    def _read_stderr(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._tail.append(line.decode(errors="replace").rstrip())


def _started(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """The command, leading a process group of its own. Raises FfmpegError."""
    try:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise FfmpegError(argv, None, f"cannot be started: {error}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of the process's group is left, unless it has ended by itself."""
    if process.returncode is None:  # afterwards the number may be another process's
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _exited_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tail_of(stderr: bytes) -> str:
    return "\n".join(stderr.decode(errors="replace").splitlines()[-_STDERR_TAIL_LINES:])

"""One part of the local cloud: a process in its own session, its log, the checks that say when it serves."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.processes import (
    CLOUD_MARK,
    PART_MARK,
    SERVED_MARK,
    end_processes,
    kill_group,
    marked_processes,
    signal_family,
)

_CHECK_INTERVAL_SECONDS = 0.2
_LOG_TAIL_LINES = 25
_QUICK_DEATH_SECONDS = 5.0
_MAX_RESTART_DELAY_SECONDS = 10.0


class CloudError(Exception):
    """The local cloud cannot start or go on; the message says why and what to do."""


class PartFailedError(CloudError):
    """A part ended, or did not begin to serve in time. The message names it, its log and the log's last lines."""


class CloudStoppedError(CloudError):
    """Somebody asked for the stop while the cloud was still starting."""


@dataclass(frozen=True)
class Check:
    """A named question that is answered with true once the thing serves."""

    name: str
    serves: Callable[[], bool]


@dataclass(frozen=True)
class Part:
    """What a part is started with.

    `restarts` says that the platform would start it again when it dies. A line of `hopeless` in the log says that the
    part runs, but will not serve.
    """

    name: str
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str]
    checks: tuple[Check, ...]
    ready_timeout_seconds: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 10.0
    restarts: bool = False
    ports: tuple[int, ...] = ()
    hopeless: tuple[str, ...] = ()


@dataclass
class RunningPart:
    """A part's process, started, watched, stopped. `on_end` is called when it ended and is not to be started again."""

    part: Part
    log_path: Path
    on_end: Callable[[PartFailedError], None]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    _wanted: bool = False
    _log_start: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self) -> None:
        """The process runs in a session of its own, its output appended to the log. Returns before it serves."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = True
            self._stopping.clear()
            process = self._spawn()
            self._watcher = threading.Thread(
                target=self._watch, args=(process,), name=f"watch-{self.part.name}", daemon=True
            )
            self._watcher.start()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        served = self._served_path()
        served.unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                self.part.argv,
                cwd=self.part.cwd,
                env=dict(self.part.environment) | {PART_MARK: self.part.name, SERVED_MARK: str(served)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor only, which stops the parts in order
            )
        self.starts += 1
        return self.process

    def _served_path(self) -> Path:
        """The file that is there once this start's process has served."""
        return self.log_path.with_suffix(".served")

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        delay_seconds = 0.0
        while True:
            started = time.monotonic()
            code = process.wait()
            # What the process left in its session holds its port: gunicorn's worker, an encoder.
            kill_group(process.pid, signal.SIGKILL)
            if CLOUD_MARK in self.part.environment:
                # And what it started in sessions of their own: the clock's functions.
                end_processes(marked_processes(Path(self.part.environment[CLOUD_MARK]), part=self.part.name))
            with self._lock:
                if not self._wanted:
                    return
            if not self.part.restarts:
                self.on_end(self.failure(f"ended by itself with {_describe_exit(code)}"))
                return
            quick = time.monotonic() - started < _QUICK_DEATH_SECONDS
            delay_seconds = min(max(0.5, delay_seconds * 2), _MAX_RESTART_DELAY_SECONDS) if quick else 0.0
            self._note(f"ended with {_describe_exit(code)}; started again in {delay_seconds:g} s")
            if self._stopping.wait(delay_seconds):
                return
            with self._lock:
                if not self._wanted:
                    return
                process = self._spawn()

    def _note(self, text: str) -> None:
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(f"-- local cloud: {self.part.name} {text}\n")

    def wait_until_it_serves(self, *, stop: threading.Event, announce: Callable[[str, float], None]) -> None:
        """All checks have passed, in order; each is announced with the seconds it took since now.

        Raises PartFailedError when the part ends or the time is over, CloudStoppedError when `stop` is set.
        """
        started = time.monotonic()
        for check in self.part.checks:
            while not check.serves():
                if stop.wait(_CHECK_INTERVAL_SECONDS):
                    raise CloudStoppedError("stopped while starting")
                if not self.part.restarts and self.process is not None and self.process.poll() is not None:
                    raise self.failure(f"ended with {_describe_exit(self.process.returncode)} before it served")
                if any(words in self._log_of_this_start() for words in self.part.hopeless):
                    raise self.failure("will not serve")
                if time.monotonic() - started > self.part.ready_timeout_seconds:
                    raise self.failure(f"does not serve after {self.part.ready_timeout_seconds:g} s ({check.name})")
            announce(check.name, time.monotonic() - started)
        self._served_path().touch()

    def _log_of_this_start(self) -> str:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def failure(self, reason: str) -> PartFailedError:
        lines = self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []
        tail = "\n".join(f"    {line}" for line in lines[-_LOG_TAIL_LINES:])
        return PartFailedError(f"{self.part.name} {reason}.\n  log: {self.log_path}\n{tail}")

    def stop(self) -> None:
        """The process has ended: asked by its stop signal, killed with its session when it did not heed in time.

        One that never served is killed at once. It has nothing to save, and the suite would save what it had imported
        so far in place of what it should have imported.
        """
        with self._lock:
            self._wanted = False
            self._stopping.set()
            process, watcher = self.process, self._watcher
        if process is None or watcher is None:
            return
        if process.poll() is None and self._served_path().exists():
            # Only to the process itself: the suite's Java must live until the suite has exported its data.
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self.part.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.part.stop_timeout_seconds)
        kill_group(process.pid, signal.SIGKILL)
        process.wait()
        # It still ends what the process left behind; a new start must not be among that, nor taken for the old one.
        watcher.join()

    def kill(self, number: signal.Signals) -> None:
        """The signal reached the process and all that it started. A part that restarts comes back by itself."""
        with self._lock:
            process = self.process
        if process is not None:
            signal_family(process.pid, number)
            if number == signal.SIGKILL:
                process.wait()


def _describe_exit(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"

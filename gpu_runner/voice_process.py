"""F5-TTS's Gradio server as the runner's child: started, started again when it dies, and ended with the runner.

Only where `VOICE_COMMAND` names it, as the image does. Elsewhere the server at `F5_TTS_URL` is somebody else's affair.
"""

import atexit
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts import log
from contracts.environment import Environment
from gpu_runner.voice_log import VoiceLog

# The kernel ends the server when the thread that started it has ended, however the runner died. What the server has
# started itself (an FFmpeg for a second or two) ends by itself then; in a container all end with the first process.
_ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")

# What the server may know of the runner's environment: where programs, libraries, caches and the GPU are. The project,
# the bucket and whatever else is configured are none of its affair.
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"),
    *("HF_HOME", "VOICE_CHECKPOINT", "VOICE_VOCABULARY"),
)
_PASSED_ON_PREFIXES = ("CUDA_", "NVIDIA_")
_FIXED = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",  # everything that it loads is in the image
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PYTHONUNBUFFERED": "1",  # or its last words stay in a buffer when it dies
}

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_LONG_LIFE_SECONDS = 120.0  # whoever lived so long is started again at once
# The server remembers files in its temporary folder by name (references, spectrograms) and fails when one is gone, so
# they go only with the server. About 2 MB a recording and 0.2 MB a line: some thousand lines.
_LARGEST_FOLDER_BYTES = 1024**3


class VoiceProcess:
    """One server at a time with a temporary folder of its own; none once `stop` has returned."""

    def __init__(self, argv: Sequence[str], *, environment: Mapping[str, str], parent_folder: Path) -> None:
        self.restarts = 0
        self._argv = (*_ENDS_WITH_ITS_PARENT, *argv)
        self._environment = environment
        self._parent_folder = parent_folder
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._works = 0
        self._is_recycled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._log = VoiceLog()
        # It starts the server, and must therefore live as long: see _ENDS_WITH_ITS_PARENT.
        self._thread = threading.Thread(target=self._supervise, name="voice-process", daemon=True)

    def start(self) -> None:
        """Returns before the server serves: that takes it the time to load its weights."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is left of the server: no process of its group, no file of its folder."""
        self._stopped.set()
        with self._lock:
            self._kill()
        if self._thread.is_alive():
            self._thread.join()

    def renew(self) -> None:
        """The server is ended, and started again as one that has ended by itself. Returns before that serves."""
        with self._lock:
            self._kill()

    @contextmanager
    def of_work(self) -> Iterator[None]:
        """The block may use the server. After the last of several such blocks, what their calls left is removed."""
        with self._lock:
            self._works += 1
            self._log.keep_texts_out()
        try:
            yield
        finally:
            with self._lock:
                self._works -= 1
                if self._works == 0:
                    self._sweep()

    def _supervise(self) -> None:
        delay_seconds = 0.0
        while not self._stopped.is_set():
            began_at = time.monotonic()
            exit_code = None
            try:
                exit_code = self._run_once()
            except OSError as error:  # no such program, or no room for its folder: either may change
                log.error("voice_server_not_started", error=type(error).__name__)
            if self._stopped.is_set():
                return
            if self._is_recycled:
                self._is_recycled = False
                continue
            self.restarts += 1
            has_lived_long = time.monotonic() - began_at > _LONG_LIFE_SECONDS
            delay_seconds = 0.0 if has_lived_long else next_delay_seconds(delay_seconds)
            log.error(
                "voice_server_ended", exit_code=exit_code, restarts=self.restarts, delay_seconds=round(delay_seconds, 1)
            )
            self._stopped.wait(delay_seconds)

    def _run_once(self) -> int | None:
        """The exit code of a server that was started and has ended; None after `stop`. Raises OSError."""
        with tempfile.TemporaryDirectory(prefix="voice-", dir=self._parent_folder, ignore_cleanup_errors=True) as name:
            process = self._started_in(Path(name))
            if process is None:
                return None
            # Not reaped yet, so that its number, which is its group's too, is no other's when the group is killed: a
            # child of a server that has ended by itself may hold the port.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with self._lock:
                self._kill()
                self._process = self._folder = None
            return process.wait()

    def _started_in(self, folder: Path) -> subprocess.Popen[bytes] | None:
        (folder / "gradio").mkdir()
        with self._lock:
            if self._stopped.is_set():
                return None
            process = subprocess.Popen(
                self._argv,
                cwd=folder,  # Gradio serves the files of its working folder
                env=child_environment(self._environment, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._process, self._folder = process, folder
            self._log = VoiceLog(texts_are_kept_out=self._works > 0)
            self._log.follow(process)
            return process

    def _kill(self) -> None:
        """Every process of the server's group is killed. Called with the lock held, and before the server is reaped."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _sweep(self) -> None:
        """What Gradio took in and gave out is gone; a server whose other files are too many is started again."""
        if self._folder is None:
            return
        gradio = self._folder / "gradio"
        for path in gradio.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        size_bytes = size_of(self._folder)
        if size_bytes > _LARGEST_FOLDER_BYTES:
            log.info("voice_server_recycled", size_bytes=size_bytes)
            self._is_recycled = True
            self._kill()


def next_delay_seconds(delay_seconds: float) -> float:
    """How long to wait after another early death: twice as long as before, up to a bound."""
    return min(max(_FIRST_DELAY_SECONDS, delay_seconds * 2), _LONGEST_DELAY_SECONDS)


def child_environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The server's whole environment."""
    passed_on = {
        name: value for name, value in environment.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return passed_on | _FIXED | {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder / "gradio")}


def size_of(folder: Path) -> int:
    """The bytes of all files in the folder; one that goes away meanwhile counts nothing."""
    total = 0
    # os.walk passes over folders that go away meanwhile, where Path.rglob raises.
    for parent, _folders, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_size
    return total


def start_voice(environment: Environment, parent_folder: Path) -> VoiceProcess | None:
    """The supervised server of this environment, ended with this process; None where none is to be supervised."""
    command = environment.get("VOICE_COMMAND")
    if not command:
        return None
    process = VoiceProcess(shlex.split(command), environment=environment.variables, parent_folder=parent_folder)
    log.info("voice_starting", voice_id=environment.get("VOICE_ID"), licence=licence_of(environment))
    process.start()
    atexit.register(process.stop)
    return process


def licence_of(environment: Environment) -> str:
    """The licence of the voice's weights: the first line of the file that the image's build wrote."""
    with suppress(OSError):
        return Path(environment.get("VOICE_LICENCE_FILE")).read_text(encoding="utf-8").partition("\n")[0]
    return "unknown"

"""How the runner's machine is, and what it depends on: each looked at in bounded time."""

import http.client
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from gpu_runner.encoders import X264, choose_encoder, encodes_a_frame

_VOICE_SECONDS = 2.0
_ENCODER_SECONDS = 2.0
# With less than this an encode or a download fails: the longest video and what it is made of.
_LEAST_MEMORY_BYTES = 1024**3
_LEAST_DISK_BYTES = 1024**3

Check = Mapping[str, Any]


class RunnerHealth:
    """The checks of one runner process."""

    def __init__(
        self,
        voice_url: str,
        scratch_root: Path,
        *,
        find_encoder: Callable[[], str | None] | None = None,
        count_restarts: Callable[[], int] | None = None,
    ) -> None:
        """`find_encoder` finds out, once and slowly, which encoder works here; None: none does.

        `count_restarts` says how often the voice server has ended, where the runner supervises it.
        """
        self._voice_url = voice_url
        self._scratch_root = scratch_root
        self._encoder = _SlowAnswer(find_encoder or find_working_encoder)
        self._count_restarts = count_restarts

    def checks(self) -> dict[str, Check]:
        """Every check with its `status`: healthy, unknown while that is still found out, or what is wrong."""
        return {
            "voiceServer": self._check_voice(),
            "encoder": self._check_encoder(),
            "cpu": _check_cpu(),
            "memory": _check_memory(),
            "disk": self._check_disk(),
        }

    def troubles(self) -> tuple[str, ...]:
        """The names of the checks that found something wrong."""
        return tuple(name for name, check in self.checks().items() if check["status"] not in {"healthy", "unknown"})

    def _check_voice(self) -> Check:
        check = {"status": "healthy" if self.voice_serves() else "unavailable"}
        return check if self._count_restarts is None else check | {"restarts": self._count_restarts()}

    def voice_serves(self) -> bool:
        """Whether the voice server serves: Gradio answers /config once its models are loaded."""
        address = urlsplit(self._voice_url)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.hostname or "", address.port, timeout=_VOICE_SECONDS)
        try:
            connection.request("GET", f"{address.path.rstrip('/')}/config")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _check_encoder(self) -> Check:
        is_known, name = self._encoder.within(_ENCODER_SECONDS)
        if not is_known:
            return {"status": "unknown", "name": None}
        return {"status": "healthy" if name else "unavailable", "name": name}

    def _check_disk(self) -> Check:
        usage = psutil.disk_usage(str(self._scratch_root))
        return {"status": "healthy" if usage.free >= _LEAST_DISK_BYTES else "full", "freeBytes": usage.free}


class _SlowAnswer:
    """The answer to a question that is asked once, in a thread of its own, when somebody first wants to know."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._known = threading.Event()
        self._answer: str | None = None

    def within(self, seconds: float) -> tuple[bool, str | None]:
        """Whether the answer is known by then, and the answer."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        return self._known.wait(seconds), self._answer

    def _run(self) -> None:
        self._answer = self._ask()
        self._known.set()


def find_working_encoder() -> str | None:
    """The name of the encoder that makes the videos; None when not even x264 works."""
    encoder = choose_encoder()
    return None if encoder == X264 and not encodes_a_frame(X264) else encoder.name


def _check_cpu() -> Check:
    # Since the last time that anybody asked; the first answer is 0.
    return {"status": "healthy", "percent": psutil.cpu_percent(interval=None), "count": psutil.cpu_count()}


def _check_memory() -> Check:
    memory = psutil.virtual_memory()
    is_enough = memory.available >= _LEAST_MEMORY_BYTES
    return {"status": "healthy" if is_enough else "full", "availableBytes": memory.available}

"""F5-TTS, spoken to through its Gradio server (`/basic_tts` of f5-tts 1.1.3 and later: nine inputs, four outputs)."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from contracts import log
from contracts.job_snapshot import Speaker
from gpu_runner.errors import HopelessError, TransientError
from gpu_runner.interruption import POLL_SECONDS, Check, interruptible

# A line of 400 letters takes a GPU some seconds, a CPU some minutes.
LONGEST_CALL_SECONDS = 300.0

_CONNECT_TIMEOUT_SECONDS = 10.0
# What is said to have a transcript made: the server transcribes a reference that comes without its text.
_PROBE_TEXT = "Hello there, this is a short test."
_PROBE_NFE_STEPS = 4  # the fewest that the server takes: the sound is thrown away


class Voice(Protocol):
    """Whatever speaks a line like a recording."""

    @property
    def voice_id(self) -> str:
        """What the voice is known by: another one speaks and transcribes differently."""

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path, check: Check) -> None:
        """A WAV file of the line is at `target`. Raises TransientError and what `check` raises."""

    def transcribe(self, recording: Path, *, check: Check) -> str:
        """The words of the recording. Raises HopelessError when it has none, TransientError and what `check` raises."""


class F5Voice:
    """One connection to the server, made at the first line: describing the server's 429 endpoints takes seconds."""

    def __init__(self, url: str, *, voice_id: str, renew_server: Callable[[], None] | None = None) -> None:
        """`renew_server` starts the server anew, where that is the runner's to do.

        Only that helps against one that hangs over a line, which keeps every later line waiting, and against one whose
        GPU has failed, which refuses every line from then on and answers /config all the same.
        """
        self.voice_id = voice_id
        self._url = url
        self._renew_server = renew_server
        self._client: Any = None

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path, check: Check) -> None:
        with self._server_errors():
            sound, _transcript = self._call(
                recording,
                check,
                ref_text_input=speaker.ref_text,
                gen_text_input=text,
                remove_silence=speaker.remove_silences,
                randomize_seed=False,
                seed_input=seed,
                cross_fade_duration_slider=speaker.cross_fade_duration,
                nfe_slider=speaker.nfe_steps,
                speed_slider=speaker.speed,
            )
            interruptible(lambda: self._download(sound["path"], target), check)

    def transcribe(self, recording: Path, *, check: Check) -> str:
        with self._server_errors():
            _sound, transcript = self._call(
                recording,
                check,
                ref_text_input="",
                gen_text_input=_PROBE_TEXT,
                remove_silence=False,
                randomize_seed=False,
                seed_input=0,
                cross_fade_duration_slider=0.0,
                nfe_slider=_PROBE_NFE_STEPS,
                speed_slider=1.0,
            )
        if not transcript.strip(" ."):
            raise HopelessError("NO_SPEECH", "No words were found in a character's recording.")
        return transcript.strip()

    def _call(self, recording: Path, check: Check, **inputs: object) -> tuple[Any, str]:
        """The sound as a file of the server's, and the reference text that it used.

        The server hides the cause of whatever fails inside it, so a refusal is tried once more.
        """
        from gradio_client.exceptions import AppError

        try:
            answer = self._answer(recording, check, inputs)
        except AppError:
            log.warning("voice_refused_once")
            answer = self._answer(recording, check, inputs)
        sound, _spectrogram, transcript, _seed = answer
        return sound, str(transcript)

    def _answer(self, recording: Path, check: Check, inputs: dict[str, object]) -> Any:
        from gradio_client import handle_file

        ends_at = time.monotonic() + LONGEST_CALL_SECONDS
        client = interruptible(self._connected, check)
        with _strange_answers(ValueError):
            job = client.submit(ref_audio_input=handle_file(str(recording)), api_name="/basic_tts", **inputs)
        try:
            while not wait([job.future], timeout=POLL_SECONDS).done:
                check()
                if time.monotonic() > ends_at:
                    raise TimeoutError
            with _strange_answers(ValueError):
                return job.result()
        finally:
            if not job.done():
                # Not awaited: a server that hangs would hold it, and nobody would look after the lease meanwhile.
                threading.Thread(target=_cancel, args=(job,), daemon=True).start()

    def _download(self, server_path: str, target: Path) -> None:
        """The server's file is at `target`. The client's own download would leave a folder behind for each file."""
        import httpx

        client = self._connected()
        partial = target.with_name(f".{target.name}.part")
        with httpx.stream(
            "GET",
            f"{client.src_prefixed}file={quote(server_path)}",
            headers=client.headers,
            cookies=client.cookies,
            timeout=LONGEST_CALL_SECONDS,
        ) as response:
            response.raise_for_status()
            with partial.open("wb") as file:
                file.writelines(response.iter_bytes())
        partial.replace(target)

    def _connected(self) -> Any:
        if self._client is None:
            # Deferred: the client and its HTTP stack take a third of a second.
            import httpx
            from gradio_client import Client

            # A server that is still loading its weights refuses connections; that is known sooner this way.
            httpx.get(f"{self._url.rstrip('/')}/config", timeout=_CONNECT_TIMEOUT_SECONDS).raise_for_status()
            # The client takes a server's description for granted and stumbles over one in another shape.
            with _strange_answers(ValueError, TypeError, LookupError, AttributeError):
                self._client = Client(
                    self._url,
                    verbose=False,
                    analytics_enabled=False,
                    download_files=False,
                    httpx_kwargs={"timeout": LONGEST_CALL_SECONDS},
                )
        return self._client

    @contextmanager
    def _server_errors(self) -> Iterator[None]:
        """A server that refuses, or does not do its part, is a TransientError. A defect of ours passes through."""
        import httpx
        from gradio_client.exceptions import AppError
        from gradio_client.utils import QueueError, TooManyRequestsError

        outages = (httpx.HTTPError, httpx.StreamError, OSError, CancelledError, QueueError, TooManyRequestsError)
        try:
            yield
        except Exception as error:  # whatever it is: the connection may hold on to what failed; it is raised on below
            self._client = None
            if self._renew_server and isinstance(error, AppError | TimeoutError):
                self._renew_server()
            if isinstance(error, AppError):
                refused = HopelessError("VOICE_REFUSED", "The voice could not speak one of the lines.")
                raise TransientError("the voice refused twice", at_last=refused) from error
            if isinstance(error, outages):
                raise TransientError(f"the voice server failed: {type(error).__name__}") from error
            raise


def _cancel(job: Any) -> None:
    """The server is told that nobody waits for the line any more, if it listens."""
    import httpx

    with suppress(httpx.HTTPError):
        job.cancel()


@contextmanager
def _strange_answers(*kinds: type[Exception]) -> Iterator[None]:
    """What the client raises over an answer that it does not understand, as TransientError; refusals pass through."""
    from gradio_client.exceptions import AppError

    try:
        yield
    except AppError:
        raise
    except kinds as error:
        raise TransientError(f"the voice server's answer makes no sense: {type(error).__name__}") from error

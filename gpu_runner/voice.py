"""F5-TTS, spoken to through its Gradio server (`/basic_tts` of f5-tts 1.1.3 and later: nine inputs, four outputs)."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from contracts import log
from contracts.job_snapshot import Speaker
from gpu_runner.errors import HopelessError, TransientError

_TIMEOUT_SECONDS = 600.0
_CONNECT_TIMEOUT_SECONDS = 10.0
# What is said to have a transcript made: the server transcribes a reference that comes without its text.
_PROBE_TEXT = "Hello there, this is a short test."
_PROBE_NFE_STEPS = 4  # the fewest that the server takes: the sound is thrown away


class Voice(Protocol):
    """Whatever speaks a line like a recording."""

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path) -> None:
        """A WAV file of the line is at `target`. Raises HopelessError and TransientError."""

    def transcribe(self, recording: Path) -> str:
        """The words of the recording. Raises HopelessError and TransientError."""


class F5Voice:
    """One connection to the server, made at the first line: describing the server's 429 endpoints takes seconds."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None

    def speak(self, text: str, speaker: Speaker, recording: Path, *, seed: int, target: Path) -> None:
        with self._call(
            recording,
            ref_text_input=speaker.ref_text,
            gen_text_input=text,
            remove_silence=speaker.remove_silences,
            randomize_seed=False,
            seed_input=seed,
            cross_fade_duration_slider=speaker.cross_fade_duration,
            nfe_slider=speaker.nfe_steps,
            speed_slider=speaker.speed,
        ) as (sound, _transcript):
            shutil.move(sound, target)

    def transcribe(self, recording: Path) -> str:
        with self._call(
            recording,
            ref_text_input="",
            gen_text_input=_PROBE_TEXT,
            remove_silence=False,
            randomize_seed=False,
            seed_input=0,
            cross_fade_duration_slider=0.0,
            nfe_slider=_PROBE_NFE_STEPS,
            speed_slider=1.0,
        ) as (_sound, transcript):
            if not transcript.strip(" ."):
                raise HopelessError("NO_SPEECH", "No words were found in a character's recording.")
            return transcript.strip()

    @contextmanager
    def _call(self, recording: Path, **inputs: object) -> Iterator[tuple[Path, str]]:
        """The sound's file, which goes when the block ends, and the reference text that the server used.

        The server hides the cause of whatever fails inside it, so a refusal is tried once more before it is final.
        """
        # Deferred: the client and its HTTP stack take a third of a second.
        import httpx
        from gradio_client import handle_file
        from gradio_client.exceptions import AppError

        for is_last in (False, True):
            try:
                result = self._connected().predict(
                    ref_audio_input=handle_file(str(recording)), api_name="/basic_tts", **inputs
                )
                break
            except AppError as error:
                if is_last:
                    raise HopelessError("VOICE_REFUSED", "The voice could not speak one of the lines.") from error
                log.warning("voice_refused_once", error=type(error).__name__)
            except (httpx.HTTPError, OSError, TimeoutError) as error:
                self._client = None
                raise TransientError(f"the voice server does not answer: {type(error).__name__}") from error
        sound, _spectrogram, transcript, _seed = result
        try:
            yield Path(sound), str(transcript)
        finally:
            self._sweep()

    def _connected(self) -> Any:
        if self._client is None:
            import httpx
            from gradio_client import Client

            # A server that is still loading its weights refuses connections; that is known sooner this way.
            httpx.get(f"{self._url.rstrip('/')}/config", timeout=_CONNECT_TIMEOUT_SECONDS).raise_for_status()
            self._downloads = Path(tempfile.mkdtemp(prefix="duologue-voice-"))
            self._client = Client(
                self._url,
                verbose=False,
                analytics_enabled=False,
                download_files=str(self._downloads),
                httpx_kwargs={"timeout": _TIMEOUT_SECONDS},
            )
        return self._client

    def _sweep(self) -> None:
        """The client never removes what it downloaded, and a Cloud Run instance's disk is its memory."""
        for entry in self._downloads.iterdir():
            shutil.rmtree(entry, ignore_errors=True)

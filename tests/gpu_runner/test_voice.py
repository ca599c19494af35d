"""The voice's client against the development voice server, and against servers that are none."""

import signal
import socket
import tempfile
import threading
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from contracts.job_snapshot import Speaker
from gpu_runner.errors import HopelessError, LeaseLostError, TransientError
from gpu_runner.voice import F5Voice
from tests.emulators import free_port
from tests.gpu_runner.jobs_fixtures import speaker
from tests.local.test_voice_server import serving, tone, write

ADA = speaker("a", ref_text="These are the words of the recording.")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (url, _):
        yield url


@pytest.fixture
def slow_url(url: str) -> Iterator[str]:
    requests.put(f"{url}/development/delay", json={"seconds": 3}, timeout=5).raise_for_status()
    yield url
    requests.put(f"{url}/development/delay", json={"seconds": 0}, timeout=5).raise_for_status()


@pytest.fixture(scope="module")
def voice(url: str) -> F5Voice:
    return F5Voice(url, voice_id="development")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("recording") / "recording.wav", tone(150, 3))


def speak(voice: F5Voice, recording: Path, target: Path, *, text: str = "Hello there.", by: Speaker = ADA) -> None:
    voice.speak(text, by, recording, seed=7, target=target, check=lambda: None)


def test_a_spoken_line_is_a_wav_file_at_its_target(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    speak(voice, recording, tmp_path / "line.wav")

    with wave.open(str(tmp_path / "line.wav")) as file:
        assert (file.getframerate(), file.getnframes() > 0) == (24_000, True)


def test_a_line_leaves_nothing_but_its_target(
    url: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    target = tmp_path / "line.wav"

    speak(F5Voice(url, voice_id="development"), recording, target)

    assert sorted(tmp_path.iterdir()) == sorted([target, temporary])
    assert list(temporary.iterdir()) == []


def test_the_words_of_a_recording_are_heard(voice: F5Voice, recording: Path) -> None:
    assert voice.transcribe(recording, check=lambda: None).endswith(".")


def test_a_recording_without_words_is_hopeless(
    voice: F5Voice, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(F5Voice, "_call", lambda *_, **__: (None, " . "))

    with pytest.raises(HopelessError) as failure:
        voice.transcribe(recording, check=lambda: None)

    assert failure.value.code == "NO_SPEECH"


def test_a_refusal_is_tried_once_more_and_has_words_for_the_last_attempt(
    url: str, recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renewals: list[str] = []
    voice = F5Voice(url, voice_id="development", renew_server=lambda: renewals.append("renewed"))

    with pytest.raises(TransientError) as failure:
        speak(voice, recording, tmp_path / "line.wav", text="  ")

    assert failure.value.at_last is not None
    assert failure.value.at_last.code == "VOICE_REFUSED"
    assert capsys.readouterr().out.count("voice_refused_once") == 1
    assert renewals == ["renewed"]


def test_a_line_is_spoken_after_one_that_was_refused(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        speak(voice, recording, tmp_path / "line.wav", text="  ")

    speak(voice, recording, tmp_path / "line.wav")

    assert (tmp_path / "line.wav").exists()


def test_waiting_for_a_line_ends_when_the_lease_is_lost(slow_url: str, recording: Path, tmp_path: Path) -> None:
    def lose_lease() -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError):
        F5Voice(slow_url, voice_id="development").speak(
            "Hello there.", ADA, recording, seed=7, target=tmp_path / "line.wav", check=lose_lease
        )


def test_a_line_that_takes_too_long_is_transient(
    slow_url: str, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewals: list[str] = []
    voice = F5Voice(slow_url, voice_id="development", renew_server=lambda: renewals.append("renewed"))
    voice._connected()
    monkeypatch.setattr("gpu_runner.voice.LONGEST_CALL_SECONDS", 0.0)

    with pytest.raises(TransientError, match="TimeoutError"):
        speak(voice, recording, tmp_path / "line.wav")

    assert renewals == ["renewed"]


def test_a_server_that_is_not_there_is_transient(recording: Path, tmp_path: Path) -> None:
    renewals: list[str] = []
    voice = F5Voice(
        f"http://127.0.0.1:{free_port()}/", voice_id="f5-tts", renew_server=lambda: renewals.append("renewed")
    )

    with pytest.raises(TransientError, match="ConnectError") as failure:
        speak(voice, recording, tmp_path / "line.wav")

    assert failure.value.at_last is None
    # It may be starting, and would never have started.
    assert renewals == []


def test_a_defect_of_ours_passes_through_and_the_next_line_makes_a_new_connection(
    slow_url: str, recording: Path, tmp_path: Path
) -> None:
    def crash() -> None:
        raise LookupError

    voice = F5Voice(slow_url, voice_id="development")
    connection = voice._connected()

    with pytest.raises(LookupError):
        voice.speak("Hello there.", ADA, recording, seed=7, target=tmp_path / "line.wav", check=crash)

    assert voice._connected() is not connection


def test_a_server_that_is_killed_while_it_speaks_is_transient(recording: Path, tmp_path: Path) -> None:
    with serving(tmp_path, environment={"VOICE_SECONDS_PER_CALL": "30"}) as (url, server):
        voice = F5Voice(url, voice_id="development")

        with pytest.raises(TransientError):
            voice.speak("Hello there.", ADA, recording, seed=7, target=tmp_path / "line.wav", check=server.kill)


@pytest.mark.timeout(100)  # waiting for the server to take note would be LONGEST_CALL_SECONDS, 300
def test_nobody_waits_for_a_server_that_hangs_once_the_lease_is_lost(recording: Path, tmp_path: Path) -> None:
    with serving(tmp_path, environment={"VOICE_SECONDS_PER_CALL": "30"}) as (url, server):

        def hang_and_lose_lease() -> None:
            server.send_signal(signal.SIGSTOP)
            raise LeaseLostError

        voice = F5Voice(url, voice_id="development")
        try:
            with pytest.raises(LeaseLostError):
                voice.speak("Hello.", ADA, recording, seed=7, target=tmp_path / "line.wav", check=hang_and_lose_lease)
        finally:
            server.kill()  # a stopped process takes no other signal


@pytest.mark.timeout(60)
def test_nobody_waits_for_a_server_that_takes_connections_and_says_nothing(recording: Path, tmp_path: Path) -> None:
    def lose_lease() -> None:
        raise LeaseLostError

    with socket.create_server(("127.0.0.1", 0)) as listener:
        voice = F5Voice(f"http://127.0.0.1:{listener.getsockname()[1]}/", voice_id="f5-tts")

        with pytest.raises(LeaseLostError):
            voice.speak("Hello.", ADA, recording, seed=7, target=tmp_path / "line.wav", check=lose_lease)


class _Server(BaseHTTPRequestHandler):
    """Answers every request alike."""

    status = 200
    body = b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is its own."""


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(503, b"", id="busy"),
        pytest.param(429, b"", id="too many requests"),
        pytest.param(401, b"", id="not signed in"),
        pytest.param(200, b"Loading...", id="no JSON"),
        pytest.param(200, b"[]", id="a list"),
        pytest.param(200, b"{}", id="nothing"),
        pytest.param(200, b'{"version": "5.0", "dependencies": [], "components": []}', id="no endpoint"),
        pytest.param(200, b'{"version": "5.0", "dependencies": [{"inputs": [1], "outputs": []}], "components": []}',
                     id="a missing component"),
    ],
)  # fmt: skip
def test_a_server_that_is_no_f5_tts_is_transient(status: int, body: bytes, recording: Path, tmp_path: Path) -> None:
    handler = type("Handler", (_Server,), {"status": status, "body": body})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        voice = F5Voice(f"http://127.0.0.1:{server.server_port}/", voice_id="f5-tts")

        with pytest.raises(TransientError):
            speak(voice, recording, tmp_path / "line.wav")

        server.shutdown()

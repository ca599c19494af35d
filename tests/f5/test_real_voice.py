"""The runner's client against the real F5-TTS server, whose weights are tiny and random: it says noise, in time."""

import json
import os
import shutil
import signal
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.job_snapshot import Speaker
from gpu_runner.errors import TransientError
from gpu_runner.voice import F5Voice
from gpu_runner.voice_process import VoiceProcess
from local.addresses import HOST
from local.voice_server import decode, line_seconds
from tests.emulators import free_port
from tests.f5 import real_server
from tests.f5.serve import TRANSCRIPT as HEARD
from tests.gpu_runner.jobs_fixtures import speaker

pytestmark = pytest.mark.f5

SAID = "Some call me nature, others call me mother nature. I have been here for billions of years."
LINE = "Hello there, this is a contract test."
LONG_LINE = " ".join(f"Sentence number {n} goes on for a little while, and then it stops." for n in range(6))
ADA = speaker("a", ref_text=SAID)
FRAME_SECONDS = 256 / 24_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    if not real_server.PYTHON.exists():
        pytest.skip("the real F5-TTS is not installed: run make test-f5")
    with real_server.serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: tuple[str, "subprocess.Popen[bytes]"]) -> str:
    return server[0]


@pytest.fixture(scope="module")
def voice(url: str) -> F5Voice:
    return F5Voice(url, voice_id="f5-tts")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "recording.wav"
    argv = ["espeak-ng", "-v", "en-us", "-p", "50", "-s", "165", "--stdin", "-w", str(path)]
    subprocess.run(argv, input=SAID.encode(), check=True)
    return path


def speak(voice: F5Voice, recording: Path, target: Path, *, text: str = LINE, by: Speaker = ADA, seed: int = 7) -> Path:
    voice.speak(text, by, recording, seed=seed, target=target, check=lambda: None)
    return target


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        seconds: float = file.getnframes() / file.getframerate()
    return seconds


def test_the_endpoint_is_as_recorded(url: str) -> None:
    assert real_server.signature(url) == json.loads(real_server.CONTRACT.read_text(encoding="utf-8"))


def test_a_line_is_24_khz_mono_16_bit(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    with wave.open(str(speak(voice, recording, tmp_path / "line.wav"))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        pytest.param(LINE, 1.0, id="usual"),
        pytest.param(LINE, 2.0, id="fast"),
        pytest.param(LINE, 0.5, id="slow"),
        pytest.param("Hi.", 1.0, id="short"),
        pytest.param("Hi.", 2.0, id="short, whatever the speed"),
        pytest.param("नमस्ते दुनिया, यह एक परीक्षण है", 1.0, id="counted in bytes"),
    ],
)
def test_a_line_lasts_as_long_as_the_pace_formula_says(
    voice: F5Voice, recording: Path, tmp_path: Path, text: str, speed: float
) -> None:
    """The formula is the development voice's."""
    reference_seconds = len(decode(str(recording))) / 24_000
    formula = line_seconds(text, transcript=SAID + " ", reference_seconds=reference_seconds, speed=speed)

    spoken = speak(voice, recording, tmp_path / "line.wav", text=text, by=ADA.model_copy(update={"speed": speed}))

    # F5-TTS rounds the reference and the line to its frames, and finds the reference's edges to the millisecond.
    assert seconds_of(spoken) == pytest.approx(formula, rel=0.005, abs=2 * FRAME_SECONDS)


def test_a_line_of_several_chunks_lasts_as_long_as_they_do(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    reference_seconds = len(decode(str(recording))) / 24_000
    formula = line_seconds(LONG_LINE, transcript=SAID + " ", reference_seconds=reference_seconds, speed=1.0)
    assert formula + reference_seconds > 22  # more than F5-TTS makes at once

    spoken = speak(voice, recording, tmp_path / "line.wav", text=LONG_LINE)

    # Chunks overlap by the cross-fade, and the space between them is not spoken.
    assert seconds_of(spoken) == pytest.approx(formula - ADA.cross_fade_duration, abs=0.2)


def test_the_same_seed_gives_the_same_bytes(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    # Under another name, for which the server does not answer from memory.
    again = shutil.copy(recording, tmp_path / "again.wav")

    first, second = (speak(voice, path, tmp_path / f"{path.stem}-line.wav") for path in (recording, Path(again)))

    assert first.read_bytes() == second.read_bytes()


def test_another_seed_is_another_take(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    first, second = (speak(voice, recording, tmp_path / f"{seed}.wav", seed=seed) for seed in (1, 2))

    assert first.read_bytes() != second.read_bytes()


def test_the_servers_transcript_is_returned(voice: F5Voice, recording: Path) -> None:
    assert voice.transcribe(recording, check=lambda: None) == f"{HEARD}."


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"nfe_steps": 3}, id="too few steps"),
        pytest.param({"nfe_steps": 65}, id="too many steps"),
        pytest.param({"speed": 0.2}, id="too slow"),
        pytest.param({"speed": 2.1}, id="too fast"),
        pytest.param({"cross_fade_duration": 1.1}, id="too long a cross-fade"),
    ],
)
def test_a_refused_value_is_transient_with_words_for_the_last_attempt(
    voice: F5Voice, recording: Path, tmp_path: Path, changed: dict[str, float]
) -> None:
    with pytest.raises(TransientError) as failure:
        speak(voice, recording, tmp_path / "line.wav", by=ADA.model_copy(update=changed))

    assert failure.value.at_last is not None
    assert failure.value.at_last.code == "VOICE_REFUSED"


@pytest.mark.parametrize("changed", [{"nfe_steps": 4}, {"nfe_steps": 64}, {"speed": 0.3}, {"cross_fade_duration": 1.0}])
def test_a_value_at_its_bound_is_taken(
    voice: F5Voice, recording: Path, tmp_path: Path, changed: dict[str, float]
) -> None:
    spoken = speak(voice, recording, tmp_path / "line.wav", by=ADA.model_copy(update=changed))

    assert seconds_of(spoken) > 0


def test_a_file_that_is_no_recording_is_refused(voice: F5Voice, tmp_path: Path) -> None:
    text = tmp_path / "recording.wav"
    text.write_text("no recording", encoding="utf-8")

    with pytest.raises(TransientError) as failure:
        speak(voice, text, tmp_path / "line.wav")

    assert failure.value.at_last is not None


def test_a_line_is_spoken_after_one_that_was_refused(voice: F5Voice, recording: Path, tmp_path: Path) -> None:
    with pytest.raises(TransientError):
        speak(voice, recording, tmp_path / "line.wav", text="  ")

    assert seconds_of(speak(voice, recording, tmp_path / "line.wav")) > 0


def test_a_server_that_hangs_is_transient(
    server: tuple[str, "subprocess.Popen[bytes]"], recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpu_runner.voice.LONGEST_CALL_SECONDS", 8.0)
    url, process = server
    voice = F5Voice(url, voice_id="f5-tts")
    voice._connected()
    process.send_signal(signal.SIGSTOP)

    try:
        with pytest.raises(TransientError, match="Timeout") as failure:
            speak(voice, recording, tmp_path / "line.wav")
    finally:
        process.send_signal(signal.SIGCONT)

    assert failure.value.at_last is None


def test_a_server_that_is_killed_while_it_speaks_is_transient(recording: Path, tmp_path: Path) -> None:
    with real_server.serving(tmp_path) as (url, process):
        voice = F5Voice(url, voice_id="f5-tts")
        voice._connected()
        process.send_signal(signal.SIGSTOP)  # so that the line is not spoken before it is killed

        with pytest.raises(TransientError) as failure:
            voice.speak(LINE, ADA, recording, seed=7, target=tmp_path / "line.wav", check=process.kill)

    assert failure.value.at_last is None


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, VoiceProcess]]:
    """The server as the runner's own child, with another checkpoint than F5-TTS's, as the image's build may choose."""
    if not real_server.PYTHON.exists():
        pytest.skip("the real F5-TTS is not installed: run make test-f5")
    folder, port = tmp_path_factory.mktemp("supervised"), free_port()
    argv = real_server.command(port, folder / "models")
    chosen = {"VOICE_CHECKPOINT": str(folder / "chosen.pt"), "VOICE_VOCABULARY": str(folder / "vocab.txt")}
    process = VoiceProcess(argv, environment=os.environ | chosen, parent_folder=folder)
    process.start()
    try:
        url = f"http://{HOST}:{port}/"
        real_server.wait_until_it_serves(url)
        yield url, process
    finally:
        process.stop()


def test_another_checkpoint_speaks_where_f5_tts_own_is_not(
    supervised: tuple[str, VoiceProcess], recording: Path, tmp_path: Path
) -> None:
    url, _ = supervised

    spoken = speak(F5Voice(url, voice_id="other"), recording, tmp_path / "line.wav")

    assert seconds_of(spoken) > 0


def test_no_text_that_the_server_prints_is_logged(
    supervised: tuple[str, VoiceProcess], recording: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url, process = supervised
    voice = F5Voice(url, voice_id="f5-tts")

    with process.of_work():
        speak(voice, recording, tmp_path / "line.wav")
        voice.transcribe(recording, check=lambda: None)
        with pytest.raises(TransientError):
            speak(voice, recording, tmp_path / "line.wav", text="  ")

    out, err = capfd.readouterr()
    assert [text for text in (LINE, SAID, HEARD) if text in out + err] == []


def test_a_recording_speaks_again_after_the_sweep(
    supervised: tuple[str, VoiceProcess], recording: Path, tmp_path: Path
) -> None:
    url, process = supervised
    voice = F5Voice(url, voice_id="f5-tts")
    with process.of_work():
        speak(voice, recording, tmp_path / "line.wav")

    again = [speak(voice, recording, tmp_path / "again.wav", text=text) for text in (LINE, "Another line.")]

    assert all(seconds_of(path) > 0 for path in again)

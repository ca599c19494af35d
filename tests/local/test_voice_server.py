import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio_client
import numpy as np
import pytest
import requests
from gradio_client.exceptions import AppError

from local.espeak import SAMPLE_RATE_HZ, espeak, median_pitch_hz, speak, spoken_language
from local.voice_server import line_seconds, made_up_transcript, shorten_silences, sweep, text_digest

CONTRACT = Path(__file__).parent.parent / "contracts" / "f5_tts_basic_tts.json"
TRANSCRIPT = "Some call me nature, others call me mother nature. I have been here for billions of years."
LINE = "Hello there, this is a contract test."
OPAQUE = "The upstream Gradio app has raised an exception but has not enabled verbose error reporting"


@contextmanager
def serving(
    temporary: Path, *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, "-m", "local.voice_server", "--port", str(port), *arguments]
    with subprocess.Popen(argv, env=os.environ | {"TMPDIR": str(temporary)} | (environment or {})) as server:
        try:
            deadline = time.monotonic() + 60
            while not answers(f"{url}/config"):
                assert server.poll() is None, "the server ended while starting"
                assert time.monotonic() < deadline, "the server did not answer within 60 s"
                time.sleep(0.2)
            yield url, server
        finally:
            server.terminate()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as (url, _):
        yield url


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> gradio_client.Client:
    return gradio_client.Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording with which the durations below were measured on F5-TTS."""
    path = tmp_path_factory.mktemp("reference") / "reference.wav"
    argv = ["espeak-ng", "-v", "en-us", "-p", "50", "-s", "165", "--stdin", "-w", str(path)]
    subprocess.run(argv, input=TRANSCRIPT.encode(), check=True)
    return path


def basic_tts(client: gradio_client.Client, reference: Path | None, **changed: Any) -> tuple[str, str, str, int]:
    request = {
        "ref_audio_input": None if reference is None else gradio_client.handle_file(str(reference)),
        "ref_text_input": TRANSCRIPT,
        "gen_text_input": LINE,
        "remove_silence": False,
        "randomize_seed": False,
        "seed_input": 7,
        "cross_fade_duration_slider": 0.15,
        "nfe_slider": 32,
        "speed_slider": 1.0,
    }
    answer: tuple[str, str, str, int] = client.predict(**(request | changed), api_name="/basic_tts")
    return answer


def read(path: str | Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    with wave.open(str(path)) as file:
        assert file.getframerate() == SAMPLE_RATE_HZ
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768


def write(path: Path, samples: np.ndarray[Any, np.dtype[np.float64]]) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", ""))
        file.writeframes((samples / max(np.abs(samples).max(), 1e-9) * 30000).astype("<i2").tobytes())
    return path


def seconds_of(answer: tuple[str, str, str, int]) -> float:
    return len(read(answer[0])) / SAMPLE_RATE_HZ


def tone(pitch_hz: float, seconds: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Ten harmonics, as a voice has them."""
    at = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return np.asarray(sum(np.sin(2 * math.pi * pitch_hz * k * at) / k for k in range(1, 11)) / 4)


def calls(url: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = requests.get(f"{url}/development/calls", timeout=5).json()
    return listed


@pytest.fixture
def half_a_second_slower(url: str) -> Iterator[None]:
    requests.put(f"{url}/development/delay", json={"seconds": 0.5}, timeout=5).raise_for_status()
    yield
    requests.put(f"{url}/development/delay", json={"seconds": 0}, timeout=5).raise_for_status()


def test_the_endpoint_is_the_one_recorded_from_f5_tts(client: gradio_client.Client) -> None:
    recorded = json.loads(CONTRACT.read_text(encoding="utf-8"))
    offered = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/basic_tts"]

    # The seed's field has no label, and Gradio then numbers it by its place in the whole page.
    for endpoint in (recorded, offered):
        for field in (endpoint["parameters"][5], endpoint["returns"][3]):
            field["label"] = field["label"].rstrip("0123456789")
    assert offered == recorded


# What f5-tts 1.1.22 on Gradio 6.31.0 answered to the same calls.
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"speed_slider": 3.0}, r"Value 3.0 is greater than maximum value 2.0."),
        ({"speed_slider": 0.2}, r"Value 0.2 is less than minimum value 0.3."),
        ({"nfe_slider": 2}, r"Value 2 is less than minimum value 4."),
        ({"nfe_slider": 65}, r"Value 65 is greater than maximum value 64."),
        ({"nfe_slider": 8.0}, OPAQUE),
        ({"cross_fade_duration_slider": 2.0}, r"Value 2.0 is greater than maximum value 1.0."),
        ({"cross_fade_duration_slider": -0.1}, r"Value -0.1 is less than minimum value 0.0."),
        ({"gen_text_input": "  \n "}, OPAQUE),
        ({"gen_text_input": None}, OPAQUE),
        ({"ref_audio_input": None}, OPAQUE),
        ({"speed_slider": "1.0"}, OPAQUE),
    ],
)
def test_what_f5_tts_refuses_is_refused_in_its_words(
    client: gradio_client.Client, reference: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(AppError, match=message):
        basic_tts(client, reference, **changed)


def test_a_file_that_is_no_recording_is_refused(client: gradio_client.Client, tmp_path: Path) -> None:
    text = tmp_path / "recording.wav"
    text.write_text("no recording", encoding="utf-8")

    with pytest.raises(AppError, match=OPAQUE):
        basic_tts(client, text)


def test_the_answer_is_24_khz_mono_16_bit_at_full_scale(client: gradio_client.Client, reference: Path) -> None:
    path, picture, transcript, seed = basic_tts(client, reference)

    with wave.open(path) as file:
        form = (file.getframerate(), file.getnchannels(), file.getsampwidth())
    assert form == (24_000, 1, 2)
    assert np.abs(read(path)).max() * 32768 == 32767
    assert Path(picture).read_bytes().startswith(b"\x89PNG")
    assert (Path(path).name, transcript, seed) == ("audio.wav", TRANSCRIPT + " ", 7)


# Seconds that f5-tts 1.1.22 made of these lines with this reference; espeak-ng hits a pace within some 5 %.
@pytest.mark.parametrize(
    ("changed", "f5_tts_seconds"),
    [
        ({}, 2.13),
        ({"speed_slider": 2.0}, 1.06),
        ({"gen_text_input": "Hi."}, 0.57),
        ({"gen_text_input": "Hi.", "speed_slider": 2.0}, 0.57),
        ({"gen_text_input": "नमस्ते दुनिया, यह एक परीक्षण है"}, 4.68),
        ({"gen_text_input": "\N{GRINNING FACE}\N{GRINNING FACE}\N{GRINNING FACE}"}, 0.68),
    ],
)
def test_a_line_lasts_as_long_as_f5_tts_makes_it(
    client: gradio_client.Client, reference: Path, changed: dict[str, Any], f5_tts_seconds: float
) -> None:
    assert seconds_of(basic_tts(client, reference, **changed)) == pytest.approx(f5_tts_seconds, rel=0.1)


@pytest.mark.parametrize("pitch_hz", [90, 160, 280])
def test_a_line_has_the_pitch_of_its_reference(client: gradio_client.Client, tmp_path: Path, pitch_hz: float) -> None:
    reference = write(tmp_path / "reference.wav", speak(TRANSCRIPT, pitch_hz=pitch_hz, seconds=6))

    spoken = read(basic_tts(client, reference)[0])

    assert median_pitch_hz(spoken, SAMPLE_RATE_HZ) == pytest.approx(pitch_hz, rel=0.08)


def test_the_same_call_is_spoken_the_same(client: gradio_client.Client, reference: Path) -> None:
    first, second = (Path(basic_tts(client, reference)[0]).read_bytes() for _ in range(2))

    assert first == second


def test_another_seed_is_another_take(client: gradio_client.Client, reference: Path) -> None:
    first, second = (Path(basic_tts(client, reference, seed_input=seed)[0]).read_bytes() for seed in (1, 2))

    assert first != second


@pytest.mark.parametrize("changed", [{"randomize_seed": True}, {"seed_input": -1}])
def test_a_random_seed_is_told(client: gradio_client.Client, reference: Path, changed: dict[str, Any]) -> None:
    assert 0 <= basic_tts(client, reference, **changed)[3] < 2**31


def test_a_silent_reference_is_no_error(client: gradio_client.Client, tmp_path: Path) -> None:
    silence = write(tmp_path / "silence.wav", np.zeros(3 * SAMPLE_RATE_HZ))

    assert seconds_of(basic_tts(client, silence)) > 0


def test_an_mp3_reference_gives_the_same_voice(client: gradio_client.Client, reference: Path, tmp_path: Path) -> None:
    mp3 = tmp_path / "reference.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(reference), str(mp3)], check=True)

    from_mp3, from_wav = (
        median_pitch_hz(read(basic_tts(client, path)[0]), SAMPLE_RATE_HZ) for path in (mp3, reference)
    )

    assert from_mp3 == pytest.approx(from_wav, rel=0.03)


def test_a_missing_transcript_is_made_up_and_returned(client: gradio_client.Client, reference: Path) -> None:
    first, second = (basic_tts(client, reference, ref_text_input=" ")[2] for _ in range(2))

    assert first == second
    assert first.endswith(". ")


def test_a_line_is_counted_once_by_its_digest(client: gradio_client.Client, url: str, reference: Path) -> None:
    before = calls(url)

    answer = basic_tts(client, reference, gen_text_input="This is only said once.")

    expected = {"textDigest": text_digest("This is only said once."), "seconds": round(seconds_of(answer), 3)}
    assert calls(url) == [*before, expected]


@pytest.mark.usefixtures("half_a_second_slower")
def test_two_lines_at_once_are_spoken_one_after_the_other(client: gradio_client.Client, reference: Path) -> None:
    began = time.monotonic()
    jobs = [
        client.submit(
            gradio_client.handle_file(str(reference)), TRANSCRIPT, LINE, False, False, seed, 0.15, 32, 1.0,
            api_name="/basic_tts",
        )
        for seed in (1, 2)
    ]  # fmt: skip

    for job in jobs:
        job.result(timeout=30)

    assert time.monotonic() - began > 1.0


def test_a_stopped_server_leaves_only_its_count(tmp_path: Path, reference: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    count = tmp_path / "calls.jsonl"
    slow = {"VOICE_SECONDS_PER_CALL": "0.7"}

    with serving(temporary, "--count-file", str(count), environment=slow) as (url, server):
        client = gradio_client.Client(url, verbose=False, download_files=str(tmp_path / "downloads"))
        began = time.monotonic()
        basic_tts(client, reference)
        took_seconds = time.monotonic() - began
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=15)

    assert code == 0
    assert list(temporary.iterdir()) == []
    assert [json.loads(line)["textDigest"] for line in count.read_text().splitlines()] == [text_digest(LINE)]
    assert took_seconds > 0.7


@pytest.mark.parametrize("pitch_hz", [70, 110, 200, 330, 450])
def test_a_tones_pitch_is_measured(pitch_hz: float) -> None:
    assert median_pitch_hz(tone(pitch_hz, 1), SAMPLE_RATE_HZ) == pytest.approx(pitch_hz, rel=0.01)


def test_noise_has_no_pitch() -> None:
    noise = np.random.default_rng(1).normal(size=SAMPLE_RATE_HZ)

    assert median_pitch_hz(noise, SAMPLE_RATE_HZ) is None


def test_a_long_pause_is_shortened_to_half_a_second() -> None:
    samples = np.concatenate([tone(150, 1), np.zeros(2 * SAMPLE_RATE_HZ), tone(150, 1)])

    assert len(shorten_silences(samples)) / SAMPLE_RATE_HZ == pytest.approx(2.5, abs=0.02)


def test_a_short_pause_stays() -> None:
    samples = np.concatenate([tone(150, 1), np.zeros(SAMPLE_RATE_HZ * 9 // 10), tone(150, 1)])

    assert len(shorten_silences(samples)) == len(samples)


@pytest.mark.parametrize("seconds", [1, 4, 10])
def test_a_made_up_transcript_fits_the_recording(seconds: int) -> None:
    assert len(made_up_transcript(tone(150, seconds))) == pytest.approx(15 * seconds, rel=0.25, abs=8)


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        ("Hello there, Привет", "en-us"),
        ("Привет, OK?", "ru"),
        ("Καλημέρα", "el"),
        ("नमस्ते", "hi"),
        ("你好", "cmn"),
        ("مرحبا", "ar"),
        ("שלום", "he"),
        ("!?", "en-us"),
    ],
)
def test_the_voice_follows_the_script(text: str, voice: str) -> None:
    sound, _ = espeak(text.replace("!?", "one"), voice=voice, pitch_setting=50, words_per_minute=175)

    assert spoken_language(text) == voice
    assert sound.size > 0


@pytest.mark.parametrize("text", ['<break time="9s"/>', "[[_:_:_:_:_:]]", "-w out.wav", "one\0two"])
def test_a_text_is_spoken_and_never_obeyed(text: str) -> None:
    sound, sample_rate_hz = espeak(text, voice="en-us", pitch_setting=50, words_per_minute=175)

    assert 0.3 < len(sound) / sample_rate_hz < 5


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_a_short_line_is_slowed_down_whatever_the_speed(speed: float) -> None:
    seconds = line_seconds("Hi.", transcript="a" * 89 + ".", reference_seconds=9.1, speed=speed)

    assert seconds == pytest.approx(1.0)


def test_only_old_files_are_swept(tmp_path: Path) -> None:
    old, new = tmp_path / "upload" / "old.wav", tmp_path / "new.wav"
    old.parent.mkdir()
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))

    sweep(tmp_path, older_than_seconds=60)

    assert list(tmp_path.iterdir()) == [new]

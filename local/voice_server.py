"""A development voice: answers F5-TTS's /basic_tts on Gradio, but speaks with espeak-ng.

    python -m local.voice_server --port 7860 [--count-file PATH]

What the product can see is F5-TTS's: the endpoint's signature (tests/contracts/f5_tts_basic_tts.json, recorded from
f5-tts 1.1.22), what it refuses, one call at a time, the pace formula and a 24 kHz mono 16-bit WAV at full scale. Only
the voice is another: it takes the pitch of the reference and nothing else of it, and a missing transcript is made up.

Beside the endpoint, for tests: GET /development/calls lists every line spoken since the start, in order, as
{"textDigest", "seconds"}; PUT /development/delay {"seconds": x} makes every later call that much slower.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt

from local.addresses import HOST, Ports
from local.espeak import (
    EDGE_DBFS,
    FRAME_SECONDS,
    SAMPLE_RATE_HZ,
    Samples,
    loud_frames,
    median_pitch_hz,
    speak,
    trim_edges,
)

if TYPE_CHECKING:
    from fastapi import FastAPI

ANNOUNCEMENT = "development voice: espeak-ng, not F5-TTS"
# F5-TTS 1.1.22, utils_infer.py: the reference is cut at 12 s, its edges are trimmed, 50 ms are added, and a text under
# 10 bytes is spoken at speed 0.3.
LONGEST_REFERENCE_SECONDS = 12.0
SILENCE_DBFS = -50.0
MARGIN_SECONDS = 0.05
SHORT_TEXT_BYTES = 10
SHORT_TEXT_SPEED = 0.3

UNHEARD_PITCH_HZ = 120.0  # for a reference without a voiced sound, which F5-TTS does not refuse either

TRANSCRIPT_BYTES_PER_SECOND = 15
TRANSCRIPT_SENTENCES = (
    "The kettle is on and the window is open.",
    "We walked down to the river before breakfast.",
    "Nobody expected the train to be early.",
    "She keeps a small garden behind the house.",
    "There is a market here every second Saturday.",
    "I left my umbrella in the other room.",
    "The road turns left just after the bridge.",
    "He has been learning to play the piano.",
)

TEMPORARY_PREFIX = "duologue-voice-"
KEEP_FILES_SECONDS = 1800  # the longest that a render waits for its lines: the queue's dispatch deadline


class UnusableRequestError(ValueError):
    """F5-TTS fails on this request as well; the client sees only Gradio's sentence about verbose error reporting."""


class CallBook:
    """Every line spoken since the start, and how much slower than necessary the next ones are."""

    def __init__(self, *, delay_seconds: float, count_file: Path | None) -> None:
        self.delay_seconds = delay_seconds
        self._count_file = count_file
        self._calls: list[dict[str, str | float]] = []
        self._lock = threading.Lock()

    def calls(self) -> list[dict[str, str | float]]:
        with self._lock:
            return list(self._calls)

    def record(self, text: str, *, seconds: float) -> None:
        """The line counts and stands in the log, as a digest: texts belong to the people who wrote them."""
        call: dict[str, str | float] = {"textDigest": text_digest(text), "seconds": round(seconds, 3)}
        with self._lock:
            self._calls.append(call)
            if self._count_file is not None:
                with self._count_file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(call) + "\n")
        print(json.dumps({"event": "line_spoken", **call}), flush=True)


def text_digest(text: str) -> str:
    """The first 16 hexadecimal digits of the text's SHA-256: what /development/calls knows a line by."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def decode(path: str) -> Samples:
    """The recording as mono samples of SAMPLE_RATE_HZ in -1..1, its edges trimmed, at most 12 s and 50 ms long.

    F5-TTS looks for a pause before it cuts at 12 s; here the cut is always at 12 s, since the product sends no more.
    """
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-i", path, "-t", str(LONGEST_REFERENCE_SECONDS)]
    argv += ["-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "s16le", "-"]
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode != 0:
        raise UnusableRequestError(f"the reference cannot be decoded: {done.stderr[-300:].decode(errors='replace')}")
    samples = np.frombuffer(done.stdout, dtype="<i2").astype(np.float64) / 32768
    margin = np.zeros(round(MARGIN_SECONDS * SAMPLE_RATE_HZ))
    return np.concatenate([trim_edges(samples, SAMPLE_RATE_HZ), margin])


def shorten_silences(samples: Samples) -> Samples:
    """Pauses longer than 1 s last 0.5 s."""
    frame = round(FRAME_SECONDS * SAMPLE_RATE_HZ)
    loud = np.flatnonzero(loud_frames(samples, SAMPLE_RATE_HZ, threshold_dbfs=SILENCE_DBFS))
    pieces, start = [], 0
    for before, after in itertools.pairwise(loud):
        if (after - before - 1) * FRAME_SECONDS > 1:
            pieces.append(samples[start : (before + 1) * frame + SAMPLE_RATE_HZ // 4])
            start = int(after) * frame - SAMPLE_RATE_HZ // 4
    return np.concatenate([*pieces, samples[start:]])


def made_up_transcript(reference: Samples) -> str:
    """Plain sentences about as long as the recording's sound, always the same for the same recording."""
    chooser = random.Random(hashlib.sha256(reference.tobytes()).digest())
    loud = loud_frames(reference, SAMPLE_RATE_HZ, threshold_dbfs=EDGE_DBFS)
    size_bytes = TRANSCRIPT_BYTES_PER_SECOND * FRAME_SECONDS * np.count_nonzero(loud)
    words: list[str] = []
    while len(" ".join(words)) < size_bytes:
        words += chooser.choice(TRANSCRIPT_SENTENCES).split()
    while len(words) > 1 and len(" ".join(words)) > size_bytes:
        words.pop()
    return " ".join(words).rstrip(".") + "." if words else "Yes."


def end_sentence(transcript: str) -> str:
    """The transcript as F5-TTS returns it: with a full stop and a space at its end."""
    if transcript.endswith((". ", "。")):
        return transcript
    return transcript + (" " if transcript.endswith(".") else ". ")


def line_seconds(text: str, *, transcript: str, reference_seconds: float, speed: float) -> float:
    """F5-TTS's duration of a line (utils_infer.infer_batch_process): in bytes, at the reference's pace."""
    text_bytes = len(text.strip().encode())
    # F5-TTS adds a space to a transcript that ends in an ASCII character, and counts it.
    transcript_bytes = len(transcript.encode()) + (1 if transcript[-1].isascii() else 0)
    speed = SHORT_TEXT_SPEED if text_bytes < SHORT_TEXT_BYTES else speed
    return reference_seconds / transcript_bytes * text_bytes / speed


def draw_spectrogram(samples: Samples, path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - needed in the server only

    window = np.hanning(1024)
    padded = np.pad(samples, (0, 1024))
    frames = np.lib.stride_tricks.sliding_window_view(padded, 1024)[:: max(256, len(padded) // 1200)]
    level_db = 20 * np.log10(np.abs(np.fft.rfft(frames * window))[:, :400].T + 1e-4)
    grey = np.interp(level_db[::-1], (level_db.max() - 80, level_db.max()), (0, 255)).astype(np.uint8)
    Image.fromarray(grey).resize((1200, 400)).save(path)


def build_app(book: CallBook, temporary: Path) -> "FastAPI":
    """The FastAPI application with F5-TTS's /basic_tts, GET /config and the two /development paths.

    GRADIO_TEMP_DIR has to be set before the first call.
    """
    import gradio as gr  # noqa: PLC0415 - takes seconds; the functions above are also used without a server
    from fastapi import Body, FastAPI  # noqa: PLC0415 - comes with gradio

    def basic_tts(  # noqa: PLR0917 - F5-TTS's order, in which Gradio passes the inputs
        ref_audio_input: str | None,
        ref_text_input: str,
        gen_text_input: str,
        remove_silence: Any,
        randomize_seed: Any,
        seed_input: int,
        cross_fade_duration_slider: float,  # noqa: ARG001 - joins F5-TTS's chunks; espeak-ng needs none
        nfe_slider: Any,
        speed_slider: float,
    ) -> tuple[tuple[int, npt.NDArray[np.int16]], str, str, int]:
        sweep(temporary, older_than_seconds=KEEP_FILES_SECONDS)
        if not ref_audio_input or not gen_text_input.strip():
            raise UnusableRequestError("F5-TTS needs a reference and a text")
        if not isinstance(nfe_slider, int):
            raise UnusableRequestError("F5-TTS counts its steps in whole numbers")
        if randomize_seed or not 0 <= seed_input < 2**31:
            seed_input = random.randrange(2**31 - 1)
        time.sleep(book.delay_seconds)
        reference = decode(ref_audio_input)
        transcript = end_sentence(ref_text_input if ref_text_input.strip() else made_up_transcript(reference))
        seconds = line_seconds(
            gen_text_input,
            transcript=transcript,
            reference_seconds=len(reference) / SAMPLE_RATE_HZ,
            speed=speed_slider,
        )
        # Another seed gives F5-TTS another take; here its pitch is at most 1 % higher or lower.
        take = 1 + (random.Random(seed_input).random() - 0.5) / 50
        pitch_hz = take * (median_pitch_hz(reference, SAMPLE_RATE_HZ) or UNHEARD_PITCH_HZ)
        samples = speak(gen_text_input, pitch_hz=pitch_hz, seconds=seconds)
        if remove_silence:
            samples = shorten_silences(samples)
        with tempfile.NamedTemporaryFile(dir=temporary, suffix=".png", delete=False) as picture:
            draw_spectrogram(samples, Path(picture.name))
        book.record(gen_text_input, seconds=len(samples) / SAMPLE_RATE_HZ)
        # Full scale, as Gradio writes F5-TTS's floating-point samples.
        full_scale = (samples / np.abs(samples).max() * 32767).astype(np.int16)
        return (SAMPLE_RATE_HZ, full_scale), picture.name, transcript, seed_input

    with gr.Blocks(title=ANNOUNCEMENT) as blocks:
        gr.Markdown(f"# {ANNOUNCEMENT}")
        inputs = [
            gr.Audio(label="Reference Audio", type="filepath"),
            reference_text := gr.Textbox(label="Reference Text"),
            gr.Textbox(label="Text to Generate"),
            gr.Checkbox(label="Remove Silences", value=False),
            gr.Checkbox(label="Randomize Seed", value=True),
            seed := gr.Number(show_label=False, value=0, precision=0),
            gr.Slider(label="Cross-Fade Duration (s)", minimum=0.0, maximum=1.0, value=0.15, step=0.01),
            gr.Slider(label="NFE Steps", minimum=4, maximum=64, value=32, step=2),
            gr.Slider(label="Speed", minimum=0.3, maximum=2.0, value=1.0, step=0.1),
        ]
        outputs = [gr.Audio(label="Synthesized Audio"), gr.Image(label="Spectrogram"), reference_text, seed]
        gr.Button("Synthesize").click(basic_tts, inputs=inputs, outputs=outputs)

    app = FastAPI(title=ANNOUNCEMENT, openapi_url=None)

    @app.get("/development/calls")
    def list_calls() -> list[dict[str, str | float]]:
        return book.calls()

    @app.put("/development/delay")
    def set_delay(seconds: Annotated[float, Body(embed=True, ge=0, le=3600)]) -> dict[str, float]:
        book.delay_seconds = seconds
        return {"seconds": seconds}

    mounted: FastAPI = gr.mount_gradio_app(app, blocks.queue(api_open=True), path="/", show_error=False, ssr_mode=False)
    return mounted


def sweep(folder: Path, *, older_than_seconds: float) -> None:
    """Files in the folder that were last written longer ago than this are gone, with the folders that they emptied."""
    oldest = time.time() - older_than_seconds
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
            if path.parent != folder and not any(path.parent.iterdir()):
                path.parent.rmdir()


def sweep_abandoned() -> None:
    """Temporary folders of servers that were killed are gone. A folder's name ends in its server's process id."""
    for folder in Path(tempfile.gettempdir()).glob(f"{TEMPORARY_PREFIX}*"):
        if not Path("/proc", folder.name.rpartition("-")[2]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=ANNOUNCEMENT)
    parser.add_argument("--port", type=int, default=Ports.voice)
    parser.add_argument("--count-file", type=Path, help="also append every call to this file, a JSON object a line")
    arguments = parser.parse_args()
    delay_seconds = float(os.environ.get("VOICE_SECONDS_PER_CALL", "0"))
    sweep_abandoned()
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, suffix=f"-{os.getpid()}"))
    os.environ |= {"GRADIO_TEMP_DIR": str(temporary), "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    # uvicorn stops on SIGTERM and then sends it again: by then it has to mean an ordinary end, which sweeps.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        import uvicorn  # noqa: PLC0415 - comes with gradio

        app = build_app(CallBook(delay_seconds=delay_seconds, count_file=arguments.count_file), temporary)
        print(f"{ANNOUNCEMENT}; http://{HOST}:{arguments.port}/", flush=True)
        uvicorn.run(app, host=HOST, port=arguments.port, log_level="warning", timeout_graceful_shutdown=1)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Files as users upload them, made by the tools that make such files."""

import io
import struct
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RATE_HZ = 24_000


def voice(seconds: float, *, peak: float = 0.5) -> NDArray[np.float32]:
    """A sound with the level of speech and no pause."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * 220 * times)).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE_HZ), dtype=np.float32)


def wav(*parts: NDArray[np.float32], channels: int = 1) -> bytes:
    samples = np.round(np.concatenate(parts) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.repeat(samples, channels).tobytes())
    return buffer.getvalue()


def float_wav(samples: NDArray[np.float64], *, rate_hz: int = RATE_HZ) -> bytes:
    """A WAV of 32-bit floats, which Python's own module does not write."""
    content = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, rate_hz, 4 * rate_hz, 4, 32)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def spoken(folder: Path, text: str) -> Path:
    """The text as espeak-ng says it, 22,050 Hz."""
    path = folder / "spoken.wav"
    subprocess.run(["espeak-ng", "-w", str(path), text], check=True, timeout=60)
    return path


def encoded(source: Path, name: str, *options: str) -> bytes:
    """The sound in another format, by the name's extension."""
    target = source.with_name(name)
    argv = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", str(source), *options, str(target)]
    subprocess.run(argv, check=True, timeout=60)
    return target.read_bytes()


def with_header(content: bytes, offset: int, layout: str, value: int) -> bytes:
    """A WAV whose header lies in one field."""
    size = struct.calcsize(layout)
    return content[:offset] + struct.pack(layout, value) + content[offset + size :]


def samples_of(content: bytes) -> NDArray[np.float32]:
    """The samples of a WAV of ours, which must be mono at 24 kHz with 16 bits."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (1, RATE_HZ, 2)
        frames = file.readframes(file.getnframes())
    return np.frombuffer(frames, dtype="<i2").astype(np.float32) / np.float32(32768)


def picture(
    image_format: str = "PNG",
    *,
    size: tuple[int, int] = (60, 80),
    mode: str = "RGB",
    colour: Any = "gray",
    **options: Any,
) -> bytes:
    return saved(Image.new(mode, size, colour), image_format, **options)


def progressive_jpeg(scans: int, *, comment: bytes = b"") -> bytes:
    """A JPEG of so many scans, which are Pillow's ten and the last of them again and again."""
    content = saved(Image.effect_noise((60, 80), 60).convert("RGB"), "JPEG", progressive=True)
    head, end = content[:-2], content[-2:]
    last = head[head.rindex(b"\xff\xda") :]
    segment = b"\xff\xfe" + struct.pack(">H", 2 + len(comment)) + comment if comment else b""
    return head[:2] + segment + head[2:] + last * (scans - head.count(b"\xff\xda")) + end


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=["PNG"])
    image.load()
    return image

"""Files of every kind that is taken, damaged at random, to the process that decodes uploads: each gets its answer.

Decoders are written in C. One that dies ends its process and not the function (tests/functions/characters); here none
of the damaged files may get it so far. The damage is the same at every run.
"""

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest

from characters import uploads
from characters.decoding import pack_frame, read_frames
from local.addresses import ROOT
from tests.functions.characters import uploaded_files as files

pytestmark = pytest.mark.attacks

SEED = 20_231_101
DAMAGED_FILES = 60
SOUNDS = ("a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg", "a.webm")
PICTURES = ("PNG", "JPEG", "WEBP")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The file with some bytes changed, mostly where the headers are, or a piece of it lost, doubled or cut off."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 2, 5, 40))):
        at = chance.randrange(min(len(changed), chance.choice((40, 400, len(changed)))))
        changed[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    start = chance.randrange(len(changed))
    piece = changed[start : start + chance.choice((1, 4, 100))]
    match chance.randrange(5):
        case 0:
            del changed[start:]
        case 1:
            del changed[start : start + len(piece)]
        case 2:
            changed[start:start] = piece
    return bytes(changed) or b"\0"


def answers_to(kind: str, contents: list[bytes]) -> tuple[int, list[str | None]]:
    """How the process ended, and each file's refusal; None for one that was taken."""
    environment = {"PYTHONPATH": str(ROOT / "functions"), "OPENBLAS_NUM_THREADS": "1"}
    asked = b"".join(pack_frame({"kind": kind}, each) for each in contents)
    ended = subprocess.run(
        [sys.executable, *uploads._ARGV], input=asked, capture_output=True, env=environment, timeout=120, check=False
    )
    return ended.returncode, [header["refusal"] for header, _ in read_frames(io.BytesIO(ended.stdout))]


def sound(folder: Path, name: str) -> bytes:
    source = folder / "voice.wav"
    source.write_bytes(files.wav(files.voice(1.5)))
    return files.encoded(source, name) if name != "a.wav" else source.read_bytes()


@pytest.mark.parametrize("name", SOUNDS)
def test_every_damaged_recording_gets_its_answer(tmp_path: Path, name: str) -> None:
    whole, chance = sound(tmp_path, name), random.Random(SEED)

    exit_code, refusals = answers_to("recording", [whole, *(damaged(whole, chance) for _ in range(DAMAGED_FILES))])

    assert (exit_code, len(refusals), refusals[0]) == (0, 1 + DAMAGED_FILES, None)
    assert any(refusals)


@pytest.mark.parametrize("image_format", PICTURES)
def test_every_damaged_picture_gets_its_answer(image_format: str) -> None:
    whole, chance = files.picture(image_format, mode="RGB", colour=(200, 30, 30)), random.Random(SEED)

    exit_code, refusals = answers_to("picture", [whole, *(damaged(whole, chance) for _ in range(DAMAGED_FILES))])

    assert (exit_code, len(refusals), refusals[0]) == (0, 1 + DAMAGED_FILES, None)
    assert any(refusals)

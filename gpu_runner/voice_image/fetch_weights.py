"""Build step of the image: the voice's weights are in HF_HOME, findable with no network, and their licence is told.

    python fetch_weights.py CHECKPOINT --licence-file PATH --revision R --vocoder-revision R --transcriber-revision R

Runs in an environment of its own that has huggingface_hub and nothing else.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download


@dataclass(frozen=True)
class Weights:
    """A repository of the Hugging Face hub, and which of its files are needed."""

    repository: str
    files: tuple[str, ...]
    licence: str  # its SPDX identifier, as the repository's page gives it
    paid_use: bool


CHECKPOINTS = {
    "f5tts_v1": Weights(
        "SWivid/F5-TTS", ("F5TTS_v1_Base/model_1250000.safetensors",), licence="CC-BY-NC-4.0", paid_use=False
    ),
    "openf5": Weights("mrfakename/OpenF5-TTS-Base", ("model.pt", "vocab.txt"), licence="Apache-2.0", paid_use=True),
}
# What f5_tts.infer.utils_infer loads beside the checkpoint, whichever that is.
VOCODER = Weights("charactr/vocos-mel-24khz", ("config.yaml", "pytorch_model.bin"), licence="MIT", paid_use=True)
TRANSCRIBER = Weights(
    "openai/whisper-large-v3-turbo", ("*.json", "merges.txt", "model.safetensors"), licence="MIT", paid_use=True
)


def fetch(weights: Weights, revision: str) -> str:
    """The commit whose files are now in the cache, and are what the cache has for `main`.

    Whoever loads them asks for no revision, which means `main`. The hub's client notes which commit that is only when
    it was asked for `main`, so that files of a pinned commit would not be found offline.
    """
    folder = Path(snapshot_download(weights.repository, revision=revision, allow_patterns=list(weights.files)))
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    missing = [name for name in weights.files if "*" not in name and name not in found]
    if missing:
        raise SystemExit(f"{weights.repository} at {revision} has no {', '.join(missing)}")
    note = folder.parent.parent / "refs" / "main"
    note.parent.mkdir(exist_ok=True)
    note.write_text(folder.name)
    return folder.name


def licence_text(weights: Weights, commit: str) -> str:
    """What the image says of itself: the licence on the first line, then whose, and what follows from it."""
    follows = (
        "May be used in a paid product under that licence's terms."
        if weights.paid_use
        else "NOT FOR A PAID PRODUCT: these weights may not be used commercially. docs/licences.md names others."
    )
    whose = f"The weights of the voice: https://huggingface.co/{weights.repository} at {commit}"
    return "".join(f"{line}\n" for line in (weights.licence, whose, follows))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetches the voice's weights into HF_HOME.")
    parser.add_argument("checkpoint", choices=sorted(CHECKPOINTS))
    parser.add_argument("--licence-file", type=Path, required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--vocoder-revision", required=True)
    parser.add_argument("--transcriber-revision", required=True)
    arguments = parser.parse_args()
    chosen = CHECKPOINTS[arguments.checkpoint]
    commit = fetch(chosen, arguments.revision)
    fetch(VOCODER, arguments.vocoder_revision)
    fetch(TRANSCRIBER, arguments.transcriber_revision)
    text = licence_text(chosen, commit)
    arguments.licence_file.write_text(text)
    sys.stdout.write(f"The image falls under this licence of its voice's weights:\n{text}")


if __name__ == "__main__":
    main()

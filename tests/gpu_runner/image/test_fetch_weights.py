"""The image's weights: downloaded by the build's program from a small hub, found afterwards with no network."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gpu_runner.voice_image.fetch_weights import CHECKPOINTS, TRANSCRIBER, VOCODER, Weights
from local.addresses import ROOT

PROGRAM = ROOT / "gpu_runner" / "voice_image" / "fetch_weights.py"
COMMIT = "84e5a410d9cead4de2f847e7c9369a6440bdfaca"
# What the libraries of the voice server ask for, as they ask for it: F5-TTS's default checkpoint through cached_path,
# its vocoder through load_vocoder, the transcriber's parts through transformers.
ASKED_FOR = [
    ("SWivid/F5-TTS", "F5TTS_v1_Base/model_1250000.safetensors"),
    ("charactr/vocos-mel-24khz", "config.yaml"),
    ("charactr/vocos-mel-24khz", "pytorch_model.bin"),
    ("openai/whisper-large-v3-turbo", "model.safetensors"),
    ("openai/whisper-large-v3-turbo", "tokenizer.json"),
    ("openai/whisper-large-v3-turbo", "merges.txt"),
]
FIND = """
import sys, huggingface_hub as hub
for repository, name in zip(sys.argv[1::2], sys.argv[2::2]):
    print(open(hub.hf_hub_download(repository, name)).read())
"""


class Hub(BaseHTTPRequestHandler):
    """Answers what huggingface_hub asks for a repository of one commit. A file's content is its name."""

    files: dict[str, list[str]]

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = urlsplit(self.path).path
        for repository, names in self.files.items():
            if path.startswith(f"/api/models/{repository}/revision/"):
                return self.send(json.dumps(self.description(repository, names)), "application/json")
            if path.startswith(f"/api/models/{repository}/tree/"):
                tree = [{"type": "file", "path": name, "size": len(name), "oid": COMMIT} for name in names]
                return self.send(json.dumps(tree), "application/json")
            for name in names:
                if path == f"/{repository}/resolve/{COMMIT}/{name}":
                    return self.send(name, "application/octet-stream")
        self.send_error(404)
        return None

    def description(self, repository: str, names: list[str]) -> dict[str, object]:
        siblings = [{"rfilename": name} for name in names]
        return {
            "id": repository,
            "modelId": repository,
            "sha": COMMIT,
            "siblings": siblings,
            "tags": [],
            "private": False,
        }

    def send(self, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{abs(hash(text)):x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Nothing."""


def all_files(weights: Weights) -> list[str]:
    others = ["README.md", "flax_model.msgpack"]
    return [name.replace("*.json", "tokenizer.json") for name in weights.files] + others


@pytest.fixture
def hub() -> Iterator[dict[str, list[str]]]:
    """The hub's files by repository; its address is in HF_ENDPOINT."""
    files = {each.repository: all_files(each) for each in (*CHECKPOINTS.values(), VOCODER, TRANSCRIBER)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("TheHub", (Hub,), {"files": files}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield files
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(folder: Path, checkpoint: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(PROGRAM), checkpoint, "--licence-file", str(folder / "licence"), "--revision", COMMIT]
    argv += ["--vocoder-revision", COMMIT, "--transcriber-revision", COMMIT]
    environment = os.environ | {"HF_HOME": str(folder / "models"), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_what_was_fetched_at_a_pinned_commit_is_found_offline(hub: dict[str, list[str]], tmp_path: Path) -> None:
    assert hub
    assert fetch(tmp_path, "f5tts_v1").returncode == 0
    environment = os.environ | {"HF_HOME": str(tmp_path / "models"), "HF_HUB_OFFLINE": "1"}

    argv = [sys.executable, "-c", FIND, *chain.from_iterable(ASKED_FOR)]

    found = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert found.stdout.splitlines() == [name for _, name in ASKED_FOR], found.stderr


def test_only_what_is_needed_is_fetched(hub: dict[str, list[str]], tmp_path: Path) -> None:
    assert hub

    fetch(tmp_path, "openf5")

    fetched = {path.name for path in (tmp_path / "models").rglob("snapshots/*/*")}
    assert {"model.pt", "vocab.txt"} <= fetched
    assert fetched.isdisjoint({"README.md", "flax_model.msgpack", "F5TTS_v1_Base"})


@pytest.mark.parametrize(
    ("checkpoint", "licence", "words"),
    [("f5tts_v1", "CC-BY-NC-4.0", "NOT FOR A PAID PRODUCT"), ("openf5", "Apache-2.0", "May be used in a paid product")],
)
def test_the_build_tells_the_licence_and_the_image_keeps_it(
    hub: dict[str, list[str]], tmp_path: Path, checkpoint: str, licence: str, words: str
) -> None:
    assert hub

    printed = fetch(tmp_path, checkpoint).stdout

    kept = (tmp_path / "licence").read_text()
    assert kept.splitlines()[0] == licence
    assert COMMIT in kept
    assert words in kept
    assert printed.endswith(kept)


def test_a_repository_that_lacks_a_file_ends_the_build(hub: dict[str, list[str]], tmp_path: Path) -> None:
    hub["SWivid/F5-TTS"].remove("F5TTS_v1_Base/model_1250000.safetensors")

    done = fetch(tmp_path, "f5tts_v1")

    assert done.returncode != 0
    assert "model_1250000.safetensors" in done.stderr

"""The real F5-TTS server (tests.f5.serve) as a child, in the environment that make test-f5 installs."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio_client
import httpx

from local.addresses import HOST, ROOT
from local.processes import kill_group
from tests.emulators import free_port

CONTRACT = ROOT / "tests" / "contracts" / "f5_tts_basic_tts.json"
PYTHON = ROOT / ".venv-f5" / "bin" / "python"

_READY_SECONDS = 200  # 14 s on two idle cores, most of it imports; a cold disk takes three times as long


def command(port: int, models: Path) -> list[str]:
    return [str(PYTHON), str(ROOT / "tests" / "f5" / "serve.py"), "--port", str(port), "--models", str(models)]


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a server that serves, and its process. It writes into the folder only."""
    port = free_port()
    environment = os.environ | {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder / "gradio")}
    log_path = folder / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command(port, folder / "models"),
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url = f"http://{HOST}:{port}/"
        wait_until_it_serves(url, is_alive=lambda: process.poll() is None, log_path=log_path)
        yield url, process
    finally:
        kill_group(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_it_serves(
    url: str, *, is_alive: Callable[[], bool] = lambda: True, log_path: Path = Path(os.devnull)
) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not serves(url):
        assert is_alive(), f"the server ended:\n{log_path.read_text(errors='replace')[-3000:]}"
        assert time.monotonic() < deadline, f"the server does not answer after {_READY_SECONDS} s"
        time.sleep(0.3)


def serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}config", timeout=20).is_success
    except httpx.HTTPError:
        return False


def signature(url: str) -> dict[str, Any]:
    """How the server describes /basic_tts."""
    client = gradio_client.Client(url, verbose=False, download_files=False, httpx_kwargs={"timeout": 60})
    described: dict[str, Any] = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/basic_tts"]
    return described


def written(description: dict[str, Any]) -> str:
    """The description as it stands in the contract's file."""
    return json.dumps(description, indent=2, ensure_ascii=False)

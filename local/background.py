"""The local cloud in the background: what `make demo` starts and `make stop` ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from local.addresses import ROOT, Ports
from local.cloud import CloudBusyError, take_lock
from local.parts import CloudError
from local.processes import http_answers

_LOG = ROOT / ".local" / "logs" / "cloud.log"
_START_SECONDS = 300
_STOP_SECONDS = 90


def ensure_running(announce: Callable[[str], None]) -> bool:
    """The local cloud serves; whether this call started it. Raises CloudError when it does not come up."""
    if _holder() is not None:
        announce("Using the local cloud that is already running")
        _wait_for(_serves, _START_SECONDS, "The running local cloud does not answer; stop it and try again.")
        return False
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        # A session of its own, so that Ctrl-C here and the end of this process do not reach it.
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cloud", "run"],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
    shown = 0
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        lines = _LOG.read_text(errors="replace").splitlines()
        for line in lines[shown:]:
            announce(line)
        shown = len(lines)
        if process.poll() is not None:
            raise CloudError(f"The local cloud did not start; its log is {_LOG}.")
        if any(line.startswith("The API is at") for line in lines):
            return True
        time.sleep(0.3)
    stop()
    raise CloudError(f"The local cloud was not up after {_START_SECONDS} s; its log is {_LOG}.")


def stop() -> bool:
    """No local cloud of this repository runs; whether one did. Its data are kept. Raises CloudError."""
    holder = _holder()
    if holder is None:
        return False
    os.kill(holder, signal.SIGINT)
    _wait_for(lambda: _holder() is None, _STOP_SECONDS, f"The local cloud (process {holder}) does not stop.")
    return True


def _holder() -> int | None:
    """The process that holds the local cloud's lock."""
    try:
        take_lock(ROOT).close()
    except CloudBusyError as busy:
        return busy.holder if psutil.pid_exists(busy.holder) else None
    return None


def _serves() -> bool:
    return http_answers(Ports().url("hosting") + "/api/nothing", accept=lambda status, _body: status == 404)


def _wait_for(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CloudError(otherwise)
        time.sleep(0.3)


def main() -> int:
    try:
        print("Stopped; the data are kept." if stop() else "No local cloud is running.")
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The local cloud in the background: what `make demo` starts and `make stop` ends.

python -m local.background stop        whatever local cloud runs is stopped
python -m local.background make-way    the same, but one that somebody sits before is left alone: exit status 1
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from local.addresses import ROOT, Ports
from local.cloud import CloudBusyError, take_lock
from local.firebase_suite import functions_answer
from local.parts import CloudError
from local.processes import end_leftovers

_LOG = ROOT / ".local" / "logs" / "cloud.log"
_START_SECONDS = 300
_STOP_SECONDS = 90


def ensure_running(announce: Callable[[str], None]) -> bool:
    """The local cloud serves; whether this call started it. Raises CloudError when it does not come up."""
    if _running() is not None:
        announce("Using the local cloud that is already running")
        _wait_for(_serves, _START_SECONDS, "The running local cloud does not answer; stop it and try again.")
        return False
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("wb") as log:
        # A session of its own, so that Ctrl-C here and the end of this process do not reach it.
        process = subprocess.Popen(
            [sys.executable, "-m", "local.cloud", "run", "--in-background"],
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


def stop(root: Path = ROOT) -> bool:
    """No local cloud of this repository runs; whether one did. Its data are kept. Raises CloudError."""
    running = _running(root)
    if running is None:
        # Processes whose supervisor was killed serve on without a lock.
        return end_leftovers(root, saving_part="firebase", stop_timeout_seconds=40) > 0
    os.kill(running.holder, signal.SIGINT)
    _wait_for(
        lambda: _running(root) is None, _STOP_SECONDS, f"The local cloud (process {running.holder}) does not stop."
    )
    return True


def make_way(root: Path = ROOT) -> bool:
    """No local cloud of this repository runs; whether one did, in the background.

    Raises CloudError, with nothing stopped, for one that somebody sits before.
    """
    running = _running(root)
    if running is not None and not running.in_background:
        raise running
    return stop(root)


def _running(root: Path = ROOT) -> CloudBusyError | None:
    """What is known of the local cloud that holds the lock."""
    try:
        take_lock(root).close()
    except CloudBusyError as busy:
        return busy if psutil.pid_exists(busy.holder) else None
    return None


def _serves() -> bool:
    return functions_answer(Ports())


def _wait_for(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise CloudError(otherwise)
        time.sleep(0.3)


def main() -> int:
    parser = argparse.ArgumentParser(description="The local cloud in the background")
    parser.add_argument("command", choices=("stop", "make-way"))
    arguments = parser.parse_args()
    try:
        if arguments.command == "stop":
            print("Stopped; the data are kept." if stop() else "No local cloud is running.")
        elif make_way():
            print("Stopped the local cloud that ran in the background; its data are kept.")
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

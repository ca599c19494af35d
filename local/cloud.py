"""Starts the whole local cloud, keeps it up, and stops it without a trace.

    python -m local.cloud run      until Ctrl-C; its data stay in .local/state
    python -m local.cloud reset    forgets the data

Tests and the demo use LocalCloud.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from http.client import HTTPConnection
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

import psutil

from local.addresses import HOST, ROOT, Ports
from local.environment import Site, process_environment, product_environment, read_or_make_secrets
from local.parts import CloudError, CloudStoppedError, Part, PartFailedError, RunningPart
from local.processes import (
    end_leftovers,
    end_processes,
    marked_processes,
    orphans,
    port_is_open,
    port_owner,
)
from local.roster import cloud_parts

# The suite holds the jobs, the others work on them: whoever works is stopped before what it works on.
_STOPPED_LAST = ("firebase", "storage")
_STILL_WAITING_SECONDS = 15.0
_SWEEP_SECONDS = 10.0
_BACKGROUND_MARK = "background"


class CloudBusyError(CloudError):
    """A local cloud of this repository is already running, in the process `holder`; 0 when that is unknown.

    `in_background` tells the one that `make demo` left up from one that somebody sits before.
    """

    def __init__(self, holder: int, *, in_background: bool) -> None:
        how = "with `make stop`" if in_background else "with Ctrl-C in its terminal, or with `make stop`"
        super().__init__(f"A local cloud is already running (process {holder}). Stop it {how}.")
        self.holder = holder
        self.in_background = in_background


class LocalCloud:
    """The local cloud on one state folder. One at a time per repository; `with` starts and stops it."""

    def __init__(
        self,
        state_dir: Path,
        *,
        logs_dir: Path | None = None,
        ports: Ports | None = None,
        root: Path = ROOT,
        shell: Mapping[str, str] | None = None,
        announce: Callable[[str], None] = print,
        without: tuple[str, ...] = (),
        in_background: bool = False,
    ) -> None:
        """Nothing is started yet. `shell` stands for os.environ; parts named in `without` are not run."""
        self.root = root
        self.state_dir = state_dir.resolve()
        self.logs_dir = (logs_dir or state_dir.parent / "logs").resolve()
        self.ports = ports or Ports()
        self.base_url = self.ports.url("hosting")
        self._shell = dict(os.environ if shell is None else shell)
        self._announce = announce
        self._without = without
        self._in_background = in_background
        self._parts: dict[str, RunningPart] = {}
        self._lock_file: IO[str] | None = None
        self._stop_asked = threading.Event()
        self._ended = threading.Event()
        self._failure: PartFailedError | None = None
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Every part serves. Raises CloudError, with nothing left running."""
        self._lock_file = take_lock(self.root, in_background=self._in_background)
        self._stop_asked.clear()
        try:
            if ended := end_leftovers(self.root, saving_part="firebase", stop_timeout_seconds=40):
                self._announce(f"Ended {ended} processes that an earlier local cloud had left behind.")
            secrets = read_or_make_secrets(self.state_dir / "secrets.json")
            self.env = product_environment(self.ports, secrets, self._shell)
            site = Site(
                root=self.root,
                state_dir=self.state_dir,
                logs_dir=self.logs_dir,
                ports=self.ports,
                product=self.env,
                process=process_environment(self._shell, root=self.root),
            )
            parts = [part for part in cloud_parts(site) if part.name not in self._without]
            refuse_taken_ports(parts)
            self.logs_dir.mkdir(parents=True, exist_ok=True)
            for part in parts:
                log_path = self.logs_dir / f"{part.name}.log"
                log_path.write_bytes(b"")
                self._parts[part.name] = RunningPart(part, log_path, self._part_ended)
            self._start_all()
            if "firebase" in self._parts:
                threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        except BaseException:
            self.stop()
            raise

    def _start_all(self) -> None:
        began = time.monotonic()
        waiting = {check.name for running in self._parts.values() for check in running.part.checks}
        lock = threading.Lock()

        def announce_ready(name: str, _seconds: float) -> None:
            with lock:
                waiting.discard(name)
                self._announce(f"  ready  {name:<22} {time.monotonic() - began:5.1f} s")

        def start_one(running: RunningPart) -> None:
            running.start()
            running.wait_until_it_serves(stop=self._stop_asked, announce=announce_ready)

        self._announce(f"Starting {', '.join(self._parts)}.")
        with ThreadPoolExecutor(max_workers=len(self._parts)) as pool:
            pending = {pool.submit(start_one, running) for running in self._parts.values()}
            while pending:
                done, pending = wait(pending, timeout=_STILL_WAITING_SECONDS, return_when=FIRST_EXCEPTION)
                failed = [error for future in done if (error := future.exception()) is not None]
                if failed:
                    self._stop_asked.set()
                    raise failed[0]
                if pending:
                    with lock:
                        names = ", ".join(sorted(waiting))
                        self._announce(f"  still waiting for {names} ({time.monotonic() - began:.0f} s)")

    def _part_ended(self, failure: PartFailedError) -> None:
        self._failure = failure
        self._ended.set()

    def wait(self) -> None:
        """Returns when the stop was asked for. Raises PartFailedError when a part ended that nothing restarts."""
        self._ended.wait()
        if self._failure is not None:
            raise self._failure

    def ask_to_stop(self) -> None:
        """`start` and `wait` come to an end soon. May be called from a signal handler."""
        self._stop_asked.set()
        self._ended.set()

    def stop(self) -> None:
        """Nothing of this cloud runs, and its data are on disk. Stopping twice is no error."""
        self._stop_asked.set()
        last = [running for name, running in self._parts.items() if name in _STOPPED_LAST]
        first = [running for name, running in self._parts.items() if name not in _STOPPED_LAST]
        for group in (first, last):
            if group:
                with ThreadPoolExecutor(max_workers=len(group)) as pool:
                    list(pool.map(RunningPart.stop, group))
        if self._lock_file is not None:
            # The suite leaves its functions' processes behind: it ends the shells that it started them with.
            end_processes(marked_processes(self.root))
            self._lock_file.close()
            self._lock_file = None
        self._parts = {}

    def kill_everything(self) -> None:
        """Nothing of this cloud runs; what was only in memory is lost."""
        end_processes(marked_processes(self.root))

    def _sweep(self) -> None:
        """Until the stop: after each edit of the functions, their old processes are ended.

        The suite starts each through a shell and ends the shell only.
        """
        while not self._stop_asked.wait(_SWEEP_SECONDS):
            end_processes(orphans(self.root, "firebase", self.part_pid("firebase")))

    def part_names(self) -> list[str]:
        return list(self._parts)

    def part_pid(self, name: str) -> int:
        """The process id of the part, which leads its session."""
        process = self._running(name).process
        if process is None:
            raise CloudError(f"{name} was never started")
        return process.pid

    def part_log(self, name: str) -> Path:
        return self._running(name).log_path

    def part_starts(self, name: str) -> int:
        """How often the part's process was started, the first time included."""
        return self._running(name).starts

    def stop_part(self, name: str) -> None:
        """The part does not run, and nothing restarts it until `start_part`."""
        self._running(name).stop()

    def start_part(self, name: str) -> None:
        """The part serves. Raises PartFailedError."""
        self._running(name).start()
        self.wait_until_part_serves(name)

    def restart_part(self, name: str) -> None:
        """The part was stopped as it should be and serves again."""
        self.stop_part(name)
        self.start_part(name)

    def wait_until_part_serves(self, name: str) -> None:
        """All checks of the part pass. Raises PartFailedError when its time is over."""
        self._running(name).wait_until_it_serves(stop=self._stop_asked, announce=lambda _name, _seconds: None)

    def kill_part(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """The signal reached every process of the part.

        `functions` names the processes in which the suite serves the functions: the next call starts new ones. The
        runner and the scheduled functions come back by themselves, as on their platforms.
        """
        if name == "functions":
            for process in self._function_processes():
                with contextlib.suppress(psutil.Error):
                    process.send_signal(number)
        else:
            self._running(name).kill(number)

    def _function_processes(self) -> Iterator[psutil.Process]:
        for process in psutil.Process(self.part_pid("firebase")).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any("functions-framework" in argument for argument in process.cmdline()):
                    yield process

    def run_scheduled_function(self, name: str) -> tuple[int, str]:
        """The status and body of one run, made now instead of when it is due."""
        connection = HTTPConnection(HOST, self.ports.scheduled, timeout=600)
        try:
            connection.request("POST", f"/run/{name}")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _running(self, name: str) -> RunningPart:
        if name not in self._parts:
            raise CloudError(f"no part is called {name!r}; there are {', '.join(self._parts)}")
        return self._parts[name]


def take_lock(root: Path, *, in_background: bool = False) -> IO[str]:
    """The lock that a running local cloud holds; it goes with the process. Raises CloudBusyError.

    The file says which process it is, and whether nobody sits before it.
    """
    path = root / ".local" / "cloud.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock_file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock_file.seek(0)
        holder, _, mark = lock_file.read().strip().partition(" ")
        lock_file.close()
        busy = CloudBusyError(int(holder) if holder.isdigit() else 0, in_background=mark == _BACKGROUND_MARK)
        raise busy from None
    lock_file.truncate(0)
    lock_file.write(f"{os.getpid()} {_BACKGROUND_MARK}" if in_background else str(os.getpid()))
    lock_file.flush()
    return lock_file


def refuse_taken_ports(parts: list[Part]) -> None:
    """Raises CloudError when somebody else listens where a part should."""
    taken = [(part.name, port) for part in parts for port in part.ports if port_is_open(HOST, port)]
    if taken:
        lines = [f"  port {port} of {name} is taken by {port_owner(port)}" for name, port in taken]
        raise CloudError("The local cloud cannot start:\n" + "\n".join(lines))


def run(root: Path = ROOT, *, in_background: bool = False) -> int:
    """The local cloud runs until SIGINT or SIGTERM; the answer is the exit status. A second signal kills it at once."""
    cloud = LocalCloud(
        root / ".local" / "state",
        root=root,
        announce=lambda text: print(text, flush=True),
        in_background=in_background,
    )
    signals = 0

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            print("\nStopping; once more to kill at once, without saving.", flush=True)
            cloud.ask_to_stop()
            painter.terminate()
        else:
            cloud.kill_everything()
            os._exit(130)

    samples = root / ".local" / "samples"
    # Painting the sample backgrounds takes as long as the parts take to start, so both go on at once.
    painter = subprocess.Popen(
        [sys.executable, "-m", "local.samples", str(samples)],
        cwd=root,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGHUP, on_signal)  # the terminal was closed
    try:
        cloud.start()
        painted = painter.wait()
        if not signals:
            _stock_library(cloud, painted, samples)
            print(_welcome(cloud), flush=True)
        cloud.wait()
    except CloudStoppedError:
        pass
    except CloudError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    finally:
        painter.terminate()
        painter.wait()
        cloud.stop()
    print(f"Stopped. The data are in {cloud.state_dir}.", flush=True)
    return 0


def _stock_library(cloud: LocalCloud, painted: int, samples: Path) -> None:
    """The sample backgrounds are in the library, as an admin would have put some there. Raises CloudError.

    `painted` is the exit status of their making.
    """
    if painted != 0:
        raise CloudError(f"The sample backgrounds could not be made: {sys.executable} -m local.samples {samples}")
    argv = [sys.executable, "-m", "local.library", *map(str, sorted(samples.glob("background_*.mp4")))]
    stocked = subprocess.run(argv, cwd=cloud.root, env={**os.environ, **cloud.env}, check=False)
    if stocked.returncode != 0:
        raise CloudError("The sample backgrounds could not be put into the library; see above.")


def _welcome(cloud: LocalCloud) -> str:
    lines = ["", f"The API is at {cloud.base_url}", ""]
    if "voice" in cloud.part_names():
        lines.append(
            "The voices are a development voice's, not the cloned ones; F5_TTS_URL names a real F5-TTS server."
        )
    if "writer" in cloud.part_names():
        lines.append("The dialogues are a development writer's; set OPENAI_API_KEY for the real one.")
    lines += [f"Logs are in {cloud.logs_dir}, data in {cloud.state_dir}.", "Ctrl-C stops it and keeps the data."]
    return "\n".join(lines)


def reset(root: Path = ROOT) -> int:
    """The data of the local cloud are gone. Refused while it runs."""
    try:
        lock = take_lock(root)
    except CloudBusyError as error:
        print(error, file=sys.stderr)
        return 1
    with lock:
        end_leftovers(root, saving_part="firebase", stop_timeout_seconds=40)
        state = root / ".local" / "state"
        if state.exists():
            shutil.rmtree(state)
            print(f"Removed {state}.")
        else:
            print("There are no data.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="The whole cloud on one machine")
    parser.add_argument("command", choices=("run", "reset", "environment"))
    parser.add_argument("--in-background", action="store_true", help="run: nobody sits before it")
    arguments = parser.parse_args()
    if arguments.command == "run":
        return run(in_background=arguments.in_background)
    if arguments.command == "reset":
        return reset()
    secrets = read_or_make_secrets(ROOT / ".local" / "state" / "secrets.json")
    print(json.dumps(product_environment(Ports(), secrets, os.environ), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

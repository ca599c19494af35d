"""Runs the deployment's scheduled functions when they are due, as Cloud Scheduler does; the suite has no clock.

    python -m local.scheduled_functions --port 8125

Which functions there are and when they are due stands in the functions' own manifest, where the Firebase CLI reads it
too. Each is served by functions-framework in its own process, in functions/venv, on the ports above `--port`. On
`--port` itself: GET /healthz (200 once all are served) and POST /run/NAME (runs one now and passes its answer on).
"""

import argparse
import contextlib
import datetime as dt
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import yaml
from croniter import croniter

from local.addresses import HOST, ROOT, Ports
from local.imports import import_problem

_RELOAD_CHECK_SECONDS = 2.0
MANIFEST = "functions.yaml"
NOT_LOADED = "scheduled_functions_not_loaded"


class DiscoveryError(Exception):
    """The functions could not be imported, or a schedule is not one that Cloud Scheduler and this module both know."""


@dataclass(frozen=True)
class Schedule:
    """One scheduled function as its manifest describes it; `schedule` is in unix-cron form."""

    name: str
    schedule: str
    zone: str
    timeout_seconds: int

    def next_due(self, after: dt.datetime) -> dt.datetime:
        """The first moment after `after` at which the function is due."""
        local = after.astimezone(ZoneInfo(self.zone))
        due: dt.datetime = croniter(self.schedule, local).get_next(dt.datetime)
        return due


def discover(functions_dir: Path) -> list[Schedule]:
    """The scheduled functions of the manifest, in the order of their names. Raises DiscoveryError."""
    try:
        manifest = yaml.safe_load((functions_dir / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise DiscoveryError(f"{functions_dir / MANIFEST} does not exist") from error
    found = [
        Schedule(
            endpoint["entryPoint"],
            endpoint["scheduleTrigger"]["schedule"],
            endpoint["scheduleTrigger"].get("timeZone") or "UTC",
            endpoint.get("timeoutSeconds") or 60,
        )
        for endpoint in manifest["endpoints"].values()
        if "scheduleTrigger" in endpoint
    ]
    for schedule in found:
        if not croniter.is_valid(schedule.schedule):
            raise DiscoveryError(f"{schedule.name}: {schedule.schedule!r} is not in unix-cron form")
    if problem := import_problem(functions_dir, [schedule.name for schedule in found]):
        raise DiscoveryError(problem)
    return sorted(found, key=lambda schedule: schedule.name)


def newest_source(functions_dir: Path) -> float:
    """When the newest source file under functions/ was written, in seconds since 1970."""
    newest = 0.0
    for folder, names, files in os.walk(functions_dir):
        names[:] = [name for name in names if name not in {"venv", "__pycache__"} and not name.startswith(".")]
        for name in files:
            if name.endswith((".py", ".yaml")):
                with contextlib.suppress(FileNotFoundError):
                    newest = max(newest, (Path(folder) / name).stat().st_mtime)
    return newest


@dataclass
class ServedFunction:
    """A scheduled function, served by its own process, with the moment at which it is due next."""

    schedule: Schedule
    port: int
    functions_dir: Path
    due: dt.datetime
    process: subprocess.Popen[bytes] | None = None
    busy: threading.Lock = field(default_factory=threading.Lock)

    def keep_served(self) -> None:
        """A process serves the function; one that died is started again, as the platform does."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            _log("scheduled_function_restarted", name=self.schedule.name, exit_status=self.process.returncode)
        framework = self.functions_dir / "venv" / "bin" / "functions-framework"
        argv = [str(framework), "--target", self.schedule.name, "--source", "main.py", "--signature-type", "http"]
        argv += ["--host", HOST, "--port", str(self.port)]
        environment = os.environ | {
            "PYTHONPATH": str(self.functions_dir),
            "FUNCTION_TARGET": self.schedule.name,
            "K_SERVICE": self.schedule.name,
            "WORKERS": "1",
            "THREADS": "2",
        }
        self.process = subprocess.Popen(argv, cwd=self.functions_dir, env=environment, start_new_session=True)

    def is_served(self) -> bool:
        """Whether the process answers; functions-framework answers this path itself, without the function."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/robots.txt")
            return connection.getresponse().status == 404
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def run(self) -> tuple[int, bytes]:
        """The status and body of one call. Two calls of one function never overlap, as with Cloud Scheduler."""
        started = time.monotonic()
        with self.busy:
            connection = http.client.HTTPConnection(HOST, self.port, timeout=self.schedule.timeout_seconds)
            try:
                now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                headers = {"X-CloudScheduler-ScheduleTime": now, "X-CloudScheduler": "true", "Content-Length": "0"}
                connection.request("POST", "/", headers=headers)
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as error:
                status, body = 502, str(error).encode()
            finally:
                connection.close()
        seconds = round(time.monotonic() - started, 3)
        _log("scheduled_function_ran", name=self.schedule.name, status=status, duration_seconds=seconds)
        return status, body

    def stop(self) -> None:
        if self.process is None:
            return
        for number, grace_seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_seconds)
                break


class Scheduler:
    """The served functions and their clock."""

    def __init__(self, functions_dir: Path, port: int) -> None:
        self.functions_dir = functions_dir
        self.port = port
        self.served: dict[str, ServedFunction] = {}
        self.loaded_source = -1.0
        self.problem: str | None = "not loaded yet"
        self.stopping = threading.Event()

    def load(self) -> None:
        """The functions of the source as it is now are served; the ones of an older source are not."""
        for function in self.served.values():
            function.stop()
        self.served = {}
        self.loaded_source = newest_source(self.functions_dir)
        try:
            found = discover(self.functions_dir)
        except (DiscoveryError, subprocess.TimeoutExpired) as error:
            self.problem = str(error)
            print(self.problem, flush=True)  # a traceback, readable
            _log(NOT_LOADED)
            return
        now = dt.datetime.now(dt.UTC)
        for offset, schedule in enumerate(found, start=1):
            function = ServedFunction(schedule, self.port + offset, self.functions_dir, schedule.next_due(now))
            function.keep_served()
            self.served[schedule.name] = function
            _log("scheduled_function_served", name=schedule.name, schedule=schedule.schedule, port=function.port)
        self.problem = None

    def keep_time(self) -> None:
        """Runs what is due and follows edits of the source, until `stopping` is set."""
        while not self.stopping.is_set():
            if newest_source(self.functions_dir) != self.loaded_source:
                self.load()
            now = dt.datetime.now(dt.UTC)
            for function in self.served.values():
                function.keep_served()
                if function.due <= now:
                    # What fell due while a call ran, or the machine slept, is skipped.
                    function.due = function.schedule.next_due(now)
                    if not function.busy.locked():
                        threading.Thread(target=function.run, daemon=True).start()
            self.stopping.wait(_RELOAD_CHECK_SECONDS)
        for function in self.served.values():
            function.stop()

    def health(self) -> tuple[int, dict[str, object]]:
        if self.problem is not None:
            return 503, {"status": "not loaded", "reason": self.problem}
        missing = [name for name, function in self.served.items() if not function.is_served()]
        return (503 if missing else 200), {"functions": sorted(self.served), "notServed": missing}


def _log(event: str, **fields: object) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, "event": event, **fields}), flush=True)


def make_handler(scheduler: Scheduler) -> type[BaseHTTPRequestHandler]:
    """The control surface of this scheduler."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                status, body = scheduler.health()
                self._answer(status, json.dumps(body).encode())
            else:
                self._answer(404, b"{}")

        def do_POST(self) -> None:
            function = scheduler.served.get(self.path.removeprefix("/run/"))
            if function is None:
                self._answer(404, json.dumps({"functions": sorted(scheduler.served)}).encode())
            else:
                self._answer(*function.run())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
            """Nothing: the readiness checks would fill the log."""

    return Handler


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the scheduled functions when they are due")
    parser.add_argument("--port", type=int, default=Ports().scheduled)
    parser.add_argument("--functions-dir", type=Path, default=ROOT / "functions")
    arguments = parser.parse_args()
    scheduler = Scheduler(arguments.functions_dir.resolve(), arguments.port)
    server = ThreadingHTTPServer((HOST, arguments.port), make_handler(scheduler))
    server.daemon_threads = True

    def stop(_number: int, _frame: FrameType | None) -> None:
        scheduler.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheduler.keep_time()
    return 0


if __name__ == "__main__":
    sys.exit(main())

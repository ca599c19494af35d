"""Process start to the first answer of every function, over a function that says hello, in the same run.

    .venv/bin/python bench/cold_start.py [FUNCTION ...]

Each is served as in production: functions-framework with gunicorn, one process of 16 threads, from functions/venv with
compiled bytecode, over Google's emulators. A round starts hello, then a function, then hello, ...: a function's
figures are divided by those of the hello before it.
"""

import contextlib
import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from google.cloud.firestore import Client

import main as deployment
from bench.cold_requests import Ask, Round, ask_of, functions, prepare
from bench.report import machine, spread
from bench.services import services
from gcp.deployment import CalledBy
from local.addresses import HOST, PROJECT_ID, Ports
from local.environment import product_environment
from local.processes import kill_group

ROUNDS = 5
# Below those that the kernel gives to outgoing connections: one that is tried again and again may meet itself there.
PORTS = Ports().shifted(15_000)
FUNCTION_PORT = 22_000
SECRET = "local-development-" + "m" * 40
HELLO = 'def hello(request):\n    return "hello"\n'
# What a function's median is held against.
BOUNDS = {"asks Firestore or Cloud Tasks": 2.0, "asks neither": 1.3}
_POLL_SECONDS = 0.004
_PATIENCE_SECONDS = 60
EVENTS = {
    CalledBy.DOCUMENT_CREATED,
    CalledBy.DOCUMENT_WRITTEN,
    CalledBy.OBJECT_FINALIZED,
    CalledBy.OBJECT_DELETED,
}


@dataclass(frozen=True)
class Start:
    """From the start of the process to its first answer."""

    wall_seconds: float
    cpu_seconds: float
    has_grpc: bool
    """Whether the process has loaded what Firestore and Cloud Tasks are called with."""

    def over(self, floor: "Start") -> "Start":
        return Start(self.wall_seconds / floor.wall_seconds, self.cpu_seconds / floor.cpu_seconds, self.has_grpc)


def start(target: str, source: Path, environment: Mapping[str, str], ask: Ask) -> Start:
    """Raises SystemExit when the answer is not the one that counts."""
    argv = [str(ROOT / "functions/venv/bin/functions-framework"), "--target", target, "--source", str(source)]
    argv += ["--host", HOST, "--port", str(FUNCTION_PORT)]
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            argv, cwd=source.parent, env=dict(environment), start_new_session=True, stdout=output, stderr=output
        )
        try:
            status, text = first_answer(ask, began + _PATIENCE_SECONDS)
            wall = time.monotonic() - began
            if status not in ask.is_answered_by:
                output.seek(0)
                raise SystemExit(f"{target} answered {status}: {text[:300]!r}\n{output.read().decode()[-2000:]}")
            cpu = [each.cpu_times() for each in tree(process)]
            has_grpc = any("cygrpc" in file.path for each in tree(process) for file in each.memory_maps())
            return Start(wall, sum(each.user + each.system for each in cpu), has_grpc)
        finally:
            left = tree(process)
            kill_group(process.pid, signal.SIGKILL)
            process.wait()
            psutil.wait_procs(left)  # the worker listens for a moment longer


def tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    root = psutil.Process(process.pid)
    return [root, *root.children(recursive=True)]


def first_answer(ask: Ask, deadline: float) -> tuple[int, bytes]:
    while time.monotonic() < deadline:
        with contextlib.closing(http.client.HTTPConnection(HOST, FUNCTION_PORT, timeout=_PATIENCE_SECONDS)) as client:
            try:
                client.connect()
            except ConnectionRefusedError:
                time.sleep(_POLL_SECONDS)
                continue
            client.request(ask.method, ask.path, body=ask.body or None, headers=dict(ask.headers))
            answer = client.getresponse()
            return answer.status, answer.read()
    raise SystemExit("nothing listens")


def measure(db: Client, names: list[str], environment: Mapping[str, str], hello: Path) -> dict[str, list[Start]]:
    ratios: dict[str, list[Start]] = {name: [] for name in names}
    http_variables = dict(environment) | {"FUNCTION_SIGNATURE_TYPE": "http"}
    for number in range(ROUNDS + 1):
        this = Round(number, SECRET)
        prepare(db, PORTS, this)
        for name in names:
            is_event = getattr(deployment, name).deployment.called_by in EVENTS
            variables = http_variables | ({"FUNCTION_SIGNATURE_TYPE": "cloudevent"} if is_event else {})
            floor = start("hello", hello, http_variables, Ask())
            found = start(
                name, ROOT / "functions/main.py", variables | {"FUNCTION_TARGET": name}, ask_of(db, name, this)
            )
            if number:  # the first one brings the files into memory
                ratios[name].append(found.over(floor))
        print(f"  round {number} of {ROUNDS}", file=sys.stderr, flush=True)
    return ratios


def main() -> None:
    names = sys.argv[1:] or functions()
    secrets = dict.fromkeys(("JWT_SECRET", "ADDRESS_HASH_KEY", "WEB_API_KEY"), SECRET)
    environment = product_environment(PORTS, secrets, {})
    environment |= {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "NO_GCE_CHECK": "true"}
    lines = (ROOT / "functions" / ".env").read_text().splitlines()
    environment |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    environment["FIREBASE_CONFIG"] = "{}"
    compiled = [sys.executable, "-m", "local.bytecode"]
    subprocess.run(compiled, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        hello = Path(folder) / "hello.py"
        hello.write_text(HELLO)
        with services(PORTS, Path(folder), with_accounts=True):
            for variable in ("FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"):
                os.environ[variable] = environment[variable]
            ratios = measure(Client(project=PROJECT_ID), names, environment, hello)
    report(ratios)


def report(ratios: Mapping[str, list[Start]]) -> None:
    print(f"## Cold start\n\n{machine()}\n")
    print(
        f"Process start to the first answer over that of a function that says hello; {ROUNDS} rounds, least to most.\n"
    )
    groups = {
        "asks Firestore or Cloud Tasks": [name for name, found in ratios.items() if found[0].has_grpc],
        "asks neither": [name for name, found in ratios.items() if not found[0].has_grpc],
    }
    print("| function | wall | CPU | |\n|---|---:|---:|---|")
    for group, names in groups.items():
        for name in sorted(names, key=lambda name: median_wall(ratios[name])):
            wall, cpu = ([each.wall_seconds for each in ratios[name]], [each.cpu_seconds for each in ratios[name]])
            print(f"| `{name}` | {spread(wall)} | {spread(cpu)} | {group} |")
    print()
    for group, names in groups.items():
        if names:
            walls = [median_wall(ratios[name]) for name in names]
            within = sum(wall <= BOUNDS[group] for wall in walls)
            print(
                f"What {group}: {min(walls):.2f} to {max(walls):.2f}, {within} of {len(walls)} at most {BOUNDS[group]}."
            )


def median_wall(starts: list[Start]) -> float:
    return statistics.median(each.wall_seconds for each in starts)


if __name__ == "__main__":
    main()

"""Process start to the first answer of every function, over a function that says hello, in the same run.

    .venv/bin/python bench/cold_start.py [--rounds N] [FUNCTION ...]

Each is served as in production: functions-framework with gunicorn, one process of 16 threads, from functions/venv with
compiled bytecode, over Google's emulators. A round starts hello, then a function, then hello, ...: a function's
figures are divided by the mean of the hello before it and the one after it. Exits with 1 when a function has loaded
gRPC, as every client library of Google's does, and is in cold_requests.WITHOUT_CLIENT, or the other way around.

Two peers, which no run leaves out, say what the packages cost without us: a hello that reads one document of Firestore,
and a hello that imports all that functions/requirements.txt names. Left out is watch_identities, since it answers when
the minute that it watches is over.
"""

import argparse
import contextlib
import http.client
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from google.cloud.firestore import Client

import main as deployment
from bench.cold_requests import WITHOUT_CLIENT, Ask, Round, ask_of, functions, prepare
from bench.report import machine, spread
from bench.services import services
from bench.serving import SECRET, function_argv, function_environment
from gcp.deployment import CalledBy
from local.addresses import HOST, PROJECT_ID, Ports
from local.bytecode import compile_functions
from local.processes import kill_group

ROUNDS = 7
# Below those that the kernel gives to outgoing connections: one that is tried again and again may meet itself there.
PORTS = Ports().shifted(15_000)
FUNCTION_PORT = 22_000
HELLO = 'def hello(request):\n    return "hello"\n'
PEERS = {
    "hello that reads Firestore": f"""
from google.cloud.firestore import Client

db = Client(project="{PROJECT_ID}")


def hello(request):
    return str(db.document("users/nobody").get().exists)
""",
    "hello that imports every package": f"""
import av, email_validator, firebase_admin.auth, google.cloud.storage, google.cloud.tasks_v2, jwt, numpy, openai
import google.events.cloud.firestore, PIL.Image, pydantic, requests
from google.cloud.firestore import Client

{HELLO}""",
}
# What a function's median is held against.
NEEDS_CLIENT, NEEDS_NONE, PEER = "needs a client library of Google's", "needs none", "peer"
BOUNDS = {NEEDS_CLIENT: 2.0, NEEDS_NONE: 1.3}
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
    """Whether the process has loaded what all of Google's client libraries load."""

    def over(self, floors: Sequence["Start"]) -> "Start":
        """What the start takes over the mean of the floors."""
        wall = statistics.fmean(each.wall_seconds for each in floors)
        cpu = statistics.fmean(each.cpu_seconds for each in floors)
        return Start(self.wall_seconds / wall, self.cpu_seconds / cpu, self.has_grpc)


def start(target: str, source: Path, environment: Mapping[str, str], ask: Ask) -> Start:
    """Raises SystemExit when the answer is not the one that counts."""
    argv = function_argv(target, source, FUNCTION_PORT)
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


def measure(
    db: Client, names: Sequence[str], environment: Mapping[str, str], hello: Path, rounds: int
) -> dict[str, list[Start]]:
    """The starts of each peer and function over hello's. Sources are written beside `hello`, which exists."""
    sources = {name: hello.with_name(f"peer{number}.py") for number, name in enumerate(PEERS)}
    for name, source in sources.items():
        source.write_text(PEERS[name])
    ratios: dict[str, list[Start]] = {name: [] for name in (*PEERS, *names)}
    for number in range(rounds + 1):
        this = Round(number, SECRET)
        prepare(db, PORTS, this)
        before = start("hello", hello, environment, Ask())
        for name, starts in ratios.items():
            if name in sources:
                found = start("hello", sources[name], environment, Ask())
            else:
                found = start_function(db, name, environment, this)
            after = start("hello", hello, environment, Ask())
            if number:  # the first one brings the files into memory
                starts.append(found.over((before, after)))
            before = after
        print(f"  round {number} of {rounds}", file=sys.stderr, flush=True)
    return ratios


def start_function(db: Client, name: str, environment: Mapping[str, str], this: Round) -> Start:
    is_event = getattr(deployment, name).deployment.called_by in EVENTS
    variables = {**environment, **({"FUNCTION_SIGNATURE_TYPE": "cloudevent"} if is_event else {})}
    source = ROOT / "functions" / "main.py"
    return start(name, source, variables | {"FUNCTION_TARGET": name}, ask_of(db, name, this))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("functions", nargs="*", metavar="FUNCTION")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    environment = function_environment(PORTS)
    compile_functions(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        hello = Path(folder) / "hello.py"
        hello.write_text(HELLO)
        with services(PORTS, Path(folder), with_accounts=True):
            for variable in ("FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"):
                os.environ[variable] = environment[variable]
            db = Client(project=PROJECT_ID)
            ratios = measure(db, options.functions or functions(), environment, hello, options.rounds)
    print_report(ratios, options.rounds)
    return int(bool(otherwise_than_declared(ratios)))


def group_of(name: str) -> str:
    if name in PEERS:
        return PEER
    return NEEDS_NONE if name in WITHOUT_CLIENT else NEEDS_CLIENT


def otherwise_than_declared(ratios: Mapping[str, list[Start]]) -> list[str]:
    """The functions that have loaded what their group needs not, or not what it needs."""
    return [
        name
        for name, starts in ratios.items()
        if name not in PEERS and any(each.has_grpc == (name in WITHOUT_CLIENT) for each in starts)
    ]


def print_report(ratios: Mapping[str, list[Start]], rounds: int) -> None:
    print(f"## Cold start\n\n{machine()}\n")
    print(
        "Process start to the first answer, over the mean of a function that says hello, started right before and "
        f"right after; {rounds} rounds: median (least to most).\n"
    )
    groups = {group: [name for name in ratios if group_of(name) == group] for group in (PEER, *BOUNDS)}
    print("| function | wall | CPU | |\n|---|---:|---:|---|")
    for group, names in groups.items():
        for name in sorted(names, key=lambda name: median_wall(ratios[name])):
            wall, cpu = ([each.wall_seconds for each in ratios[name]], [each.cpu_seconds for each in ratios[name]])
            print(f"| {name if name in PEERS else f'`{name}`'} | {spread(wall)} | {spread(cpu)} | {group} |")
    print()
    for group, bound in BOUNDS.items():
        if names := groups[group]:
            walls = [median_wall(ratios[name]) for name in names]
            within = sum(wall <= bound for wall in walls)
            print(f"What {group}: {min(walls):.2f} to {max(walls):.2f}, {within} of {len(walls)} at most {bound}.")
    if wrong := otherwise_than_declared(ratios):
        print(f"These have loaded otherwise than their group says: {', '.join(f'`{name}`' for name in wrong)}.")


def median_wall(starts: list[Start]) -> float:
    return statistics.median(each.wall_seconds for each in starts)


if __name__ == "__main__":
    sys.exit(main())

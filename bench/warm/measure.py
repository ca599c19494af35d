"""What a request costs in a process that is warm, over the same reads of Firestore made bare, in the same run.

    .venv/bin/python bench/warm/measure.py [--rounds N] [--requests N] [--limit N] [OPERATION ...]

Every read operation, and a bare function (bare.py) that makes the same reads and answers with a constant, is served as
in production: functions-framework with gunicorn, one process of 16 threads, from functions/venv, over Google's
emulators. One client asks over connections that are kept, the bare function and the operation in turn, and an
operation's figures of each round are divided by those of the bare function in the same round. CPU is that of all the
function's processes, user and system. Lists are asked for a page of --limit items, of --limit documents and a few and
of many times as many: the run fails when the number of reads depends on that, or when the bare function asks Firestore
for anything else than the operation.
"""

import argparse
import contextlib
import http.client
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from bench.report import machine, spread
from bench.services import served, services
from bench.serving import SECRET, function_argv, function_environment
from bench.warm import bare
from bench.warm.documents import fill, picture_name
from bench.warm.operations import READ_OPERATIONS, Ask, Trace, ask_of, reads_of, require_same, trace_operation
from gcp.clients import firestore
from local.addresses import BUCKET, HOST, Ports
from local.bytecode import compile_functions
from routes import Route, route_of

# Below those that the kernel gives to outgoing connections.
PORTS = Ports().shifted(17_000)
FUNCTION_PORT = 23_000
FEW, MANY = 5, 380  # more documents than a page has
IN_A_ROW = 10
TARGET = 1.3


@dataclass(frozen=True)
class Batch:
    """What so many requests took, each."""

    cpu_seconds: float
    latencies: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.latencies, n=100)[98]


@dataclass
class Measured:
    """An operation's rounds, and what it asks of Firestore."""

    route: Route
    trace: Trace
    rounds: list[tuple[Batch, Batch]] = field(default_factory=list)  # bare, operation

    @property
    def p50_over_bare(self) -> list[float]:
        return [found.p50 / floor.p50 for floor, found in self.rounds]

    @property
    def p99_over_bare(self) -> list[float]:
        return [found.p99 / floor.p99 for floor, found in self.rounds]

    @property
    def cpu_over_bare(self) -> list[float]:
        return [found.cpu_seconds / floor.cpu_seconds for floor, found in self.rounds]


@dataclass
class Asked:
    """A function's server, and what it is asked over a connection that is kept."""

    server: psutil.Process
    client: http.client.HTTPConnection
    ask: Ask
    answered_at: float = -math.inf

    def reconnect_if_idle(self) -> None:
        """The server ends a connection on which nothing was asked for two seconds."""
        if time.perf_counter() - self.answered_at > 1.0:
            self.client.close()
            self.client.connect()

    def seconds(self) -> float:
        """How long one answer takes. Raises SystemExit for one that does not count."""
        began = time.perf_counter()
        self.client.request("GET", self.ask.path, headers=dict(self.ask.headers))
        answer = self.client.getresponse()
        content = answer.read()
        self.answered_at = time.perf_counter()
        if answer.status != self.ask.status:
            raise SystemExit(f"{self.ask.path} was answered with {answer.status}: {content[:300]!r}")
        return self.answered_at - began


def ask_in_turn(pair: tuple[Asked, Asked], number: int) -> tuple[Batch, Batch]:
    """Both are asked so often, a few times in a row each, so that whatever else the machine does meets both."""
    before = [cpu_seconds(each.server) for each in pair]
    latencies: tuple[list[float], list[float]] = [], []
    while len(latencies[0]) < number:
        for each, taken in zip(pair, latencies, strict=True):
            each.reconnect_if_idle()
            taken.extend(each.seconds() for _ in range(IN_A_ROW))
    used = [cpu_seconds(each.server) - was for each, was in zip(pair, before, strict=True)]
    floor, found = (Batch(cpu / len(taken), taken) for cpu, taken in zip(used, latencies, strict=True))
    return floor, found


def cpu_seconds(server: psutil.Process) -> float:
    times = [each.cpu_times() for each in [server, *server.children(recursive=True)]]
    return float(sum(each.user + each.system for each in times))


def kept(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(HOST, port, timeout=60)


@contextlib.contextmanager
def function(target: str, source: Path, port: int, environment: Mapping[str, str]) -> Iterator[psutil.Process]:
    given = {**environment, "FUNCTION_TARGET": target}
    with served(function_argv(target, source, port), port, given, source.parent) as server:
        yield server


def traces(names: Sequence[str], limit: int) -> dict[str, Trace]:
    """What each operation asks of Firestore. Raises SystemExit when that depends on how much there is."""
    db = firestore()
    found: list[dict[str, Trace]] = []
    for number in (limit + FEW, limit + MANY):
        fill(db, number, SECRET)
        routes = [route_of(name) for name in names]
        found.append({each.function: trace_operation(db, each, ask_of(each, limit, SECRET)) for each in routes})
    few, many = found
    for name in names:
        if (few[name].shape, few[name].reads, few[name].writes) != (
            many[name].shape,
            many[name].reads,
            many[name].writes,
        ):
            raise SystemExit(f"{name} reads more where there is more: {few[name].shape} and {many[name].shape}")
        require_same(db, route_of(name), many[name])
    return many


def measure(
    found: Mapping[str, Trace], options: argparse.Namespace, environment: Mapping[str, str], scratch: Path
) -> list[Measured]:
    source = Path(shutil.copy(bare.__file__, scratch))
    plans = {name: reads_of(route_of(name), trace) for name, trace in found.items()}
    source.with_name(bare.READS.name).write_text(json.dumps(plans))
    measured = []
    with function("bare", source, FUNCTION_PORT, environment) as floor:
        for number, (name, trace) in enumerate(found.items(), 1):
            this = Measured(route_of(name), trace)
            measured.append(this)
            bare_ask, ask = Ask(f"/{name}", {}, 200), ask_of(this.route, options.limit, SECRET)
            port = FUNCTION_PORT + number  # the worker before listens for a moment longer
            with function(name, ROOT / "functions/main.py", port, environment) as server:
                pair = Asked(floor, kept(FUNCTION_PORT), bare_ask), Asked(server, kept(port), ask)
                ask_in_turn(pair, options.requests)  # what a process pays once
                this.rounds += [ask_in_turn(pair, options.requests) for _ in range(options.rounds)]
                for each in pair:
                    each.client.close()
            ratio = spread(this.p50_over_bare)
            print(f"  {number} of {len(found)}: {name} {ratio}", file=sys.stderr, flush=True)
    return measured


def report(measured: Sequence[Measured], options: argparse.Namespace) -> None:
    versions = [f"{name} {metadata.version(name)}" for name in ("functions-framework", "google-cloud-firestore")]
    print(f"## A request to a warm process\n\n{machine(*versions)}\n")
    print(
        f"{options.rounds} rounds of {options.requests} requests; lists in pages of {options.limit}, of "
        f"{options.limit + MANY} documents. Over bare, the same reads and nothing else: median (least to most).\n"
    )
    reading = [each for each in measured if each.trace.asked]
    print_table(reading)
    others = [each for each in measured if not each.trace.asked]
    if others:
        print(
            "\nThese read no document: `get_picture` reads an object of the bucket, and what `get_health` found it "
            "tells for some seconds. Bare reads that object and nothing else, or only says one word.\n"
        )
        print_table(others)
    if reading:
        print(f"\n{conclusion(reading, options)}")


def print_table(measured: Sequence[Measured]) -> None:
    print("| operation | reads | writes | CPU over bare | p50 over bare | p99 over bare | CPU ms | p50 ms | p99 ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for each in measured:
        batches = [found for _, found in each.rounds]
        ratios = map(spread, (each.cpu_over_bare, each.p50_over_bare, each.p99_over_bare))
        seconds = ((batch.cpu_seconds, batch.p50, batch.p99) for batch in batches)
        medians = [f"{statistics.median(column) * 1000:.1f}" for column in zip(*seconds, strict=True)]
        cells = [f"`{each.route.function}`", str(each.trace.reads), str(each.trace.writes), *ratios, *medians]
        print(f"| {' | '.join(cells)} |")


def conclusion(reading: Sequence[Measured], options: argparse.Namespace) -> str:
    medians = {each.route.function: statistics.median(each.p50_over_bare) for each in reading}
    within = [name for name, ratio in medians.items() if ratio <= TARGET]
    worst = max(medians, key=lambda name: medians[name])
    few, many = options.limit + FEW, options.limit + MANY
    return (
        f"{len(within)} of {len(reading)} operations that read are answered within {TARGET} times the time of their "
        f"reads made bare (p50); the median of all is {statistics.median(medians.values()):.2f}, the most `{worst}` "
        f"with {medians[worst]:.2f}. Bare is the client library's own work for the same requests, word for word, "
        "behind the same server, and an answer of one word: no token, no user, no rules, no JSON and no log line. "
        f"Requests, reads and writes were the same with {few} and with {many} documents of each kind. "
        "The emulator runs on the same machine: Firestore is farther away, and there the same work is a smaller share "
        "of what a user waits."
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("operations", nargs="*", metavar="OPERATION")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    names = options.operations or [route.function for route in READ_OPERATIONS]
    environment = function_environment(PORTS)
    compile_functions(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        with services(PORTS, scratch, with_accounts=True):
            # Operations are called in this process too, to see what they ask.
            os.environ.update(environment)
            upload = f"{PORTS.url('storage')}/upload/storage/v1/b/{BUCKET}/o"
            picture = {"uploadType": "media", "name": picture_name(0)}
            requests.post(upload, params=picture, data=b"p" * 200_000, timeout=30).raise_for_status()
            report(measure(traces(names, options.limit), options, environment, scratch), options)


if __name__ == "__main__":
    main()

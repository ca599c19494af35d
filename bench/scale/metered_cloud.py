"""A local cloud without voices, whose triggers, runner and clock find Firestore behind a meter each; and its queue."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import requests
from google.cloud.firestore import Client

from bench.scale.firestore_meter import FirestoreMeter, Operations
from bench.services import served
from gcp import clients
from local.addresses import PROJECT_ID, QUEUE, ROOT, Ports
from local.cloud import LocalCloud
from local.environment import process_environment, write_private
from local.processes import http_answers
from local.roster import runner_argv
from tests.faults.load_starts import make_author, write_short_script
from tests.functions.things import BACKGROUND, write_background, write_character
from videos.jobs import new_job_id, start_job
from videos.queue import enqueue

# Below those that the kernel gives to outgoing connections.
PORTS = Ports().shifted(12_000)
METER_PORTS = {"triggers": 29_001, "runner": 29_002, "clock": 29_003}
PARTS = ("functions", "runner", "emulators")
SPEAKERS = ("ada", "ben")
# As many as the platform lets a user have unfinished.
VIDEOS_PER_USER = 10
_STARTS_AT_ONCE = 4
_READY_SECONDS = 60.0


@dataclass(frozen=True)
class Sample:
    """How things stood when so many jobs were done: CPU seconds by part, and what each meter has counted."""

    done: int
    at: float
    cpu_seconds: Mapping[str, float]
    operations: Mapping[str, Operations]


class MeteredCloud:
    """The running cloud. A job is done when its hold was written to by what follows from its end: it is captured."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.done: set[str] = set()
        self.meters: dict[str, FirestoreMeter] = {}
        self._cloud = cloud
        self._runner: psutil.Process | None = None
        self._seen: dict[int, tuple[str, float]] = {}  # by process id, those that have ended too

    @classmethod
    @contextlib.contextmanager
    def started(cls, folder: Path) -> Iterator["MeteredCloud"]:
        """It runs, its data in the folder, without its clock. The clients of this process find it, and no meter."""
        without = ("gpu_runner", "scheduled_functions", "voice", "writer")
        cloud = LocalCloud(folder / "state", logs_dir=folder / "logs", ports=PORTS, announce=say, without=without)
        metered = cls(cloud)
        with contextlib.ExitStack() as stack:
            stack.enter_context(cloud)
            stack.callback(cloud.kill_everything)  # nobody wants its data: they need not be saved
            os.environ.update(cloud.env)
            for name, port in METER_PORTS.items():
                meter = FirestoreMeter(cloud.env["FIRESTORE_EMULATOR_HOST"], port, metered._on_write)
                metered.meters[name] = stack.enter_context(meter)
            argv = [*runner_argv(PORTS.runner)[:-1], "bench.scale.stub_runner:create_app()"]
            paths = os.pathsep.join([str(ROOT), str(ROOT / "functions")])
            environment = metered._environment("runner") | {"PYTHONPATH": paths, "TMPDIR": str(folder)}
            metered._runner = stack.enter_context(served(argv, PORTS.runner, environment))
            metered._take_triggers_to_their_meter()
            metered.require_runner()
            yield metered

    def require_runner(self) -> None:
        """Raises SystemExit when the runner does not answer: who asked for it would wait until the deadline."""
        ends_at = time.monotonic() + _READY_SECONDS
        while not http_answers(PORTS.url("runner") + "/live", accept=lambda status, _body: status == 200):
            if time.monotonic() > ends_at or self._runner is None or not self._runner.is_running():
                raise SystemExit("the runner does not answer")
            time.sleep(0.2)

    def queue_jobs(self, count: int) -> None:
        """Users have so many videos queued, as the start's transaction writes them, in a queue that stands still."""
        db = Client(project=PROJECT_ID)
        clients.tasks().pause_queue(name=QUEUE)
        self._switch_triggers(on=False)
        write_background(db)
        for each in SPEAKERS:
            write_character(db, each)

        def start_videos(videos: int) -> None:
            author = make_author(db, self._cloud.env["JWT_SECRET"], SPEAKERS)
            for number in range(videos):
                script_id = write_short_script(db, author.user_id, SPEAKERS) if number else author.script_id
                job_id, now = new_job_id(), datetime.now(UTC)
                job = start_job(
                    db,
                    job_id=job_id,
                    user_id=author.user_id,
                    script_id=script_id,
                    background_video=BACKGROUND,
                    now=now,
                )
                enqueue(db, job_id, job.enqueueing, now)

        began, rest = time.monotonic(), count % VIDEOS_PER_USER
        with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
            shares = [VIDEOS_PER_USER] * (count // VIDEOS_PER_USER) + ([rest] if rest else [])
            list(pool.map(start_videos, shares))
        say(f"  {count} jobs are queued after {time.monotonic() - began:.0f} s")
        self._switch_triggers(on=True)

    @contextlib.contextmanager
    def draining(self) -> Iterator[None]:
        """The queue sends its tasks, and the scheduled functions run when they are due."""
        argv = [sys.executable, "-m", "local.scheduled_functions", "--port", str(PORTS.scheduled)]
        with served(argv, PORTS.scheduled, self._environment("clock")):
            clients.tasks().resume_queue(name=QUEUE)
            yield

    def sample(self) -> Sample:
        suite = psutil.Process(self._cloud.part_pid("firebase"))
        for process in (suite, *suite.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                is_function = any("functions-framework" in each for each in process.cmdline())
                self._see(process, "functions" if is_function else "emulators")
        if self._runner is not None:
            for process in (self._runner, *self._runner.children()):
                self._see(process, "runner")
        seconds = dict.fromkeys(PARTS, 0.0)
        for name, spent in self._seen.values():
            seconds[name] += spent
        operations = {name: meter.read() for name, meter in self.meters.items()}
        return Sample(len(self.done), time.monotonic(), seconds, operations)

    def _see(self, process: psutil.Process, name: str) -> None:
        spent = process.cpu_times()
        self._seen[process.pid] = (name, spent.user + spent.system)

    def _on_write(self, path: str) -> None:
        collection, _, job_id = path.partition("/")
        if collection == "holds":
            self.done.add(job_id)

    def _environment(self, meter: str) -> dict[str, str]:
        values = process_environment(os.environ) | self._cloud.env
        return values | {"FIRESTORE_EMULATOR_HOST": self.meters[meter].address}

    def _take_triggers_to_their_meter(self) -> None:
        """The functions' processes that start from now on find Firestore there.

        The suite tells them another address, and only this file has the last word. It belongs to the cloud that runs:
        each cloud's start writes it whole, so that none finds what this one leaves in it, however it ends.
        """
        secrets = ROOT / "functions" / ".secret.local"
        address = self.meters["triggers"].address
        write_private(secrets, f"{secrets.read_text()}FIRESTORE_EMULATOR_HOST='{address}'\n")
        self._cloud.kill_part("functions")

    def _switch_triggers(self, *, on: bool) -> None:
        """Without them nothing follows from a write, then or later: jobs are queued much faster so."""
        url = PORTS.url("hub") + f"/functions/{'enable' if on else 'disable'}BackgroundTriggers"
        requests.put(url, timeout=60).raise_for_status()


def say(text: str) -> None:
    """For whoever waits; not part of the report."""
    print(text, file=sys.stderr, flush=True)

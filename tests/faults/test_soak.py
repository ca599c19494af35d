"""Mixed use for a long time while things go wrong at random: in the end all is settled, and no process has grown.

Run by `make soak`. SOAK_MINUTES says for how long, SOAK_SEED repeats the choices of an earlier run, which prints its
seed. Processes are ended in the first half only: in the second one the runner and the functions live long enough for
a leak to be seen.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.cloud.storage import Client as StorageClient
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from local.addresses import BUCKET, HOST, PROJECT_ID
from local.cloud import LocalCloud
from local.demo import CharacterFiles
from local.samples import VOICES, make_recording
from tests.faults.invariants import at_rest_problems
from tests.faults.load_figures import print_lines
from tests.faults.load_scene import Scene, make_scene
from tests.faults.soak_faults import Trouble
from tests.faults.soak_memory import MemoryWatch
from tests.faults.soak_users import Diary, Person
from tests.media import write_picture

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

MINUTES = float(os.environ.get("SOAK_MINUTES") or 30)
SEED = int(os.environ.get("SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
PEOPLE = 4
# Leases, backoffs, the queue's longest wait and the minute function's patience, several times over.
REST_SECONDS = 900
REST_POLL_SECONDS = 10
# Some 60 renders and 2,000 requests fall into the second half of half an hour: half a megabyte a render, or 16 kB a
# request that are not given back, would be seen. What malloc keeps for the next render varies by less.
MOST_GROWTH_MEBIBYTES = 32.0
# Of what was seen for less, nothing can be said.
LONG_LIFE_SHARE = 0.4
# In less time the runner renders so little that its first render, which it keeps 40 MiB of, is most of what is seen.
TELLING_MINUTES = 15


@dataclass(frozen=True)
class Soaked:
    """A system that many have used while things went wrong, once nothing more happened in it."""

    diary: Diary
    trouble: Trouble
    memory: MemoryWatch
    problems: list[str]
    ends: Counter[str]
    reconciled: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def soaked(cloud: LocalCloud, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Soaked:
    folder = tmp_path_factory.mktemp("soak")
    scene, chance = make_scene(cloud, folder), random.Random(SEED)
    print_lines(request.config, [f"{MINUTES:g} minutes of mixed use, SOAK_SEED={SEED}"])
    people_end, trouble_ends, watch_ends = threading.Event(), threading.Event(), threading.Event()
    diary, own = Diary(), _own_character(folder)
    people = [
        Person(cloud.base_url, scene.speakers, scene.background, own, _chance(chance), diary, people_end)
        for _ in range(PEOPLE)
    ]
    with grpc.insecure_channel(f"{HOST}:{cloud.ports.tasks_grpc}") as channel:
        tasks = CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        trouble = Trouble(cloud, tasks, _chance(chance), trouble_ends)
        memory = MemoryWatch(cloud, watch_ends)
        for thread in (*people, trouble, memory):
            thread.start()
        time.sleep(MINUTES * 30)
        trouble.spares_work.set()
        time.sleep(MINUTES * 30)
        trouble_ends.set()
        trouble.join()
        people_end.set()
        for person in people:
            person.join()
        watch_ends.set()
        memory.join()
    problems = _problems_at_rest(scene)
    jobs = [each.to_dict() or {} for each in scene.books.db.collection("videoJobs").stream()]
    ends = Counter(f"{job['status']} {job.get('errorCode') or ''}".strip() for job in jobs)
    # It only looks, so that what it would repair is reported too.
    reconciled = subprocess.run(
        [sys.executable, "-m", "local.reconcile"],
        cwd=cloud.root,
        env=os.environ | cloud.env | {"DRY_RUN": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    result = Soaked(diary, trouble, memory, problems, ends, reconciled)
    print_lines(request.config, _report(result))
    return result


def _chance(chance: random.Random) -> random.Random:
    return random.Random(chance.getrandbits(64))


def _own_character(folder: Path) -> CharacterFiles:
    voice = next(iter(VOICES.values()))
    recording, picture = folder / "own.wav", folder / "own.png"
    make_recording(voice, recording)
    return CharacterFiles("Cleo", recording, [write_picture(picture, (20, 200, 60))], voice.text)


def _problems_at_rest(scene: Scene) -> list[str]:
    """What is still wrong once the retries, the leases and the clock have had their time."""
    bucket = StorageClient(project=PROJECT_ID).bucket(BUCKET)
    deadline = time.monotonic() + REST_SECONDS
    while True:
        # What is due every ten minutes is not waited for.
        scene.cloud.run_scheduled_function("finish_deletions")
        problems = [each for each in at_rest_problems(scene.books.db, bucket) if not _is_expected(each)]
        if not problems or time.monotonic() > deadline:
            return problems
        time.sleep(REST_POLL_SECONDS)


def _is_expected(problem: str) -> bool:
    """What a long use leaves that no fault of ours explains.

    The statistics may lack an event whose process was ended: the platform delivers it again, the emulator suite does
    not. A deleted account is kept in mind for 25 hours, for what a request that was under way may still write.
    """
    return "activities are counted" in problem or problem.startswith("accountDeletions/")


def _report(soaked: Soaked) -> list[str]:
    faults = Counter(name for _, name in soaked.trouble.done)
    lives = sorted(soaked.memory.long_lived(LONG_LIFE_SHARE * MINUTES * 60).items())
    grown = [
        f"  {name:<28}{life.seconds / 60:5.1f} min  {life.usual()[0]:6.1f} -> {life.usual()[1]:6.1f} MiB"
        for name, life in lives
    ]
    return [
        "faults: " + ", ".join(f"{count} x {name}" for name, count in sorted(faults.items())),
        "videos: " + ", ".join(f"{count} {end}" for end, count in sorted(soaked.ends.items())),
        "answers:",
        *soaked.diary.lines(),
        "memory of what lived long, after it warmed up and at the end:",
        *grown,
        f"reconciliation: exit status {soaked.reconciled.returncode}",
        *(f"  {line}" for line in soaked.reconciled.stdout.splitlines()[-5:]),
    ]


def test_nothing_is_wrong_once_everything_is_at_rest(soaked: Soaked) -> None:
    assert soaked.problems == []


def test_the_reconciliation_reports_nothing(soaked: Soaked) -> None:
    assert soaked.reconciled.returncode == 0, soaked.reconciled.stdout + soaked.reconciled.stderr


def test_nobody_was_told_what_no_fault_explains(soaked: Soaked) -> None:
    assert soaked.diary.unexpected == []


def test_every_operation_succeeded_now_and_then(soaked: Soaked) -> None:
    assert [operation for operation, count in soaked.diary.successes().items() if count == 0] == []


def test_the_faults_went_on_to_the_end(soaked: Soaked) -> None:
    assert (soaked.trouble.failures, len(soaked.trouble.done) >= MINUTES) == ([], True)


def test_videos_were_completed(soaked: Soaked) -> None:
    assert soaked.ends["completed"] > 0


def test_the_runner_lived_long_enough_to_be_measured(soaked: Soaked) -> None:
    assert "the runner" in soaked.memory.long_lived(LONG_LIFE_SHARE * MINUTES * 60)


@pytest.mark.skipif(MINUTES < TELLING_MINUTES, reason="too short to tell a leak from warming up")
def test_no_process_has_grown(soaked: Soaked) -> None:
    lives = soaked.memory.long_lived(LONG_LIFE_SHARE * MINUTES * 60)
    growth = {name: life.growth_mebibytes for name, life in lives.items()}
    assert {name: grown for name, grown in growth.items() if grown > MOST_GROWTH_MEBIBYTES} == {}

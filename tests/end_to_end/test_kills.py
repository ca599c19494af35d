"""What is killed or done twice in the middle of a job leaves no trace in what the user gets and pays."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest
import requests

from local.addresses import PROJECT_ID
from local.cloud import LocalCloud
from tests.end_to_end.client import ACTIVITIES, Books, Cast, VoiceServer, wait_until
from tests.media import probe

PAID_ONCE = ["capture", "grant", "hold"]


@dataclass(frozen=True)
class FinishedJob:
    """A job that was completed in spite of everything."""

    cast: Cast
    texts: list[str]
    job: dict[str, Any]


# The runner is killed


@dataclass(frozen=True)
class KilledJob(FinishedJob):
    spoken_at_kill: int
    runner_starts: int
    progress: list[float]


@pytest.fixture(scope="module")
def killed(cloud: LocalCloud, new_cast: Callable[[], Cast], background: str, voice: VoiceServer) -> KilledJob:
    """A job whose runner was killed while it had its lines spoken, and the next one while it encoded."""
    cast = new_cast()
    texts = ["The kettle fell off.", "Did it break?", "Only the lid did.", "Then boil it without one."]
    script_id = cast.write_script([(index % 2, text) for index, text in enumerate(texts)])
    starts = cloud.part_starts("gpu_runner")
    progress: list[float] = []

    def look() -> dict[str, Any]:
        job = cast.app.job(job_id)
        assert job["status"] in {"queued", "in_progress"}, f"the job has ended too early: {job['status']}"
        progress.append(job["overallProgress"])
        return job

    def lines_spoken() -> int:
        counted = re.search(r"\((\d)/4 completed\)", look()["steps"][1]["message"])
        return int(counted[1]) if counted else 0

    with voice.slowed(2.1):
        job_id = cast.app.start_video(script_id, background)
        wait_until(lambda: lines_spoken() >= 2, seconds=60, what="two lines are spoken")
        spoken_at_kill = lines_spoken()
        cloud.kill_part("gpu_runner")

    def encodes() -> bool:
        look()
        return encoding_seconds(cloud) > 0.5

    wait_until(encodes, seconds=150, what="the encode is under way")
    cloud.kill_part("gpu_runner")
    job = cast.app.wait_for_job(job_id, seconds=180)
    cast.app.wait_for_balance(19)
    return KilledJob(
        cast, texts, job, spoken_at_kill, cloud.part_starts("gpu_runner") - starts, [*progress, job["overallProgress"]]
    )


def encoding_seconds(cloud: LocalCloud) -> float:
    """The processor time that the runner's encoder has taken so far; 0 while it does not run.

    A tenth of these encodes' whole, on any machine. The job's progress is written too seldom to catch a fast one.
    """
    with suppress(psutil.Error):
        for process in psutil.Process(cloud.part_pid("gpu_runner")).children(recursive=True):
            if "-filter_complex" in process.cmdline():
                return float(process.cpu_times().user)
    return 0.0


@pytest.mark.timeout(600)  # the lease and the queue's backoff are waited for twice
def test_a_job_is_completed_though_its_runner_was_killed_twice(killed: KilledJob) -> None:
    assert (killed.job["status"], killed.runner_starts) == ("completed", 2)


def test_lines_that_were_spoken_before_the_kill_are_not_spoken_again(killed: KilledJob, voice: VoiceServer) -> None:
    counts = [voice.times_spoken(text) for text in killed.texts[: killed.spoken_at_kill]]
    assert counts == [1] * killed.spoken_at_kill


def test_no_line_but_the_one_that_the_kill_cut_off_is_spoken_twice(killed: KilledJob, voice: VoiceServer) -> None:
    counts = [voice.times_spoken(text) for text in killed.texts]
    assert sum(counts) <= len(killed.texts) + 1


def test_one_token_is_charged_though_the_runner_was_killed_twice(killed: KilledJob, books: Books) -> None:
    user_id = killed.cast.user_id
    assert (books.account(user_id), books.ledger(user_id)) == ((19, 0), PAID_ONCE)


def test_what_clients_see_does_not_go_back_when_the_runner_is_killed(killed: KilledJob) -> None:
    assert killed.progress == sorted(killed.progress)


def test_the_video_of_a_killed_job_is_whole(killed: KilledJob, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(requests.get(killed.cast.app.base_url + killed.job["finalVideoPath"], timeout=60).content)
    stream = probe(video)["video"]
    assert float(stream["duration"]) == pytest.approx(killed.job["videoDuration"], abs=0.001)


# Everything is delivered twice


@dataclass(frozen=True)
class DoubledJob(FinishedJob):
    task_answers: list[tuple[bool, int]]
    settlements: list[str]


@contextmanager
def events_delivered_twice(cloud: LocalCloud) -> Iterator[None]:
    """Each document event reaches its function twice: every trigger has a twin of another name at the database.

    The database takes the twin's name for another one; the functions read it decoded and find the same function.
    """
    functions = cloud.ports.url("functions")
    known = requests.post(f"{functions}/functions/projects/{PROJECT_ID}/triggers/none", timeout=30).text
    backends = requests.get(f"{functions}/backends", timeout=30).json()["backends"]
    triggers = [trigger for backend in backends for trigger in backend["functionTriggers"]]
    twins = {}
    for trigger in triggers:
        if paths := trigger.get("eventTrigger", {}).get("eventFilterPathPatterns"):
            # The suite counts the reloads of the functions in the trigger's name.
            generation = re.findall(rf"{trigger['id']}-(\d+)", known)[-1]
            twins[f"{trigger['id']}%2D{generation}"] = (trigger["eventTrigger"]["eventType"], paths["document"])
    assert len(twins) >= 4

    def register(name: str, event_type: str, document: str) -> None:
        requests.post(
            f"{cloud.ports.url('firestore')}/emulator/v1/projects/{PROJECT_ID}/eventarcTrigger",
            params={"eventarcTriggerId": name},
            json={
                "eventType": event_type,
                "database": "(default)",
                "namespace": "(default)",
                "document": {"value": document, "matchType": "PATH_PATTERN"},
            },
            timeout=30,
        ).raise_for_status()

    for name, (event_type, document) in twins.items():
        register(name, event_type, document)
    try:
        yield
    finally:
        # A trigger cannot be taken back; it can be given documents that nobody writes.
        for name, (event_type, _) in twins.items():
            register(name, event_type, "nothing/{nothingId}")


@contextmanager
def tasks_delivered_twice(cloud: LocalCloud) -> Iterator[None]:
    """Each task that succeeded is dispatched once more."""
    url = f"{cloud.ports.url('tasks_http')}/switches"
    requests.put(url, json={"deliverTwice": True}, timeout=30).raise_for_status()
    try:
        yield
    finally:
        requests.put(url, json={"deliverTwice": False}, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def doubled(cloud: LocalCloud, new_cast: Callable[[], Cast], background: str) -> DoubledJob:
    """A user's whole life, every event and every task of it delivered twice."""
    dispatches_url = f"{cloud.ports.url('tasks_http')}/log"
    known = len(requests.get(dispatches_url, timeout=30).json()["dispatches"])

    def task_answers() -> list[tuple[bool, int]]:
        dispatches = requests.get(dispatches_url, timeout=30).json()["dispatches"][known:]
        return [(each["duplicate"], each["httpStatus"]) for each in dispatches if each["endTime"]]

    with events_delivered_twice(cloud), tasks_delivered_twice(cloud):
        cast = new_cast()
        texts = ["The parcel came twice.", "Then send one back."]
        job_id = cast.app.start_video(cast.write_script(list(enumerate(texts))), background)
        job = cast.app.wait_for_job(job_id, seconds=120)

        def settlements() -> list[str]:
            lines = cloud.part_log("firebase").read_text(errors="replace").splitlines()
            return sorted(
                found[1]
                for line in lines
                if "video_job_settled" in line
                and job_id in line
                and (found := re.search(r'_this_event"?: *(\w+)', line))
            )

        wait_until(lambda: len(task_answers()) >= 2, seconds=30, what="the task was delivered twice")
        wait_until(lambda: len(settlements()) >= 2, seconds=30, what="the completion was delivered twice")
    return DoubledJob(cast, texts, job, task_answers(), settlements())


def test_a_task_that_comes_again_after_its_job_ended_is_taken_for_done(doubled: DoubledJob) -> None:
    assert doubled.task_answers == [(False, 200), (True, 200)]


def test_of_two_events_of_the_completion_one_settles_the_job(doubled: DoubledJob) -> None:
    assert doubled.settlements == ["false", "true"]


def test_no_line_is_spoken_twice_when_its_task_comes_twice(doubled: DoubledJob, voice: VoiceServer) -> None:
    assert [voice.times_spoken(text) for text in doubled.texts] == [1, 1]


def test_one_token_is_charged_when_everything_comes_twice(doubled: DoubledJob, books: Books) -> None:
    user_id = doubled.cast.user_id
    assert (books.account(user_id), books.ledger(user_id)) == ((19, 0), PAID_ONCE)


def test_the_log_says_everything_once_when_everything_comes_twice(doubled: DoubledJob) -> None:
    assert doubled.cast.app.activity_types() == ACTIVITIES


# The functions are killed


class FunctionKiller(threading.Thread):
    """While it runs, no process of a function lives long enough to serve: to load the functions takes longer."""

    def __init__(self, cloud: LocalCloud) -> None:
        super().__init__(name="function-killer", daemon=True)
        self._cloud = cloud
        self._ended = threading.Event()
        self._quiet_rounds = 0

    def run(self) -> None:
        while not self._ended.wait(0.1):
            started = any(self._cloud._function_processes())
            self._quiet_rounds = 0 if started else self._quiet_rounds + 1
            self._cloud.kill_part("functions")

    def wait_until_nothing_starts(self) -> None:
        """For 3 seconds from now on, no event has had a process started."""
        self._quiet_rounds = 0
        wait_until(lambda: self._quiet_rounds >= 30, seconds=60, what="no function is started any more")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self.join()


@dataclass(frozen=True)
class LostEvent(FinishedJob):
    account_before_repair: tuple[int, int]
    account_after_repair: tuple[int, int]


@pytest.fixture(scope="module")
def lost_event(cloud: LocalCloud, new_cast: Callable[[], Cast], background: str, books: Books) -> LostEvent:
    """A job that was completed while no function lived, and what the clock's function then did, twice at once."""
    cast = new_cast()
    texts = ["Who is there?", "Nobody is."]
    script_id = cast.write_script(list(enumerate(texts)))
    cloud.stop_part("scheduled_functions")
    try:
        job_id = cast.app.start_video(script_id, background)
        with FunctionKiller(cloud) as killer:
            wait_until(lambda: books.job(job_id)["status"] == "completed", seconds=120, what="the job is completed")
            killer.wait_until_nothing_starts()
        before = books.account(cast.user_id)
    finally:
        cloud.start_part("scheduled_functions")
    runs = [threading.Thread(target=cloud.run_scheduled_function, args=("repair_video_jobs",)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    return LostEvent(cast, texts, cast.app.job(job_id), before, books.account(cast.user_id))


def test_a_completion_whose_event_is_lost_is_not_charged_by_the_trigger(lost_event: LostEvent) -> None:
    assert lost_event.account_before_repair == (20, 1)


def test_the_minute_function_charges_what_the_lost_event_did_not(lost_event: LostEvent) -> None:
    assert lost_event.account_after_repair == (19, 0)


def test_two_minute_functions_at_once_charge_once(lost_event: LostEvent, books: Books) -> None:
    assert books.ledger(lost_event.cast.user_id) == PAID_ONCE


def test_the_minute_function_writes_the_activities_that_the_lost_event_did_not(lost_event: LostEvent) -> None:
    assert lost_event.cast.app.activity_types()[-3:] == ACTIVITIES[-3:]

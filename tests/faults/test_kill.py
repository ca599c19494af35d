"""The real runner and the functions' host are killed at moments spread over real work: every job is completed and paid.

Run by `make test-kill`; KILLS sets how many kills there are of each.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
import requests

from local.cloud import LocalCloud
from tests.faults.kill_functions import FunctionsKiller
from tests.faults.kill_runner import RunnerKiller
from tests.faults.load_figures import print_lines, table
from tests.faults.load_scene import INITIAL_TOKENS, PAID_ONCE, Scene, make_scene
from tests.media import probe

pytestmark = [pytest.mark.kill, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("KILLS", "20"))
CHARGED_ONCE = ((INITIAL_TOKENS - 1, 0), PAID_ONCE)
JOB_ACTIVITIES = ("video_generation_started", "video_generation_completed", "tokens_deducted")
# A lease, the queue's longest backoff and a render, for the last one that was killed, on a machine with other work.
SETTLED_SECONDS = 600


@pytest.fixture(scope="module")
def scene(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(cloud, tmp_path_factory.mktemp("scene"))


# The runner


@pytest.fixture(scope="module")
def killed_runner(scene: Scene, request: pytest.FixtureRequest) -> RunnerKiller:
    """Each of the jobs met one SIGKILL of the runner, and all are settled."""
    killer = RunnerKiller(scene)
    killer.measure()
    killer.kill_each([(place + 0.5) / KILLS for place in range(KILLS)])
    scene.wait_for_settled([job.job_id for job in killer.jobs], seconds=SETTLED_SECONDS)
    rows = []
    for place, job in enumerate(killer.jobs, start=1):
        fields, ledger = scene.books.job(job.job_id), scene.books.ledger(job.cast.user_id)
        spoken = [scene.voice.times_spoken(text) for text in job.texts]
        seconds = f"{scene.seconds_to_completion(job.job_id):.1f}"
        moment, attempts = f"{job.moment_seconds:.2f} s", fields["attempts"]
        rows.append((place, moment, job.doing, attempts, fields["status"], seconds, spoken, ledger.count("capture")))
    header = ("job", "killed after", "while it was", "attempts", "end", "seconds", "lines spoken", "charged")
    usual = f"A render that nobody disturbs takes {killer.render_seconds:.1f} s from its claim."
    print_lines(request.config, ["SIGKILL of the runner", usual, *table(header, rows)])
    return killer


def test_as_many_renders_as_asked_for_were_killed(killed_runner: RunnerKiller) -> None:
    assert len(killed_runner.jobs) == KILLS


def test_each_kill_met_a_render_that_was_under_way_and_was_begun_once_more(killed_runner: RunnerKiller) -> None:
    assert [killed_runner.scene.books.job(job.job_id)["attempts"] for job in killed_runner.jobs] == [2] * KILLS


def test_the_kills_met_the_speaking_and_the_encoding(killed_runner: RunnerKiller) -> None:
    met = {job.doing.split(",")[0] for job in killed_runner.jobs}
    assert met >= {"speaking", "encoding"}


def test_every_job_whose_runner_was_killed_is_completed(killed_runner: RunnerKiller) -> None:
    ends = Counter(killed_runner.scene.books.job(job.job_id)["status"] for job in killed_runner.jobs)
    assert ends == {"completed": len(killed_runner.jobs)}


def test_every_job_whose_runner_was_killed_is_charged_once(killed_runner: RunnerKiller) -> None:
    assert _charges(killed_runner.scene, [job.cast.user_id for job in killed_runner.jobs]) == {}


def test_no_line_but_the_one_that_the_kill_cut_off_is_spoken_again(killed_runner: RunnerKiller) -> None:
    voice = killed_runner.scene.voice
    spoken = {job.job_id: [voice.times_spoken(text) for text in job.texts] for job in killed_runner.jobs}
    assert {job_id: counts for job_id, counts in spoken.items() if sorted(counts) not in ([1, 1], [1, 2])} == {}


def test_the_log_says_everything_of_a_killed_job_once(killed_runner: RunnerKiller) -> None:
    assert _repeated_activities(killed_runner.scene, [job.cast.user_id for job in killed_runner.jobs]) == {}


def test_the_video_of_every_killed_job_is_whole(killed_runner: RunnerKiller, tmp_path: Path) -> None:
    lengths = {}
    for killed in killed_runner.jobs:
        job = killed.cast.app.job(killed.job_id)
        video = tmp_path / f"{killed.job_id}.mp4"
        video.write_bytes(requests.get(killed.cast.app.base_url + job["finalVideoPath"], timeout=60).content)
        found = probe(video)
        lengths[killed.job_id] = [float(found[kind]["duration"]) - job["videoDuration"] for kind in ("video", "audio")]
    assert {job_id: each for job_id, each in lengths.items() if max(map(abs, each)) > 0.05} == {}


# The functions' host


@pytest.fixture(scope="module")
def killed_functions(scene: Scene, request: pytest.FixtureRequest) -> FunctionsKiller:
    """Each of the jobs met one SIGKILL of every process of the functions, and all are settled."""
    killer = FunctionsKiller(scene)
    killer.measure()
    starts = KILLS // 2
    killer.kill_starts([place / starts for place in range(starts)])
    killer.kill_settlements([place / (KILLS - starts) for place in range(KILLS - starts)])
    scene.wait_for_settled([job.job_id for job in killer.jobs], seconds=SETTLED_SECONDS)
    rows = []
    for place, job in enumerate(killer.jobs, start=1):
        fields, ledger = scene.books.job(job.job_id), scene.books.ledger(job.cast.user_id)
        seconds = f"{scene.seconds_to_completion(job.job_id):.1f}"
        moment = f"{job.moment_seconds * 1000:.0f} ms"
        answers = " ".join(job.answers)
        rows.append((place, job.during, moment, job.met, answers, fields["status"], seconds, ledger.count("capture")))
    header = ("job", "killed during", "after", "met", "answers", "end", "seconds", "charged")
    usual = (
        f"Undisturbed: {killer.start_seconds * 1000:.0f} ms from the request to the started video's activity, "
        f"{killer.settlement_seconds * 1000:.0f} ms from the completion to the capture."
    )
    print_lines(request.config, ["SIGKILL of the functions' host", usual, *table(header, rows)])
    return killer


def test_each_kill_of_the_functions_ended_processes(killed_functions: FunctionsKiller) -> None:
    assert [job.processes for job in killed_functions.jobs if job.processes == 0] == []


def test_some_starts_were_cut_off_before_their_answer(killed_functions: FunctionsKiller) -> None:
    assert [job for job in killed_functions.jobs if job.met == "unanswered"] != []


def test_some_settlements_were_cut_off(killed_functions: FunctionsKiller) -> None:
    assert [job for job in killed_functions.jobs if job.during == "settlement" and job.met == "hold held"] != []


def test_every_job_whose_functions_were_killed_is_completed(killed_functions: FunctionsKiller) -> None:
    ends = Counter(killed_functions.scene.books.job(job.job_id)["status"] for job in killed_functions.jobs)
    assert ends == {"completed": KILLS}


def test_every_job_whose_functions_were_killed_is_charged_once(killed_functions: FunctionsKiller) -> None:
    assert _charges(killed_functions.scene, [job.cast.user_id for job in killed_functions.jobs]) == {}


def test_a_start_that_is_repeated_after_a_kill_makes_no_second_job(killed_functions: FunctionsKiller) -> None:
    jobs = {job.cast.user_id: killed_functions.job_ids_of(job.cast.user_id) for job in killed_functions.jobs}
    assert {user_id: job_ids for user_id, job_ids in jobs.items() if len(job_ids) != 1} == {}


def test_the_log_says_everything_of_a_job_once_though_its_functions_were_killed(
    killed_functions: FunctionsKiller,
) -> None:
    assert _repeated_activities(killed_functions.scene, [job.cast.user_id for job in killed_functions.jobs]) == {}


def _charges(scene: Scene, user_ids: list[str]) -> dict[str, object]:
    """The balance, the held amount and the ledger of every user who was not charged exactly once."""
    found = {user_id: (scene.books.account(user_id), scene.books.ledger(user_id)) for user_id in user_ids}
    return {user_id: books for user_id, books in found.items() if books != CHARGED_ONCE}


def _repeated_activities(scene: Scene, user_ids: list[str]) -> dict[str, object]:
    """How often the log says each thing of the job, of every user where that is not once."""
    found = {}
    for user_id in user_ids:
        stored = scene.books.db.collection("users", user_id, "activities").stream()
        counts = Counter((each.to_dict() or {})["type"] for each in stored)
        found[user_id] = [counts[kind] for kind in JOB_ACTIVITIES]
    return {user_id: counts for user_id, counts in found.items() if counts != [1] * len(JOB_ACTIVITIES)}

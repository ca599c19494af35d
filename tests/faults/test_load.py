"""Many users at once: no video is lost and none is paid twice. How fast it goes is printed, and not judged.

Run by `make test-load`; LOAD_STARTS and LOAD_USERS set how many users start a video within a minute, and how many go
the whole way through the emulator suite at once. The renders are real ones, of a word or two.
"""

import os
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from local.cloud import LocalCloud
from tests.end_to_end.client import Cast, wait_until
from tests.faults.load_figures import percentile, print_lines
from tests.faults.load_scene import INITIAL_TOKENS, PAID_ONCE, Scene, make_scene
from tests.faults.load_server import production_server
from tests.faults.load_starts import Started, make_authors, start_all

pytestmark = [pytest.mark.load, pytest.mark.timeout(7200)]

STARTS = int(os.environ.get("LOAD_STARTS", "200"))
USERS = int(os.environ.get("LOAD_USERS", "20"))
CHARGED_ONCE = ((INITIAL_TOKENS - 1, 0), PAID_ONCE)
WITHIN_SECONDS = 60.0
# Ten times what a render of a word or two takes on two cores.
SECONDS_PER_RENDER = 40


@pytest.fixture(scope="module")
def scene(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(cloud, tmp_path_factory.mktemp("scene"))


@dataclass(frozen=True)
class Drained:
    """What became of the jobs of these users once the queue was empty."""

    user_ids: Sequence[str]
    jobs: Mapping[str, list[str]]
    ends: Counter[str]
    charges: Mapping[str, object]
    jobs_per_minute: float


def drained(scene: Scene, user_ids: Sequence[str], job_ids: Sequence[str]) -> Drained:
    """All these jobs are settled."""
    scene.wait_for_settled(job_ids, seconds=SECONDS_PER_RENDER * len(job_ids) + 300)
    jobs: dict[str, list[str]] = {user_id: [] for user_id in user_ids}
    moments, ends = [], Counter[str]()
    for each in scene.books.db.collection("videoJobs").stream():
        fields = each.to_dict() or {}
        if fields["userId"] in jobs:
            jobs[fields["userId"]].append(each.id)
            ends[fields["status"]] += 1
            moments.append(fields["completedAt"])
    minutes = (max(moments) - min(moments)).total_seconds() / 60
    charges = {user_id: (scene.books.account(user_id), scene.books.ledger(user_id)) for user_id in user_ids}
    rate = (len(moments) - 1) / minutes if minutes else 0.0
    return Drained(user_ids, jobs, ends, charges, rate)


# Many starts within a minute, at functions-framework's production server


@dataclass(frozen=True)
class Rush:
    starts: list[Started]
    drained: Drained


@pytest.fixture(scope="module")
def rush(scene: Scene, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rush:
    """Every user has started a video within a minute, and the queue has been emptied by real renders."""
    authors = make_authors(scene, STARTS)
    log_path = tmp_path_factory.mktemp("server") / "generate_video.log"
    with production_server(scene.cloud, "generate_video", log_path) as base_url:
        starts = start_all(base_url, authors, scene.background, within_seconds=WITHIN_SECONDS)
    began = time.monotonic()
    job_ids = [start.job_id for start in starts if start.job_id]
    tries = [seconds for start in starts for seconds in start.seconds]
    statuses = Counter(status for start in starts for status in start.statuses)
    quantiles = [f"p{share * 100:g} {percentile(tries, share) * 1000:.0f} ms" for share in (0.5, 0.9, 0.99)]
    print_lines(
        request.config,
        [
            f"{STARTS} users start a video within {WITHIN_SECONDS:.0f} s, at one instance of generate-video",
            f"answers          {dict(statuses)}",
            f"generate-video   {', '.join(quantiles)}, slowest {max(tries) * 1000:.0f} ms",
            f"sent late by     {max(start.late_seconds for start in starts) * 1000:.0f} ms at most",
        ],
    )
    result = Rush(starts, drained(scene, [author.user_id for author in authors], job_ids))
    print_lines(
        request.config,
        [
            f"drained in       {time.monotonic() - began:.0f} s after the last start",
            f"drain rate       {result.drained.jobs_per_minute:.1f} jobs a minute, of real renders, one at a time",
            f"ends             {dict(result.drained.ends)}",
        ],
    )
    return result


def test_every_start_of_the_rush_is_answered_with_its_job(rush: Rush) -> None:
    assert [start.statuses for start in rush.starts if start.job_id is None] == []


def test_each_user_of_the_rush_has_the_one_job_that_it_was_told(rush: Rush) -> None:
    told = {start.author.user_id: [start.job_id] for start in rush.starts}
    assert rush.drained.jobs == told


def test_every_job_of_the_rush_is_completed(rush: Rush) -> None:
    assert rush.drained.ends == {"completed": STARTS}


def test_every_user_of_the_rush_is_charged_once(rush: Rush) -> None:
    assert {user_id: books for user_id, books in rush.drained.charges.items() if books != CHARGED_ONCE} == {}


# The whole way, through the emulator suite


def insist(cast: Cast, method: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """The answer, asked for again with the same key while the suite, which is given too much to do, has none."""
    headers = {"Idempotency-Key": uuid.uuid4().hex} if method == "POST" else {}
    answers: list[requests.Response] = []

    def is_answered() -> bool:
        with suppress(requests.RequestException):
            answers.append(cast.app.ask(method, path, json=body, headers=headers))
        # 409: the request before, whose answer was lost, is still being worked on.
        return bool(answers) and answers[-1].status_code not in {409, 500, 502, 503, 504}

    wait_until(is_answered, seconds=SECONDS_PER_RENDER * USERS + 300, what=f"{path} is answered", poll_seconds=1)
    assert answers[-1].status_code == 200, answers[-1].text
    answer = answers[-1].json()
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def crowd(scene: Scene, request: pytest.FixtureRequest) -> Drained:
    """Every user had a script written, shortened it, and made its video, all of them at once."""
    # The suite signs up one after the other, however many ask.
    casts = [scene.join() for _ in range(USERS)]
    began = time.monotonic()

    def go(cast: Cast) -> tuple[Cast, str, float]:
        first, second = scene.speakers
        prompt = {"selectedCharacters": [first, second], "prompt": "Two neighbours greet each other."}
        script_id = insist(cast, "POST", "/api/scripts/generate", prompt)["id"]
        lines = [{"speaker": first, "text": f"Hello {cast.user_id[:4]}."}, {"speaker": second, "text": "Hello."}]
        insist(cast, "PUT", f"/api/scripts/{script_id}", {"dialogue": lines})
        start = {"backgroundVideo": scene.background}
        job_id = insist(cast, "POST", f"/api/scripts/{script_id}/generate-video", start)["job"]["jobId"]
        return cast, job_id, time.monotonic() - began

    with ThreadPoolExecutor(USERS) as pool:
        finished = list(pool.map(go, casts))
    result = drained(scene, [cast.user_id for cast, _, _ in finished], [job_id for _, job_id, _ in finished])
    print_lines(
        request.config,
        [
            f"{USERS} users go the whole way through the emulator suite at once",
            f"all started in   {max(started for _, _, started in finished):.0f} s",
            f"all settled in   {time.monotonic() - began:.0f} s",
            f"drain rate       {result.jobs_per_minute:.1f} jobs a minute",
            f"ends             {dict(result.ends)}",
        ],
    )
    return result


def test_every_video_of_the_crowd_is_completed(crowd: Drained) -> None:
    assert crowd.ends == {"completed": USERS}


def test_every_user_of_the_crowd_has_one_job(crowd: Drained) -> None:
    assert {user_id: len(jobs) for user_id, jobs in crowd.jobs.items() if len(jobs) != 1} == {}


def test_every_user_of_the_crowd_is_charged_once(crowd: Drained) -> None:
    assert {user_id: books for user_id, books in crowd.charges.items() if books != CHARGED_ONCE} == {}

"""Requests of one user at the same moment."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest
import requests
from google.cloud.firestore import FieldFilter
from google.cloud.tasks_v2 import CloudTasksClient

from local.addresses import QUEUE
from tests.end_to_end.client import Books, Cast, wait_until

STARTS = 5


@dataclass(frozen=True)
class Race:
    """Five starts at once of a user with one token: what they were answered, and what is stored."""

    answers: list[requests.Response]
    account: tuple[int, int]
    ledger: list[str]
    job_ids: list[str]
    task_count: int

    @property
    def started(self) -> list[str]:
        """The jobs of the starts that succeeded; one that is repeated after its answer was lost is told by a 409."""
        bodies = [answer.json() for answer in self.answers if answer.status_code in {200, 409}]
        return [body["job"]["jobId"] if "job" in body else body["error"]["jobId"] for body in bodies]


@pytest.fixture(scope="module")
def paused_queue(tasks: CloudTasksClient) -> Iterator[str]:
    """A queue that takes tasks and sends none."""
    tasks.pause_queue(name=QUEUE)
    yield QUEUE
    for task in tasks.list_tasks(parent=QUEUE):
        tasks.delete_task(name=task.name)
    tasks.resume_queue(name=QUEUE)


@pytest.fixture(scope="module")
def race(
    new_cast: Callable[[], Cast], background: str, books: Books, tasks: CloudTasksClient, paused_queue: str
) -> Iterator[Race]:
    cast = new_cast()
    script_ids = [cast.write_script([(0, "I was first."), (1, "So was I.")]) for _ in range(STARTS)]
    books.db.document("users", cast.user_id).update({"tokens": 1})
    # As when an admin edits it in the console: a trigger enters it in the ledger.
    wait_until(lambda: "adjustment" in books.ledger(cast.user_id), seconds=30, what="the edit is in the ledger")
    with ThreadPoolExecutor(STARTS) as pool:
        line = Barrier(STARTS)

        def start(script_id: str) -> requests.Response:
            """The answer that a client gets which repeats what it is told to try again."""
            line.wait(timeout=60)
            answers: list[requests.Response] = []

            def is_answered() -> bool:
                answers.append(
                    requests.post(
                        f"{cast.app.base_url}/api/scripts/{script_id}/generate-video",
                        json={"backgroundVideo": background},
                        headers={"Authorization": str(cast.app.session.headers["Authorization"])},
                        timeout=90,
                    )
                )
                return answers[-1].status_code < 500

            # The emulator has whoever contends for a document wait for up to 20 s, and again for every attempt.
            wait_until(is_answered, seconds=150, what="the start is answered")
            return answers[-1]

        # A process of a function takes one request at a time here: these calls have one ready for each start.
        list(pool.map(start, ["none"] * STARTS))
        answers = list(pool.map(start, script_ids))
    account = books.account(cast.user_id)
    jobs = books.db.collection("videoJobs").where(filter=FieldFilter("userId", "==", cast.user_id))
    job_ids = [job.id for job in jobs.stream()]
    task_count = len(list(tasks.list_tasks(parent=paused_queue)))
    yield Race(answers, account, books.ledger(cast.user_id), job_ids, task_count)
    # Otherwise the minute function would have the job rendered.
    for job_id in job_ids:
        books.db.document("videoJobs", job_id).delete()


def test_of_five_starts_with_one_token_exactly_one_begins(race: Race) -> None:
    assert len(race.started) == 1


def test_the_other_starts_are_told_that_no_token_is_left(race: Race) -> None:
    refused = [answer.json()["error"] for answer in race.answers if answer.status_code == 400]
    assert [(error["code"], error["available"]) for error in refused] == [("INSUFFICIENT_TOKENS", 0)] * (STARTS - 1)


def test_one_token_is_held_and_none_is_charged(race: Race) -> None:
    assert (race.account, race.ledger) == ((1, 1), ["adjustment", "grant", "hold"])


def test_one_job_waits_and_it_has_one_task(race: Race) -> None:
    assert (race.job_ids, race.task_count) == (race.started, 1)

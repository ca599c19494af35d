"""SIGKILLs of the functions' host, each at a moment of a request or of what a trigger does."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import psutil
import requests
from google.cloud.firestore import FieldFilter

from tests.end_to_end.client import Cast
from tests.faults.load_scene import Scene, seconds_until

_PATIENCE_SECONDS = 300
_TRY_SECONDS = 60


@dataclass(frozen=True)
class Cut:
    """A job and the kill that met its start or its settlement. `processes` says how many processes the kill ended."""

    cast: Cast
    job_id: str
    during: str
    moment_seconds: float
    met: str
    answers: list[str]
    processes: int


@dataclass
class Start:
    """A request for a video that is repeated with the same Idempotency-Key until it is answered."""

    cast: Cast
    script_id: str
    background: str
    answers: list[str] = field(default_factory=list)
    answered: Event = field(default_factory=Event)

    def send(self) -> str:
        """The job's id."""
        key, deadline = uuid.uuid4().hex, time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = requests.post(
                    f"{self.cast.app.base_url}/api/scripts/{self.script_id}/generate-video",
                    json={"backgroundVideo": self.background},
                    headers={
                        "Authorization": str(self.cast.app.session.headers["Authorization"]),
                        "Idempotency-Key": key,
                    },
                    timeout=_TRY_SECONDS,
                )
            except requests.RequestException as error:
                self.answers.append(type(error).__name__)
                continue
            self.answers.append(str(answer.status_code))
            if answer.status_code == 200:
                self.answered.set()
                return str(answer.json()["job"]["jobId"])
            assert answer.status_code >= 500, answer.text
            time.sleep(0.2)
        raise AssertionError(f"the start was not answered: {self.answers}")


@dataclass
class FunctionsKiller:
    """Kills every process of the functions once for each job, at moments spread over the usual time of its work."""

    scene: Scene
    start_seconds: float = 0.0
    settlement_seconds: float = 0.0
    jobs: list[Cut] = field(default_factory=list)

    def measure(self) -> None:
        """The usual times, by a job that nobody disturbs and whose functions are loaded."""
        self._undisturbed("first of all")
        self.start_seconds, self.settlement_seconds = self._undisturbed("second")

    def _undisturbed(self, name: str) -> tuple[float, float]:
        start = self._prepare(name)
        began = time.monotonic()
        job_id = start.send()
        seconds_until(lambda: self._started_is_logged(start.cast), seconds=60, what="the start is in the log")
        started = time.monotonic() - began
        self.scene.wait_for_status(job_id, "completed", seconds=400)
        return started, seconds_until(lambda: self.scene.is_settled(job_id), seconds=120, what="the job is settled")

    def kill_starts(self, shares: Sequence[float]) -> None:
        """Each start of a video was cut off after its share of the usual time."""
        with ThreadPoolExecutor(1) as pool:
            for place, share in enumerate(shares):
                start, moment = self._prepare(f"start {place}"), share * self.start_seconds
                sent = pool.submit(start.send)
                time.sleep(moment)
                is_answered = start.answered.is_set()
                processes = self._kill()
                met = "answered" if is_answered else "unanswered"
                job_id = sent.result()
                self.jobs.append(Cut(start.cast, job_id, "start", moment, met, start.answers, processes))

    def kill_settlements(self, shares: Sequence[float]) -> None:
        """Each settlement of a completed job was cut off after its share of the usual time."""
        for place, share in enumerate(shares):
            start, moment = self._prepare(f"settlement {place}"), share * self.settlement_seconds
            job_id = start.send()
            self.scene.wait_for_status(job_id, "completed", seconds=400)
            time.sleep(moment)
            processes = self._kill()
            met = f"hold {self.scene.hold_state(job_id)}"
            self.jobs.append(Cut(start.cast, job_id, "settlement", moment, met, start.answers, processes))

    def job_ids_of(self, user_id: str) -> list[str]:
        jobs = self.scene.books.db.collection("videoJobs").where(filter=FieldFilter("userId", "==", user_id))
        return [job.id for job in jobs.stream()]

    def _prepare(self, name: str) -> Start:
        """A script whose start only waits to be sent, to a process that has loaded its function."""
        cast = self.scene.join()
        script_id = cast.write_script([(0, f"Who is {name}?"), (1, f"I am {name}.")])
        cast.app.ask("POST", "/api/scripts/none/generate-video", json={})
        return Start(cast, script_id, self.scene.background)

    def _kill(self) -> int:
        """How many there were. The suite has noticed that they are gone, and passes no further request to them."""
        processes = list(self.scene.cloud._function_processes())
        self.scene.cloud.kill_part("functions")
        _, left = psutil.wait_procs(processes, timeout=10)
        assert not left
        return len(processes)

    def _started_is_logged(self, cast: Cast) -> bool:
        stored = self.scene.books.db.collection("users", cast.user_id, "activities").stream()
        return any((each.to_dict() or {})["type"] == "video_generation_started" for each in stored)

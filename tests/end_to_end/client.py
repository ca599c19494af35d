"""What the end-to-end tests do as a client app would, and what they ask of the local cloud's own parts."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
from google.cloud.firestore import Client as FirestoreClient

from local.demo import Client

POLL_SECONDS = 0.3
# What the log says, in order, of a cast whose script became a video.
ACTIVITIES = [
    "user_signed_up",
    "tokens_granted",
    "character_created",
    "character_created",
    "script_created",
    "script_updated",
    "video_generation_started",
    "video_generation_completed",
    "tokens_deducted",
]


class App(Client):
    """One user's session, with the operations that `make demo` has no need of."""

    def put(self, path: str, **request: Any) -> dict[str, Any]:
        return self._read(self.session.put(self.base_url + path, timeout=60, **request))

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        """The bare answer, refusals included."""
        return self.session.request(method, self.base_url + path, timeout=90, **request)

    def start_video(self, script_id: str, background: str) -> str:
        """The id of the job."""
        answer = self.post(f"/api/scripts/{script_id}/generate-video", json={"backgroundVideo": background})
        job_id = answer["job"]["jobId"]
        assert isinstance(job_id, str)
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/api/video-jobs/{job_id}")

    def wait_for_job(self, job_id: str, *, seconds: float) -> dict[str, Any]:
        """The completed job. Fails on any other end."""

        def has_ended() -> bool:
            job = self.job(job_id)
            assert job["status"] in {"queued", "in_progress", "completed"}, job["errorMessage"]
            return bool(job["status"] == "completed")

        wait_until(has_ended, seconds=seconds, what="the video is completed")
        return self.job(job_id)

    def wait_for_balance(self, tokens: int, *, seconds: float = 30) -> None:
        wait_until(lambda: self.tokens() == tokens, seconds=seconds, what=f"the balance is {tokens}")

    def tokens(self) -> int:
        return int(self.get("/api/me")["tokens"])

    def activity_types(self) -> list[str]:
        """What the log says, oldest first."""
        return [activity["type"] for activity in reversed(self.get("/api/my-activities")["activities"])]

    def script(self, script_id: str) -> dict[str, Any]:
        """The script as it is among the user's scripts."""
        scripts = self.get("/api/my-scripts")["scripts"]
        return next(script for script in scripts if script["id"] == script_id)


@dataclass(frozen=True)
class Cast:
    """A user and the two characters that it made."""

    app: App
    user_id: str
    speakers: tuple[str, str]

    def write_script(self, lines: Sequence[tuple[int, str]]) -> str:
        """The id of a script with these lines, each of the first (0) or the second (1) character."""
        app = self.app
        body = {"selectedCharacters": list(self.speakers), "prompt": "Two neighbours talk about a radio."}
        script_id = app.post("/api/scripts/generate", json=body)["id"]
        assert isinstance(script_id, str)
        self.edit_script(script_id, lines)
        return script_id

    def edit_script(self, script_id: str, lines: Sequence[tuple[int, str]]) -> None:
        dialogue = [{"speaker": self.speakers[speaker], "text": text} for speaker, text in lines]
        self.app.put(f"/api/scripts/{script_id}", json={"dialogue": dialogue})


@dataclass(frozen=True)
class VoiceServer:
    """The development voice's own pages."""

    base_url: str

    def spoken(self) -> list[str]:
        """The digest of every line spoken since the server's start, in order."""
        calls = requests.get(f"{self.base_url}/development/calls", timeout=30).json()
        return [call["textDigest"] for call in calls]

    def times_spoken(self, text: str) -> int:
        return self.spoken().count(hashlib.sha256(text.encode()).hexdigest()[:16])

    @contextmanager
    def slowed(self, seconds: float) -> Iterator[None]:
        """Every line takes this much longer, so that progress can be seen."""
        url = f"{self.base_url}/development/delay"
        requests.put(url, json={"seconds": seconds}, timeout=30).raise_for_status()
        try:
            yield
        finally:
            requests.put(url, json={"seconds": 0}, timeout=30).raise_for_status()


@dataclass(frozen=True)
class Books:
    """The documents that say who paid, read past the API."""

    db: FirestoreClient

    def account(self, user_id: str) -> tuple[int, int]:
        """The balance and the part of it that is held."""
        fields = self.db.document("users", user_id).get().to_dict() or {}
        return fields["tokens"], fields["held"]

    def ledger(self, user_id: str) -> list[str]:
        """The kinds of the user's entries, sorted."""
        entries = self.db.collection("users", user_id, "ledger").stream()
        return sorted((entry.to_dict() or {})["kind"] for entry in entries)

    def job(self, job_id: str) -> dict[str, Any]:
        return self.db.document("videoJobs", job_id).get().to_dict() or {}


def wait_until(claim: Callable[[], bool], *, seconds: float, what: str, poll_seconds: float = POLL_SECONDS) -> None:
    """The claim about other processes has come true. Fails the test when it does not in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"after {seconds} s it is not true that {what}"
        time.sleep(poll_seconds)

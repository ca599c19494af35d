"""Users who do one thing after the other through the API, whatever becomes of their requests."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from local.demo import CharacterFiles
from tests.end_to_end.client import App

# What a user may be told who acts on something that ended, went or ran out meanwhile.
_REFUSALS = {400, 404, 409, 422, 429}
_PAUSE_SECONDS = (0.5, 2.5)
# As many videos of a user are in the making at most, so that the queue is soon empty at the end.
_MOST_UNFINISHED = 2
_MOST_SCRIPTS = 4


@dataclass
class Diary:
    """What was asked and answered, of all users. Safe for threads."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, operation: str, outcome: str) -> None:
        with self._lock:
            self.answers[operation, outcome] += 1

    def note_unexpected(self, text: str) -> None:
        with self._lock:
            self.unexpected.append(text)

    def successes(self) -> dict[str, int]:
        """How often each operation succeeded."""
        counts = Counter[str]()
        for (operation, outcome), count in self.answers.items():
            counts[operation] += count if outcome == "200" else 0
        return dict(counts)

    def lines(self) -> list[str]:
        """Each operation with its answers."""
        found: dict[str, list[str]] = {}
        for (operation, outcome), count in sorted(self.answers.items()):
            found.setdefault(operation, []).append(f"{count} x {outcome}")
        return [f"  {operation:<20}{', '.join(outcomes)}" for operation, outcomes in found.items()]


@dataclass(eq=False)
class Person(threading.Thread):
    """A user of an app: signs up, has scripts written and videos made, and some day deletes the account."""

    base_url: str
    speakers: tuple[str, str]
    background: str
    own_character: CharacterFiles
    chance: random.Random
    diary: Diary
    ended: threading.Event

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.app = App(self.base_url)
        self.is_signed_in = False
        self.scripts: list[str] = []
        self.jobs: list[str] = []
        self.characters: list[str] = []

    def run(self) -> None:
        while not self.ended.is_set():
            self._act()
            self.ended.wait(self.chance.uniform(*_PAUSE_SECONDS))

    def _act(self) -> None:
        if not self.is_signed_in:
            self._sign_up()
            return
        deeds: list[tuple[int, Callable[[], None]]] = [
            (10, self._look),
            (8, self._write),
            (6, self._edit),
            (9, self._start),
            (3, self._cancel),
            (3, self._star),
            (3, self._unstar),
            (2, self._delete_script),
            (1, self._make_character),
            (1, self._delete_character),
            (1, self._delete_account),
        ]
        (deed,) = self.chance.choices([deed for _, deed in deeds], [weight for weight, _ in deeds])
        deed()

    def _ask(self, operation: str, method: str, path: str, **request: Any) -> dict[str, Any] | None:
        """The answer's body when it succeeded; None when it was refused, or lost by a fault."""
        try:
            answer = self.app.ask(method, path, **request)
        except requests.RequestException as error:
            self.diary.note(operation, type(error).__name__)
            return None
        self.diary.note(operation, str(answer.status_code))
        if answer.status_code == 200:
            body = answer.json()
            return body if isinstance(body, dict) else {"list": body}
        if answer.status_code == 401:
            self.is_signed_in = False
        if answer.status_code < 500 and answer.status_code not in _REFUSALS:
            self.diary.note_unexpected(f"{operation}: {answer.status_code} {answer.text[:200]}")
        return None

    def _sign_up(self) -> None:
        name = f"soak-{self.chance.getrandbits(64):x}"
        body = {"name": "Soak User", "email": f"{name}@example.com", "password": name * 2}
        self.app.session.headers.pop("Authorization", None)
        if answer := self._ask("sign up", "POST", "/api/signup", json=body):
            self.app.session.headers["Authorization"] = f"Bearer {answer['token']}"
            self.is_signed_in, self.scripts, self.jobs, self.characters = True, [], [], []

    def _look(self) -> None:
        paths = ("/api/me", "/api/my-scripts", "/api/my-activities", "/api/my-video-jobs", "/api/characters")
        self._ask("look", "GET", self.chance.choice([*paths, *(f"/api/video-jobs/{job_id}" for job_id in self.jobs)]))

    def _write(self) -> None:
        if len(self.scripts) >= _MOST_SCRIPTS:
            return
        body = {"selectedCharacters": list(self.speakers), "prompt": "Two neighbours talk about the weather."}
        answer = self._ask("write a script", "POST", "/api/scripts/generate", json=body)
        if answer:
            self.scripts.append(answer["id"])
            self._edit()

    def _edit(self) -> None:
        if not self.scripts:
            return
        lines = [
            {"speaker": speaker, "text": f"{self.chance.choice(['Hello', 'Rain', 'Sun'])} {self.chance.randrange(99)}."}
            for speaker in self.speakers
        ]
        self._ask("edit a script", "PUT", f"/api/scripts/{self.scripts[-1]}", json={"dialogue": lines})

    def _start(self) -> None:
        if not self.scripts or self._unfinished() >= _MOST_UNFINISHED:
            return
        script_id = self.chance.choice(self.scripts)
        body, headers = {"backgroundVideo": self.background}, {"Idempotency-Key": f"{self.chance.getrandbits(64):x}"}
        path = f"/api/scripts/{script_id}/generate-video"
        for _ in range(3):
            # As an app that lost the answer does, until one comes.
            if answer := self._ask("start a video", "POST", path, json=body, headers=headers):
                self.jobs.append(answer["job"]["jobId"])
                return
            if not self.is_signed_in or self.ended.wait(1):
                return

    def _unfinished(self) -> int:
        answer = self._ask("look", "GET", "/api/my-video-jobs")
        jobs = answer["list"] if answer else []
        return sum(job["status"] in {"queued", "in_progress"} for job in jobs)

    def _cancel(self) -> None:
        if self.jobs:
            self._ask("cancel a video", "POST", f"/api/video-jobs/{self.jobs[-1]}/cancel")

    def _star(self) -> None:
        self._ask("star", "POST", f"/api/characters/{self.chance.choice(self.speakers)}/star")

    def _unstar(self) -> None:
        self._ask("unstar", "DELETE", f"/api/characters/{self.chance.choice(self.speakers)}/star")

    def _delete_script(self) -> None:
        if self.scripts:
            script_id = self.scripts.pop(self.chance.randrange(len(self.scripts)))
            self._ask("delete a script", "DELETE", f"/api/scripts/{script_id}")

    def _make_character(self) -> None:
        files = self.own_character
        parts = [("audioFile", (files.recording.name, files.recording.read_bytes()))]
        parts += [("imageFiles", (picture.name, picture.read_bytes())) for picture in files.pictures]
        fields = {"displayName": files.name, "refText": files.ref_text}
        if answer := self._ask("make a character", "POST", "/api/characters/complete", data=fields, files=parts):
            self.characters.append(answer["id"])
            if self.chance.random() < 0.5:
                # Somebody's script may speak with a voice that is deleted while its video is made.
                self.speakers = (self.speakers[0], answer["id"])

    def _delete_character(self) -> None:
        if self.characters:
            self._ask("delete a character", "DELETE", f"/api/characters/{self.characters.pop()}")

    def _delete_account(self) -> None:
        self._ask("delete the account", "DELETE", "/api/me")
        # Also when the answer was lost: then nobody knows whether the account is still there.
        self.is_signed_in = False

"""Many users with a script each, made without the API, and their starts of a video, spread evenly over a minute."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from google.cloud.firestore import Client as FirestoreClient

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from accounts.sessions import issue_session
from scripts.script import DialogueLine, Script
from tests.faults.load_scene import INITIAL_TOKENS, Scene

# What the emulator cannot decide at once it refuses with 503; a client sends such a request again, with its key.
_TRIES = 5
_ANSWER_SECONDS = 120


@dataclass(frozen=True)
class Author:
    """A user with a script of one word, and a token that is good for an hour."""

    user_id: str
    script_id: str
    token: str


@dataclass(frozen=True)
class Started:
    """A start that was answered: each try's status and seconds, the job, and how late the first try was sent."""

    author: Author
    statuses: tuple[int, ...]
    seconds: tuple[float, ...]
    late_seconds: float
    job_id: str | None


def make_authors(scene: Scene, count: int) -> list[Author]:
    """The users, each with the initial tokens and a script, as sign-up and script generation leave them."""
    db, secret = scene.books.db, scene.cloud.env["JWT_SECRET"]
    # One after the other: the emulator has new users, whose ledgers it looks through, wait for each other.
    return [make_author(db, secret, scene.speakers) for _ in range(count)]


def make_author(db: FirestoreClient, secret: str, speakers: tuple[str, str]) -> Author:
    user_id, now = uuid.uuid4().hex, datetime.now(UTC)
    identity = Identity(user_id, "Load User", f"load-{user_id}@example.com", has_password=True)
    ensure_user(db, identity, InitialTokens(INITIAL_TOKENS, secret), now=now)
    return Author(user_id, write_short_script(db, user_id, speakers), issue_session(user_id, [secret], now=now))


def write_short_script(db: FirestoreClient, user_id: str, speakers: tuple[str, str]) -> str:
    """The id of a script of one word that the user has now."""
    script_id, now = uuid.uuid4().hex, datetime.now(UTC)
    script = Script(
        id=script_id,
        owner_id=user_id,
        selected_characters=speakers,
        original_prompt="Two neighbours greet each other, briefly.",
        dialogue=(DialogueLine(speaker=speakers[0], text="Hello."),),
        created_at=now,
        updated_at=now,
    )
    db.document("scripts", script_id).set(script.to_document())
    return script_id


def start_all(base_url: str, authors: Sequence[Author], background: str, *, within_seconds: float) -> list[Started]:
    """Every author has asked for a video, the last one shortly before the time was over, whatever the others waited."""
    began, results = time.monotonic(), dict[str, Started]()

    def start(place: int, author: Author) -> None:
        due = began + within_seconds * place / len(authors)
        time.sleep(max(0.0, due - time.monotonic()))
        results[author.user_id] = _start(base_url, author, background, due)

    threads = [threading.Thread(target=start, args=each) for each in enumerate(authors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[author.user_id] for author in authors]


def _start(base_url: str, author: Author, background: str, due: float) -> Started:
    statuses: list[int] = []
    seconds: list[float] = []
    headers = {"Authorization": f"Bearer {author.token}", "Idempotency-Key": uuid.uuid4().hex}
    url, late = f"{base_url}/api/scripts/{author.script_id}/generate-video", time.monotonic() - due
    job_id = None
    while job_id is None and len(statuses) < _TRIES:
        sent = time.monotonic()
        answer = requests.post(url, json={"backgroundVideo": background}, headers=headers, timeout=_ANSWER_SECONDS)
        seconds.append(time.monotonic() - sent)
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            job_id = str(answer.json()["job"]["jobId"])
        elif answer.status_code != 503:
            break
    return Started(author, tuple(statuses), tuple(seconds), late, job_id)

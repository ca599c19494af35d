"""What the tests of kills, load and long use share: two characters and a background in a running cloud, and users."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.cloud.firestore import Client as FirestoreClient

from local.addresses import PROJECT_ID
from local.cloud import LocalCloud
from local.demo import CharacterFiles
from local.samples import VOICES, make_recording
from tests.end_to_end.client import App, Books, Cast, VoiceServer, wait_until
from tests.media import write_background, write_picture

PAID_ONCE = ["capture", "grant", "hold"]
INITIAL_TOKENS = 20
_COLOURS = ((220, 30, 30), (30, 30, 220))


@dataclass(frozen=True)
class Scene:
    """A cloud in which whoever signs up finds two public characters and a background."""

    cloud: LocalCloud
    books: Books
    voice: VoiceServer
    speakers: tuple[str, str]
    background: str

    def join(self) -> Cast:
        """A new user, who has the two characters speak."""
        app = App(self.cloud.base_url)
        return Cast(app, app.sign_up()["user"]["id"], self.speakers)

    def hold_state(self, job_id: str) -> str | None:
        fields = self.books.db.document("holds", job_id).get().to_dict()
        return None if fields is None else str(fields["state"])

    def is_settled(self, job_id: str) -> bool:
        return self.hold_state(job_id) in {"captured", "released"}

    def wait_for_settled(self, job_ids: Sequence[str], *, seconds: float) -> None:
        """Every job has ended and its hold is captured or released."""
        left = list(job_ids)

        def are_settled() -> bool:
            left[:] = [job_id for job_id in left if not self.is_settled(job_id)]
            return not left

        wait_until(are_settled, seconds=seconds, what="every job is settled", poll_seconds=1)

    def wait_for_status(self, job_id: str, status: str, *, seconds: float) -> None:
        seconds_until(lambda: self.books.job(job_id)["status"] == status, seconds=seconds, what=f"a job is {status}")

    def seconds_to_completion(self, job_id: str) -> float:
        job = self.books.job(job_id)
        return float((job["completedAt"] - job["createdAt"]).total_seconds())


def make_scene(cloud: LocalCloud, folder: Path) -> Scene:
    """The background is in the library, and another user has made the characters."""
    # Where the clients of this process look for the cloud's own.
    os.environ.update({name: cloud.env[name] for name in ("FIRESTORE_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")})
    path = write_background(folder / "plain_green.mp4", seconds=3, size="270x480")
    argv = [sys.executable, "-m", "local.library", str(path)]
    subprocess.run(argv, cwd=cloud.root, env=os.environ | cloud.env, check=True, timeout=120)
    owner = App(cloud.base_url)
    owner.sign_up()
    first, second = (make_character(owner, name, folder) for name in ("Ada", "Ben"))
    books = Books(FirestoreClient(project=PROJECT_ID))
    return Scene(cloud, books, VoiceServer(cloud.ports.url("voice")), (first, second), path.name)


def make_character(app: App, name: str, folder: Path) -> str:
    """The id of a character with one picture; Ada has the low voice."""
    place = int(name != "Ada")
    voice = list(VOICES.values())[place]
    recording, picture = folder / f"voice_{place}.wav", folder / f"picture_{place}.png"
    if not recording.exists():
        make_recording(voice, recording)
        write_picture(picture, _COLOURS[place])
    character_id = app.create_character(CharacterFiles(name, recording, [picture], voice.text))["id"]
    assert isinstance(character_id, str)
    return character_id


def seconds_until(claim: Any, *, seconds: float, what: str) -> float:
    """How long it took from now until the claim came true, looked at fifty times a second."""
    began = time.monotonic()
    wait_until(claim, seconds=seconds, what=what, poll_seconds=0.02)
    return time.monotonic() - began

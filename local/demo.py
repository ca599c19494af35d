"""Does the main job through the public API, as a client app would, and ends with what the person has then.

Run by `make demo`. PROMPT, VOICE_A, VOICE_B, IMAGE_A, IMAGE_B and BACKGROUND name the person's own text and files;
what is not given comes from samples that local.samples makes. VOICE_A_TEXT and VOICE_B_TEXT are the recordings' words.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.addresses import ROOT, Ports
from local.background import ensure_running, stop
from local.environment import product_environment, read_or_make_secrets
from local.parts import CloudError
from local.samples import make_samples

STATE = ROOT / ".local" / "state"
LOGS = ROOT / ".local" / "logs"
SAMPLES = ROOT / ".local" / "samples"
RESULT = ROOT / ".local" / "demo"
PROMPT = "Two friends find out that their phones have been writing poems to each other at night."
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 900.0
_STEP_MARKS = {"pending": " ", "in_progress": ">", "completed": "x", "failed": "!"}


class DemoError(Exception):
    """The demo cannot go on; the message says what to do."""


@dataclass(frozen=True)
class CharacterFiles:
    """What a character is made of. `ref_text` is empty when nobody wrote down the recording's words."""

    name: str
    recording: Path
    pictures: list[Path]
    ref_text: str


class Client:
    """A client app: one user's session with the API."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()

    def sign_up(self) -> dict[str, Any]:
        email = f"demo-{uuid.uuid4().hex[:12]}@example.com"
        body = {"name": "Demo User", "email": email, "password": uuid.uuid4().hex}
        answer = self.post("/api/signup", json=body)
        self.session.headers["Authorization"] = f"Bearer {answer['token']}"
        return answer

    def create_character(self, files: CharacterFiles) -> dict[str, Any]:
        fields = {"displayName": files.name, "speed": "1.0", "nfeSteps": "32"}
        if files.ref_text:
            fields["refText"] = files.ref_text
        parts = [("audioFile", (files.recording.name, files.recording.read_bytes()))]
        parts += [("imageFiles", (picture.name, picture.read_bytes())) for picture in files.pictures]
        return self.post("/api/characters/complete", data=fields, files=parts)

    def get(self, path: str) -> dict[str, Any]:
        return self._read(self.session.get(self.base_url + path, timeout=60))

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        return self._read(self.session.post(self.base_url + path, timeout=90, **request))

    def _read(self, response: requests.Response) -> dict[str, Any]:
        answer = response.json()
        if not response.ok:
            error = answer.get("error", {})
            raise DemoError(f"{response.request.method} {response.request.path_url}: {error.get('message', answer)}")
        assert isinstance(answer, dict)
        return answer


def say(text: str = "") -> None:
    print(text, flush=True)


def chosen_file(variable: str, fallback: Path) -> Path:
    """The person's file, or the sample. Raises DemoError when the person's is not there."""
    given = os.environ.get(variable, "")
    path = Path(given).expanduser() if given else fallback
    if not path.is_file():
        raise DemoError(f"{variable} names {path}, which is no file")
    return path


def character_files(letter: str) -> CharacterFiles:
    lower = letter.lower()
    recording = chosen_file(f"VOICE_{letter}", SAMPLES / f"voice_{lower}.wav")
    is_sample = recording.parent == SAMPLES
    ref_text = (SAMPLES / f"voice_{lower}.txt").read_text().strip() if is_sample else ""
    pictures = (
        [chosen_file(f"IMAGE_{letter}", Path())]
        if os.environ.get(f"IMAGE_{letter}")
        else sorted(SAMPLES.glob(f"{lower}_*.png"))
    )
    return CharacterFiles(
        name="Theo" if letter == "A" else "Mara",
        recording=recording,
        pictures=pictures,
        ref_text=os.environ.get(f"VOICE_{letter}_TEXT") or ref_text,
    )


def own_background() -> str | None:
    """The name in the library of the person's own background, put there as an admin would."""
    if not os.environ.get("BACKGROUND"):
        return None
    path = chosen_file("BACKGROUND", Path())
    name = f"demo_{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}.mp4"
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / name
        named.symlink_to(path.resolve())
        added = subprocess.run(
            [sys.executable, "-m", "local.library", str(named)],
            env=product_process_environment(),
            cwd=ROOT,
            check=False,
        )
    if added.returncode != 0:
        raise DemoError(f"BACKGROUND names {path}, which could not be added to the library")
    return name


def product_process_environment() -> dict[str, str]:
    """What a process of the running local cloud gets."""
    secrets = read_or_make_secrets(STATE / "secrets.json")
    return {**os.environ, **product_environment(Ports(), secrets, os.environ)}


def follow_job(client: Client, job_id: str) -> dict[str, Any]:
    """The ended job, its five steps shown as they go. Raises DemoError when it fails or takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    shown = ""
    while time.monotonic() < deadline:
        job = client.get(f"/api/video-jobs/{job_id}")
        steps = [f"[{_STEP_MARKS[step['status']]}] {step['stepName']:<20} {step['message']}" for step in job["steps"]]
        view = f"  {job['overallProgress']:5.1f} %  " + next(
            (step for step, each in zip(steps, job["steps"], strict=True) if each["stepName"] == job["currentStep"]),
            job["status"],
        )
        if view != shown:
            say(view)
            shown = view
        if job["status"] == "completed":
            for step in steps:
                say(f"           {step}")
            return job
        if job["status"] == "failed":
            raise DemoError(f"the video failed: {job['errorMessage']}")
        time.sleep(POLL_SECONDS)
    raise DemoError(f"the video was not finished within {PATIENCE_SECONDS:.0f} s")


def wait_for_balance(client: Client, expected: int, *, seconds: float = 90.0) -> None:
    """The trigger has captured the price, which follows the completion by a moment. Raises DemoError if it does not."""
    deadline = time.monotonic() + seconds
    while (tokens := int(client.get("/api/me")["tokens"])) != expected:
        if time.monotonic() > deadline:
            raise DemoError(f"the balance is {tokens} tokens, not {expected}: the video's price was not captured")
        time.sleep(POLL_SECONDS)


def run(client: Client) -> None:
    """The main job, from signing up to the file."""
    name = own_background()
    say("\nSigning up")
    user = client.sign_up()["user"]
    say(f"  {user['name']} has {user['tokens']} tokens")
    say("Making two characters from a recording and pictures each")
    characters = [client.create_character(character_files(letter)) for letter in "AB"]
    names = {character["id"]: character["displayName"] for character in characters}
    for character in characters:
        say(f"  {character['displayName']}: a recording and {character['imageCount']} pictures")
    prompt = os.environ.get("PROMPT") or PROMPT
    say(f"Having a dialogue written: {prompt}")
    script = client.post("/api/scripts/generate", json={"selectedCharacters": list(names), "prompt": prompt})
    for line in script["dialogue"]:
        say(f"  {names[line['speaker']]}: {line['text']}")
    say("Starting the video")
    body = {"backgroundVideo": name} if name else {}
    started = client.post(f"/api/scripts/{script['id']}/generate-video", json=body)
    job = follow_job(client, started["job"]["jobId"])
    RESULT.mkdir(parents=True, exist_ok=True)
    video = RESULT / "duologue.mp4"
    response = client.session.get(client.base_url + job["finalVideoPath"], timeout=60)
    response.raise_for_status()
    video.write_bytes(response.content)
    sheet = RESULT / "contact_sheet.png"
    make_contact_sheet(video, job["videoDuration"], sheet)
    paid = user["tokens"] - 1
    wait_for_balance(client, paid)
    activities = client.get("/api/my-activities")["activities"]
    say("\nYou have now")
    say(f"  video          {video}")
    say(f"  length, size   {job['videoDuration']:.1f} s, {video.stat().st_size / 1e6:.1f} MB")
    say(f"  contact sheet  {sheet}")
    say(f"  balance        {user['tokens']} -> {paid} tokens")
    say("  activity log")
    for activity in reversed(activities):
        say(f"    {activity['timestamp'][:19]}  {activity['type']:<28} {activity['message'][:80]}")


def make_contact_sheet(video: Path, duration_seconds: float, target: Path) -> None:
    """Eight frames of the video, evenly spread, in one picture."""
    rate = f"fps=8/{duration_seconds:.3f}:round=up"
    graph = f"{rate},scale=270:-1:flags=lanczos,tile=8x1:padding=6:color=white"
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(video), "-frames:v", "1", "-vf", graph, str(target)]
    subprocess.run(argv, check=True)


def main() -> int:
    try:
        say("Making samples for what was not given")
        make_samples(SAMPLES)
        ensure_running(say)
        run(Client("http://localhost:8000"))
    except (DemoError, CloudError, requests.RequestException) as error:
        print(f"\nThe demo stopped: {error}\nWhat each part wrote is in {LOGS}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe demo was interrupted; stopping the system, its data are kept.", file=sys.stderr)
        stop()
        return 130
    say("\nThe system is still up.")
    say("  base URL       http://localhost:8000")
    say("  stop it        make stop")
    return 0


if __name__ == "__main__":
    sys.exit(main())

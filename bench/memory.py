"""What one instance of each memory class takes, at the most that it is allowed to do at once.

    .venv/bin/python bench/memory.py [OPERATION ...]

Each operation is served as in production (functions-framework with gunicorn, one process of 16 threads, from
functions/venv), over Google's Firestore emulator, and called by as many clients at once as its concurrency lets in.
What is printed is the most memory that its processes took, each shared page once, and their temporary files, which lie
in memory on Cloud Run: when started, during the first request, and at the busiest moment. Exits with 1 when a request
was not answered with 200.
"""

import contextlib
import io
import os
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
import requests
from google.cloud.firestore import Client
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from accounts.enrolment import InitialTokens, ensure_user
from accounts.identity import Identity
from accounts.sessions import issue_session
from bench.report import machine
from bench.services import served, services
from bench.serving import SECRET, function_argv, function_environment
from characters.limits import MAX_PICTURE_PIXELS, MAX_RECORDING_BYTES, MIB
from gcp.endpoint import MAX_FORM_BYTES
from local.addresses import HOST, PROJECT_ID, Ports
from local.bytecode import compile_functions
from routes import Memory, Route, route_of
from scripts.script import MAX_LINE_LENGTH, MAX_LINES, DialogueLine, Script
from scripts.store import create_script
from tests.functions.things import write_character

PORTS = Ports().shifted(30_000)
FUNCTION_PORT = 38_500
# One for each request at once: some operations are limited for each user. The first owns what there is.
USERS = ("ann", *(f"user{number}" for number in range(1, 16)))
SCRIPTS = 100  # a page of a list has no more
ROUNDS = 3
# Of each class those that take most, and one that takes little.
OPERATIONS = ("get_me", "get_health", "generate_script", "list_my_scripts", "get_my_data", "create_character")
PICTURES = 4  # of the largest; more of them take the decoder longer than it may compute

Send = Callable[[int], requests.Response]


@dataclass(frozen=True)
class Taken:
    """The most MiB of an operation when started, during one request and during many, and other statuses than 200."""

    route: Route
    started: float
    first: float
    most: float
    refusals: frozenset[int]

    @property
    def left(self) -> float:
        """What is left of the allowed memory, as a part of it."""
        return 1 - self.most / int(self.route.memory)


@dataclass
class Watch:
    """The most memory that a process tree takes, from the start of the watch on."""

    root: psutil.Process
    scratch: Path
    most_bytes: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.004):
            self.most_bytes = max(self.most_bytes, self._taken())

    def _taken(self) -> int:
        pss, files = 0, {}
        for process in [self.root, *self.root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, OSError):
                pss += process.memory_full_info().pss
                for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                    if str(descriptor.readlink()).startswith(str(self.scratch)):
                        found = descriptor.stat()
                        files[found.st_ino] = found.st_blocks * 512
        return pss + sum(files.values())


@contextlib.contextmanager
def platform(environment: Mapping[str, str], scratch: Path) -> Iterator[Client]:
    """Firestore, Cloud Storage and the writer, with users who own as much as a page shows."""
    with services(PORTS, scratch):
        os.environ["FIRESTORE_EMULATOR_HOST"] = environment["FIRESTORE_EMULATOR_HOST"]
        db = Client(project=PROJECT_ID)
        now = datetime.now(UTC)
        for user_id in USERS:
            identity = Identity(user_id, "User", f"{user_id}@example.com", has_password=True)
            ensure_user(db, identity, InitialTokens(20, SECRET), now=now)
        for name in ("tom", "eva"):
            write_character(db, name)
        letters = "\U0001d11e" * MAX_LINE_LENGTH  # of four bytes each
        line = DialogueLine(speaker="tom", text=letters, audio_object=f"lines/ann/{'a' * 64}.wav")
        for number in range(SCRIPTS):
            script = Script(
                id=f"{number:032x}",
                owner_id="ann",
                selected_characters=("tom", "eva"),
                original_prompt="A dialogue about tea.",
                dialogue=(line,) * MAX_LINES,
                created_at=now,
                updated_at=now,
            )
            create_script(db, script)
        yield db


def largest_form() -> dict[str, Any]:
    """As much as is decoded in time: pictures that take most, and a recording of the bytes that the form has left."""
    generator = np.random.default_rng(1)
    pixels = np.full((1_500, 1_000, 4), 255, dtype=np.uint8)
    # Rough, so that the PNG made of it is large; half of it transparent, so that transparency is decoded too.
    pixels[..., :3] = generator.integers(0, 256, (*pixels.shape[:2], 3))
    pixels[: len(pixels) // 2, :, 3] = 0
    picture = io.BytesIO()
    Image.fromarray(pixels).resize((4_000, MAX_PICTURE_PIXELS // 4_000)).save(picture, "WEBP", quality=1, method=0)
    left = MAX_FORM_BYTES - PICTURES * len(picture.getvalue()) - MIB
    recording = io.BytesIO()
    with wave.open(recording, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(generator.bytes(min(left, MAX_RECORDING_BYTES - 100)))
    pictures = [("imageFiles", ("a.webp", picture.getvalue()))] * PICTURES
    return {"data": {"displayName": "Ann"}, "files": [("audioFile", ("a.wav", recording.getvalue())), *pictures]}


def sender(route: Route, port: int, session: requests.Session) -> Send:
    """A function that sends the operation's dearest request, for a caller's number."""
    url = f"http://{HOST}:{port}{route.path}"
    tokens = [issue_session(user_id, (SECRET,), now=datetime.now(UTC)) for user_id in USERS]
    form = largest_form() if route.memory is Memory.LARGE else {}

    def send(number: int) -> requests.Response:
        # Lists are asked by the user who owns something; what is limited for each user, by each.
        user = 0 if route.method == "GET" else number
        body: dict[str, Any] = dict(form)
        if route.function == "generate_script":
            body = {"json": {"selectedCharacters": ["tom", "eva"], "prompt": "A dialogue about tea, please."}}
        elif route.function in {"list_my_scripts", "get_my_data"}:
            body = {"params": {"limit": SCRIPTS}}
        headers = {"Authorization": f"Bearer {tokens[user]}"}
        return session.request(route.method, url, headers=headers, timeout=120, **body)

    return send


def measure(route: Route, port: int, environment: Mapping[str, str], scratch: Path) -> Taken:
    temporary = scratch / "tmp"
    temporary.mkdir(exist_ok=True)
    given = {**environment, "FUNCTION_TARGET": route.function, "TMPDIR": str(temporary)}
    functions, most, statuses = ROOT / "functions", list[float](), set[int]()
    argv = function_argv(route.function, functions / "main.py", port)
    with requests.Session() as session, ThreadPoolExecutor(route.concurrency) as clients:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        send = sender(route, port, session)
        with served(argv, port, given, functions) as process:
            for requests_at_once, rounds in ((0, 1), (1, 1), (route.concurrency, ROUNDS)):
                with Watch(process, temporary) as watch:
                    time.sleep(1.0)
                    for _ in range(rounds):
                        answers = list(clients.map(send, range(requests_at_once)))
                        statuses |= {answer.status_code for answer in answers}
                most.append(watch.most_bytes / MIB)
    print(f"  {route.function}: {most[-1]:.0f} MiB, answered {sorted(statuses)}", file=sys.stderr, flush=True)
    return Taken(route, started=most[0], first=most[1], most=most[2], refusals=frozenset(statuses - {200}))


def print_report(found: Sequence[Taken]) -> None:
    print(f"## Memory of an instance\n\n{machine()}\n")
    print(
        f"Lists of {SCRIPTS} of the longest scripts, a form with {PICTURES} of the largest pictures; the busiest of "
        f"{ROUNDS} rounds of as many requests at once as are let in.\n"
    )
    print("| operation | MiB allowed | requests at once | MiB started | MiB in the first | MiB at most | left |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for each in found:
        print(
            f"| `{each.route.function}` | {each.route.memory} | {each.route.concurrency} | {each.started:.0f} "
            f"| {each.first:.0f} | {each.most:.0f} | {each.left:.0%} |"
        )
    least = min(found, key=lambda each: each.left)
    print(f"\nThe least is left of `{least.route.function}`'s: {least.left:.0%} of what it is allowed.")
    for each in found:
        if each.refusals:
            refused = ", ".join(map(str, sorted(each.refusals)))
            print(f"`{each.route.function}` also answered {refused}: its figures are of less work than they should be.")


def main() -> int:
    environment = function_environment(PORTS)
    compile_functions(ROOT)
    with tempfile.TemporaryDirectory() as folder, platform(environment, Path(folder)):
        found = [
            measure(route_of(name), FUNCTION_PORT + number, environment, Path(folder))
            for number, name in enumerate(sys.argv[1:] or OPERATIONS)
        ]
    print_report(found)
    return int(any(each.refusals for each in found))


if __name__ == "__main__":
    sys.exit(main())

"""A real runner that is told to end, or whose job is cancelled, at every kind of work: what it leaves behind.

Cloud Run kills a container 10 s after SIGTERM, and gunicorn its worker after 7. Here nobody kills it, so that one which
would not end by itself is found. The seconds that it took are printed and not asserted.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from google.cloud.firestore import Client
from google.cloud.storage import Bucket

from contracts.background import BackgroundStatus, BackgroundTask, background_id
from contracts.job_snapshot import JobSnapshot, Line
from contracts.video_job import JobStatus, VideoJob
from contracts.video_task import VideoTask
from local.addresses import HOST, ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from local.tasks_emulator.identity import load_signer
from tests.emulators import free_port
from tests.faults.real_runner import PATIENCE_SECONDS, Answer, RealRunner, Relay, real_runner, real_voice
from tests.gpu_runner.jobs_fixtures import speaker, stored_job, write_job
from tests.media import write_background, write_espeak, write_picture
from videos.jobs import cancel_job

pytestmark = pytest.mark.timeout(1200)

# Two lines of about five seconds, so that the encode is still at work when its process has been found.
_TEXTS = (
    "The kettle is on, the window is open, and nobody has seen the cat.",
    "She sits on the roof, where she can see the whole of the garden.",
)
# The first words that a line's request and a video's upload consist of.
_LINE_ASKED, _VIDEO_UPLOADED = b"/queue/join", b'"name": "videos/'

_COMPLETED = (Answer(200, "completed"), JobStatus.COMPLETED, 1)
# What FFmpeg is given for the line that is encoded while the next is spoken, and for the one encoded after all.
_PIECES = ("captions_0.ass", "captions_1.ass")

StartRunner = Callable[..., RealRunner]


@pytest.fixture(scope="module")
def media_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A recording, a picture, a background, and a file that has to be converted to be one."""
    folder = tmp_path_factory.mktemp("media")
    write_espeak(folder / "recording.wav", speaker("a").ref_text)
    write_picture(folder / "picture.png", (200, 30, 30))
    write_background(folder / "sea.mp4", seconds=3)
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "testsrc=s=320x568:r=30:d=20"]
    subprocess.run([*argv, "-c:v", "mpeg4", str(folder / "unfit.mp4")], check=True)
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the development voice."""
    with real_voice(tmp_path_factory.mktemp("voice")) as url:
        yield url


@pytest.fixture
def slow_voice(voice: str) -> Iterator[str]:
    """One that takes seconds for every line that it is asked for during the test."""
    requests.put(f"{voice}/development/delay", json={"seconds": 6}, timeout=5).raise_for_status()
    yield voice
    requests.put(f"{voice}/development/delay", json={"seconds": 0}, timeout=5).raise_for_status()


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where the queue publishes its certificates, and where it keeps its key."""
    folder = tmp_path_factory.mktemp("tasks")
    settings = EmulatorSettings(
        grpc_port=0, http_port=0, state_folder=folder, queue_file=ROOT / "terraform" / "queue.json"
    )
    with TasksEmulator(settings) as emulator:
        yield f"http://{HOST}:{emulator.http_port}/certs", folder


@pytest.fixture
def open_until_the_end() -> Iterator[ExitStack]:
    """What is entered is left after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_runner(
    db: Client, bucket: Bucket, tasks: tuple[str, Path], tmp_path: Path, open_until_the_end: ExitStack
) -> StartRunner:
    """A function that starts a runner, with changes to its environment."""

    def start(**changes: str) -> RealRunner:
        port = free_port()
        certs_url, state_folder = tasks
        url = f"http://{HOST}:{port}"
        environment = {
            "GOOGLE_CLOUD_PROJECT": db.project,
            "MEDIA_BUCKET": bucket.name,
            "RUNNER_URL": url,
            "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT,
            "OIDC_CERTS_URL": certs_url,
            "VOICE_ID": "development",
        }
        token = load_signer(state_folder).sign_token(service_account_email=TASKS_SERVICE_ACCOUNT, audience=url)
        runner: AbstractContextManager[RealRunner] = real_runner(
            tmp_path / f"runner-{port}", environment | changes, token=token, port=port
        )
        return open_until_the_end.enter_context(runner)

    return start


@pytest.fixture
def relay_to(open_until_the_end: ExitStack) -> Callable[..., Relay]:
    """A function that puts a relay in front of the server at an address."""

    def relay(url: str, mark: bytes, *, holds_back: bool = False) -> Relay:
        address = urlsplit(url)
        made = Relay((address.hostname or "", address.port or 0), mark, holds_back=holds_back)
        open_until_the_end.callback(made.close)
        return made

    return relay


@pytest.fixture
def job(db: Client, bucket: Bucket, media_files: dict[str, Path]) -> VideoJob:
    """A job with all that it needs."""
    for each in (speaker("a"), speaker("b")):
        bucket.blob(each.recording).upload_from_filename(str(media_files["recording"]))
        bucket.blob(each.pictures[0]).upload_from_filename(str(media_files["picture"]))
    bucket.blob("backgrounds/sea.mp4").upload_from_filename(str(media_files["sea"]))
    job = write_job(db)
    reference = db.document("videoJobSnapshots", job.job_id)
    lines = tuple(Line(speaker=name, text=text) for name, text in zip("ab", _TEXTS, strict=True))
    reference.set(
        JobSnapshot.model_validate(reference.get().to_dict()).model_copy(update={"lines": lines}).to_document()
    )
    return job


def given_back(db: Client, job: VideoJob) -> bool:
    """Whether the job is as before its delivery, but for what has been shown of it and the fence."""
    stored = stored_job(db, job.job_id)
    return (stored.status, stored.lease_until, stored.attempts) == (JobStatus.IN_PROGRESS, None, 0)


def render(runner: RealRunner, job: VideoJob) -> Answer:
    return runner.deliver("/render", VideoTask(job_id=job.job_id)).result(PATIENCE_SECONDS)


def outcome_of_another(db: Client, runner: RealRunner, job: VideoJob) -> tuple[Answer, JobStatus, int]:
    """What another runner answers for the job, and how the job stands then, after how many attempts."""
    answer, stored = render(runner, job), stored_job(db, job.job_id)
    return answer, stored.status, stored.attempts


def test_an_idle_runner_ends(start_runner: StartRunner, voice: str) -> None:
    assert start_runner(F5_TTS_URL=voice).end() == []


def test_a_runner_that_speaks_gives_its_job_back(
    db: Client, job: VideoJob, start_runner: StartRunner, slow_voice: str, relay_to: Callable[..., Relay]
) -> None:
    relay = relay_to(slow_voice, _LINE_ASKED)
    runner = start_runner(F5_TTS_URL=f"http://{HOST}:{relay.port}")
    answer = runner.deliver("/render", VideoTask(job_id=job.job_id))
    assert relay.seen.wait(PATIENCE_SECONDS)

    alive = runner.end()

    assert (alive, answer.result(), given_back(db, job)) == ([], Answer(503, "stopped"), True)
    assert outcome_of_another(db, start_runner(F5_TTS_URL=slow_voice), job) == _COMPLETED


def test_a_runner_takes_the_voice_of_its_own_along(
    db: Client, job: VideoJob, start_runner: StartRunner, relay_to: Callable[..., Relay]
) -> None:
    port = free_port()
    # No line is ever spoken: a runner that waited for one would not end by itself.
    relay = relay_to(f"http://{HOST}:{port}", _LINE_ASKED, holds_back=True)
    start = f"import sys; sys.path.insert(0, '{ROOT}')"
    serve = f"from local.voice_server import main; sys.argv[1:] = ['--port', '{port}']; main()"
    command = f'{sys.executable} -c "{start}; {serve}"'
    runner = start_runner(F5_TTS_URL=f"http://{HOST}:{relay.port}", VOICE_COMMAND=command)
    runner.wait_until_ready()
    answer = runner.deliver("/render", VideoTask(job_id=job.job_id))
    assert relay.seen.wait(PATIENCE_SECONDS)

    alive = runner.end()

    assert (alive, answer.result(), given_back(db, job)) == ([], Answer(503, "stopped"), True)


@pytest.mark.parametrize("captions", _PIECES)
def test_a_runner_that_encodes_gives_its_job_back(
    db: Client, job: VideoJob, start_runner: StartRunner, voice: str, captions: str
) -> None:
    runner = start_runner(F5_TTS_URL=voice)
    answer = runner.deliver("/render", VideoTask(job_id=job.job_id))
    runner.wait_for_ffmpeg(captions)

    alive = runner.end()

    assert (alive, answer.result(), given_back(db, job)) == ([], Answer(503, "stopped"), True)
    assert outcome_of_another(db, start_runner(F5_TTS_URL=voice), job) == _COMPLETED


def test_a_runner_whose_upload_hangs_gives_its_job_back(
    db: Client, job: VideoJob, start_runner: StartRunner, voice: str, relay_to: Callable[..., Relay]
) -> None:
    relay = relay_to(os.environ["STORAGE_EMULATOR_HOST"], _VIDEO_UPLOADED, holds_back=True)
    runner = start_runner(F5_TTS_URL=voice, STORAGE_EMULATOR_HOST=f"http://{HOST}:{relay.port}")
    answer = runner.deliver("/render", VideoTask(job_id=job.job_id))
    assert relay.seen.wait(PATIENCE_SECONDS)

    alive = runner.end()

    assert (alive, answer.result(), given_back(db, job)) == ([], Answer(503, "stopped"), True)
    assert outcome_of_another(db, start_runner(F5_TTS_URL=voice), job) == _COMPLETED


def test_a_runner_that_converts_a_background_leaves_nothing_of_it(
    db: Client, bucket: Bucket, media_files: dict[str, Path], start_runner: StartRunner, voice: str
) -> None:
    blob = bucket.blob("backgrounds/unfit.mp4")
    blob.upload_from_filename(str(media_files["unfit"]))
    task = BackgroundTask(source_object=blob.name, source_generation=int(blob.generation))
    runner = start_runner(F5_TTS_URL=voice)
    answer = runner.deliver("/backgrounds", task)
    runner.wait_for_ffmpeg("copy.mp4")

    alive = runner.end()

    entry = db.document("backgrounds", background_id("unfit.mp4"))
    assert (alive, answer.result(), entry.get().exists) == ([], Answer(503, "stopped"), False)
    assert [each.name for each in bucket.list_blobs()] == [blob.name]
    again = start_runner(F5_TTS_URL=voice).deliver("/backgrounds", task).result(PATIENCE_SECONDS)
    assert (again, entry.get().get("status")) == (Answer(200, "listed"), BackgroundStatus.LISTED)


def test_a_job_that_is_cancelled_while_it_is_spoken_is_left(
    db: Client, job: VideoJob, start_runner: StartRunner, voice: str, relay_to: Callable[..., Relay]
) -> None:
    relay = relay_to(voice, _LINE_ASKED, holds_back=True)  # no line is ever spoken
    answer = start_runner(F5_TTS_URL=f"http://{HOST}:{relay.port}").deliver("/render", VideoTask(job_id=job.job_id))
    assert relay.seen.wait(PATIENCE_SECONDS)

    cancel_job(db, job.job_id, datetime.now(UTC))

    cancelled = stored_job(db, job.job_id)
    assert answer.result(PATIENCE_SECONDS) == Answer(409, "lease_lost")
    assert stored_job(db, job.job_id) == cancelled


@pytest.mark.parametrize("captions", _PIECES)
def test_a_job_that_is_cancelled_while_it_is_encoded_loses_its_ffmpeg(
    db: Client, bucket: Bucket, job: VideoJob, start_runner: StartRunner, voice: str, *, captions: str
) -> None:
    runner = start_runner(F5_TTS_URL=voice)
    answer = runner.deliver("/render", VideoTask(job_id=job.job_id))
    (encoder,) = runner.wait_for_ffmpeg(captions)
    encoder.suspend()  # however quick the machine, it must be ended and not have ended

    cancel_job(db, job.job_id, datetime.now(UTC))

    assert answer.result(PATIENCE_SECONDS) == Answer(409, "lease_lost")
    assert not encoder.is_running()
    assert list(bucket.list_blobs(prefix="videos/")) == []

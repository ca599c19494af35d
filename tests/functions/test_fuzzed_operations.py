"""Every operation under requests made from the API document, in one process, on real emulators.

Firebase Auth is not among them: what needs it is answered with 503 here, and is asked through port 8000 in
tests/end_to_end/test_fuzzed_cloud.py.
"""

import importlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Request, Response
from schemathesis import Case
from schemathesis.checks import not_a_server_error

from accounts.sessions import issue_session
from accounts.users import User
from characters.character import Character, Recording, VoiceConfig
from characters.store import write_new_character
from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.video_job import JobStatus, VideoJob
from gcp import clients
from gcp.settings import settings
from local.addresses import QUEUE, ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from local.writer_server import make_server
from routes import ROUTES, siblings
from scripts.script import DialogueLine, Script
from scripts.store import create_script, new_script_id
from tests.fuzzing import API, CHECKS, aim, bounded
from videos.jobs import new_job_id

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NEEDS_FIREBASE_AUTH = {"signup", "login", "refresh_token"}
# Nothing listens there.
CLOSED = "127.0.0.1:9"
_CACHED = (settings, clients.firestore, clients.openai, clients.media_bucket, clients.tasks)


@pytest.fixture(scope="module")
def writer() -> Iterator[str]:
    server = make_server(0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def tasks_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A queue that keeps its tasks: the runner's address is nobody's."""
    folder: Path = tmp_path_factory.mktemp("tasks")
    queue_file = ROOT / "terraform" / "queue.json"
    wanted = EmulatorSettings(grpc_port=0, http_port=0, state_folder=folder, queue_file=queue_file)
    with TasksEmulator(wanted) as emulator:
        yield f"127.0.0.1:{emulator.grpc_port}"


@pytest.fixture
def whole_product(
    product: pytest.MonkeyPatch, bucket: "Bucket", writer: str, tasks_emulator: str
) -> Iterator[pytest.MonkeyPatch]:
    """Every part that the operations talk to, but for Firebase Auth."""
    variables = {
        "MEDIA_BUCKET": bucket.name,
        "OPENAI_API_KEY": "local-development-writer",
        "OPENAI_BASE_URL": writer,
        "WEB_API_KEY": "local-development-key",
        "FIREBASE_AUTH_EMULATOR_HOST": CLOSED,
        "CLOUD_TASKS_EMULATOR_HOST": tasks_emulator,
        "RUNNER_URL": f"http://{CLOSED}",
        "RENDER_QUEUE": QUEUE,
        "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT,
        "ADDRESS_HASH_KEY": "local-development-" + "a" * 40,
    }
    for name, value in variables.items():
        product.setenv(name, value)
    for each in _CACHED:
        each.cache_clear()
    clients.tasks().pause_queue(name=QUEUE)
    yield product
    clients.tasks().transport.close()  # type: ignore[no-untyped-call]  # the package says nothing of it
    for each in _CACHED[1:]:
        each.cache_clear()


@pytest.fixture
def resources(db: "Client", make_user: Callable[..., User]) -> dict[str, str]:
    """A user's characters, script and job by the names that paths have for them, and a background."""
    make_user("user1", tokens=1000)
    for name in ("character1", "character2"):
        write_new_character(db, _character(name))
    script_id, job_id = new_script_id(), new_job_id()
    job = VideoJob(
        job_id=job_id,
        script_id=script_id,
        user_id="user1",
        title="Two neighbours talk about a radio.",
        status=JobStatus.COMPLETED,
        price_tokens=1,
        background_video="background_005.mp4",
        created_at=NOW,
        deadline_at=NOW,
    )
    db.document("videoJobs", job_id).create(job.to_document())
    background = _background()
    db.document("backgrounds", background_id(background.name)).create(background.to_document())
    create_script(
        db,
        Script(
            id=script_id,
            owner_id="user1",
            selected_characters=("character1", "character2"),
            original_prompt="Two neighbours talk about a radio.",
            dialogue=(DialogueLine(speaker="character1", text="It plays."),),
            created_at=NOW,
            updated_at=NOW,
            video_job_id=job_id,
        ),
    )
    return {
        "characterId": "character1",
        "otherCharacterId": "character2",
        "scriptId": script_id,
        "jobId": job_id,
        "ownerId": "user1",
    }


def _character(character_id: str) -> Character:
    return Character(
        id=character_id,
        display_name="Ada",
        config=VoiceConfig(),
        recording=Recording(object_name=f"recordings/user1/{'a' * 32}.wav", duration_seconds=3.0),
        images={"0": f"images/user1/{'b' * 32}.png"},
        next_image_key=1,
        output_prefix="ada",
        owner_id="user1",
        owner_name="User1",
        created_at=NOW,
        updated_at=NOW,
    )


def _background() -> BackgroundVideo:
    return BackgroundVideo(
        name="background_005.mp4",
        status=BackgroundStatus.LISTED,
        object_name=f"library/{'e' * 32}.mp4",
        thumbnail_object=f"images/backgrounds/{'f' * 32}.png",
        duration_seconds=9.0,
        width=1080,
        height=1920,
        source_object="backgrounds/background_005.mp4",
        source_generation=1,
        created_at=NOW,
        updated_at=NOW,
    )


def hosting(environ: dict[str, Any], start_response: Any) -> Any:
    """Hosting as a WSGI application: a path's first function answers, and `not_found` where there is none."""
    with Request(environ) as request:
        route = next((each for each in ROUTES if each.match(request.path) is not None), None)
        first = siblings(route)[0] if route else None
        module, function = (first.module, first.function) if first else ("gcp.not_found", "not_found")
        response: Response = getattr(importlib.import_module(module), function)(request)
    return response(environ, start_response)


@API.parametrize()
@bounded(15)
def test_an_operation_answers_as_documented_whatever_it_is_sent(
    case: Case[Any], whole_product: pytest.MonkeyPatch, resources: dict[str, str]
) -> None:
    assert whole_product
    aim(case, resources)
    token = issue_session("user1", settings().jwt_secrets, now=datetime.now(UTC))
    needs_auth = case.operation.definition.raw["operationId"] in NEEDS_FIREBASE_AUTH
    checks = [each for each in CHECKS if not (needs_auth and each is not_a_server_error)]

    case.call_and_validate(app=hosting, headers={"Authorization": f"Bearer {token}"}, checks=checks)

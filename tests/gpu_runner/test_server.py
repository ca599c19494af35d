"""Who may start a render, against tokens that the Cloud Tasks emulator signs and Google's own library verifies."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient
from google.cloud.firestore import Client
from google.cloud.storage import Bucket

from contracts.background import MAX_TRIES, background_id
from contracts.environment import Environment
from contracts.runner_report import RUNNER, RunnerReport, RunnerStatus
from contracts.video_task import VideoTask
from gpu_runner.background import Backgrounds
from gpu_runner.errors import TransientError
from gpu_runner.health import RunnerHealth
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.reports import Reports
from gpu_runner.server import Services, build_app, caller_verifier, make_scratch_root
from gpu_runner.voice import F5Voice
from local.addresses import PROJECT_ID, ROOT, TASKS_SERVICE_ACCOUNT
from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from local.tasks_emulator.identity import load_signer
from tests.emulators import free_port
from tests.gpu_runner.jobs_fixtures import stored_job, write_job

RUNNER_URL = "https://runner.example"


@pytest.fixture(scope="module")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def certs_url(state_folder: Path) -> Iterator[str]:
    """Where the emulator publishes its certificates."""
    emulator_settings = EmulatorSettings(
        grpc_port=0, http_port=0, state_folder=state_folder, queue_file=ROOT / "terraform" / "queue.json"
    )
    with TasksEmulator(emulator_settings) as emulator:
        yield f"http://127.0.0.1:{emulator.http_port}/certs"


@pytest.fixture
def services(db: Client, bucket: Bucket, tmp_path: Path) -> Services:
    health = RunnerHealth("http://127.0.0.1:9/", tmp_path, find_encoder=lambda: "libx264")
    media = MediaStore(bucket)
    return Services(
        jobs=Jobs(db),
        backgrounds=Backgrounds(db, media, tmp_path),
        reports=Reports(db, health.troubles),
        health=health,
        media=media,
        voice=F5Voice("http://127.0.0.1:9/", voice_id="f5-tts"),
        scratch_root=tmp_path,
    )


@pytest.fixture
def runner(services: Services, certs_url: str) -> FlaskClient:
    return runner_of(services, certs_url)


def runner_of(services: Services, certs_url: str) -> FlaskClient:
    variables = {"RUNNER_URL": RUNNER_URL, "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT, "OIDC_CERTS_URL": certs_url}
    return build_app(services, verify_caller=caller_verifier(Environment(PROJECT_ID, variables))).test_client()


@pytest.fixture
def token_of(certs_url: str, state_folder: Path) -> Callable[..., str]:
    """A function that signs claims as the queue would, but for the changes asked for."""
    assert certs_url
    signer = load_signer(state_folder)

    def token(**changes: Any) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": "https://accounts.google.com",
            "aud": RUNNER_URL,
            "email": TASKS_SERVICE_ACCOUNT,
            "email_verified": True,
            "sub": "1",
            "iat": now,
            "exp": now + timedelta(hours=1),
        }
        return jwt.encode(claims | changes, signer.key_pem, algorithm="RS256", headers={"kid": signer.key_id})

    return token


def render(runner: FlaskClient, authorization: str, body: bytes | None = None) -> int:
    data = body if body is not None else VideoTask(job_id="0" * 32).model_dump_json(by_alias=True).encode()
    return runner.post("/render", data=data, headers={"Authorization": authorization}).status_code


def test_the_queue_may_start_a_render(runner: FlaskClient, token_of: Callable[..., str]) -> None:
    assert render(runner, f"Bearer {token_of()}") == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"aud": "https://elsewhere.example"}, id="made for another service"),
        pytest.param({"email": "stranger@demo-duologue.iam.gserviceaccount.com"}, id="another account"),
        pytest.param({"email_verified": False}, id="unverified address"),
        pytest.param({"iss": "https://evil.example"}, id="another issuer"),
        pytest.param({"exp": datetime.now(UTC) - timedelta(hours=1)}, id="expired"),
    ],
)
def test_a_token_that_is_not_the_queues_is_refused(
    runner: FlaskClient, token_of: Callable[..., str], changes: dict[str, Any]
) -> None:
    assert render(runner, f"Bearer {token_of(**changes)}") == 403


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer a.b.c", "Basic YTpi"])
def test_a_caller_without_a_token_is_refused(runner: FlaskClient, authorization: str) -> None:
    assert render(runner, authorization) == 403


def test_an_outage_of_the_certificates_is_no_refusal(
    services: Services, token_of: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    runner = runner_of(services, f"http://127.0.0.1:{free_port()}/certs")

    assert render(runner, f"Bearer {token_of()}") == 500
    assert "TransportError" in capsys.readouterr().out


def test_a_refused_caller_is_logged_without_its_token(runner: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    render(runner, "Bearer secret.token.text")

    line = capsys.readouterr().out
    assert '"event": "foreign_caller"' in line
    assert "secret" not in line


def test_a_token_signed_by_a_stranger_is_refused(runner: FlaskClient) -> None:
    token = jwt.encode({"aud": RUNNER_URL, "email": TASKS_SERVICE_ACCOUNT}, "k" * 40, algorithm="HS256")

    assert render(runner, f"Bearer {token}") == 403


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", json.dumps({"version": 2, "jobId": "x"}).encode()])
def test_a_body_that_is_no_task_is_refused_and_logged(
    runner: FlaskClient, token_of: Callable[..., str], body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render(runner, f"Bearer {token_of()}", body) == 422
    assert '"event": "not_a_task"' in capsys.readouterr().out


def test_a_document_that_is_no_job_is_not_taken_for_a_body_that_is_no_task(
    runner: FlaskClient, token_of: Callable[..., str], db: Client
) -> None:
    db.document("videoJobs", "0" * 32).set({"version": 1})

    assert render(runner, f"Bearer {token_of()}") == 500


@pytest.fixture
def ended_process_id() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


def test_a_runner_removes_what_killed_runners_left_and_nothing_else(tmp_path: Path, ended_process_id: int) -> None:
    left = tmp_path / f"duologue-runner-{ended_process_id}-abc"
    kept = [tmp_path / f"duologue-runner-{os.getpid()}-abc", tmp_path / f"duologue-voice-{ended_process_id}"]
    for folder in (left, *kept):
        (folder / "job").mkdir(parents=True)

    made = make_scratch_root(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([*kept, made])


def test_two_runners_have_a_scratch_folder_each(tmp_path: Path) -> None:
    assert make_scratch_root(tmp_path) != make_scratch_root(tmp_path)


@pytest.mark.parametrize("path", ["/live", "/health"])
def test_health_needs_no_token(runner: FlaskClient, path: str) -> None:
    assert runner.get(path).status_code == 200


def test_health_tells_of_every_part_also_when_one_does_not_work(runner: FlaskClient) -> None:
    answer = runner.get("/health").get_json()

    assert answer["status"] == "degraded"
    assert answer["checks"]["voiceServer"]["status"] == "unavailable"
    assert answer["checks"]["encoder"] == {"status": "healthy", "name": "libx264"}
    assert set(answer["checks"]) == {"voiceServer", "encoder", "cpu", "memory", "disk"}


def take_in(runner: FlaskClient, authorization: str, body: dict[str, object]) -> tuple[int, str]:
    answer = runner.post("/backgrounds", json=body, headers={"Authorization": authorization})
    return answer.status_code, answer.get_json()["outcome"]


TASK = {"version": 1, "sourceObject": "backgrounds/sea.mp4", "sourceGeneration": 1}


def test_only_the_queue_may_have_a_background_looked_at(runner: FlaskClient) -> None:
    assert take_in(runner, "Bearer a.b.c", TASK) == (403, "foreign_caller")


def test_a_task_of_a_background_that_is_gone_is_done(runner: FlaskClient, token_of: Callable[..., str]) -> None:
    assert take_in(runner, f"Bearer {token_of()}", TASK) == (200, "gone")


def test_a_render_is_no_task_of_a_background(runner: FlaskClient, token_of: Callable[..., str]) -> None:
    assert take_in(runner, f"Bearer {token_of()}", {"version": 1, "jobId": "0" * 32}) == (422, "not_a_task")


def test_a_bucket_that_does_not_answer_has_the_task_delivered_again(
    services: Services, db: Client, tmp_path: Path, certs_url: str, token_of: Callable[..., str]
) -> None:
    class Outage(MediaStore):
        def download_generation(self, object_name: str, generation: int, target: Path) -> datetime | None:
            raise TransientError(f"no {object_name} {generation} {target}")

    broken = replace(services, backgrounds=Backgrounds(db, Outage(None), tmp_path))

    assert take_in(runner_of(broken, certs_url), f"Bearer {token_of()}", TASK) == (500, "interrupted")


def test_a_runner_that_ends_renders_no_job(
    services: Services, runner: FlaskClient, token_of: Callable[..., str], db: Client
) -> None:
    job = write_job(db, job_id="0" * 32)
    services.shutdown.begin()

    assert render(runner, f"Bearer {token_of()}") == 503
    assert stored_job(db, job.job_id) == job


def test_a_runner_that_ends_looks_at_no_background(
    services: Services, runner: FlaskClient, token_of: Callable[..., str]
) -> None:
    services.shutdown.begin()

    assert take_in(runner, f"Bearer {token_of()}", TASK) == (503, "stopped")


def test_the_queues_count_of_tries_has_a_background_given_up(
    runner: FlaskClient, token_of: Callable[..., str], db: Client
) -> None:
    task = TASK | {"sourceCreatedAt": "2026-01-01T12:00:00Z"}
    headers = {"Authorization": f"Bearer {token_of()}", "X-CloudTasks-TaskRetryCount": str(MAX_TRIES - 1)}

    answer = runner.post("/backgrounds", json=task, headers=headers)

    assert (answer.status_code, answer.get_json()) == (200, {"outcome": "refused"})
    assert db.document("backgrounds", background_id("sea.mp4")).get().get("reason")


def test_the_runner_reports_what_it_found_when_its_work_is_done(
    runner: FlaskClient, token_of: Callable[..., str], db: Client
) -> None:
    render(runner, f"Bearer {token_of()}")

    reported = RunnerReport.model_validate(db.document("runnerReports", RUNNER).get().to_dict())
    assert (reported.status, reported.troubles[0]) == (RunnerStatus.TROUBLED, "voiceServer")

"""What Cloud Tasks call: `POST /render` and `POST /backgrounds`. 2xx ends a task, anything else delivers it again.

200  the job ended, in this call or before, or it is hopeless and was failed; the background is listed or refused
403  the caller is not our queue; the log has the class of the reason
409  another runner holds the lease, or took it
422  the body is not the task of that path, which is retried in vain and shows up in the queue's alerts
500  something transient, or a fault of ours; the lease is free. Also an outage of the certificates for the token
503  this process has been told to end; the lease is free

After SIGTERM whatever is in hand stops within a second or two, so that the process ends before its platform kills it.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from contracts import log
from contracts.background import BackgroundTask
from contracts.environment import Environment, checked_project_id
from contracts.message import Message
from contracts.video_job import MAX_ATTEMPTS, VideoJob
from contracts.video_task import VideoTask
from gpu_runner.background import Backgrounds
from gpu_runner.errors import HopelessError, LeaseLostError, ShutdownError, TransientError, attempts_used_up
from gpu_runner.health import RunnerHealth
from gpu_runner.interruption import Shutdown
from gpu_runner.jobs import Busy, Ended, Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.pipeline import Render
from gpu_runner.progress import Progress
from gpu_runner.reports import Reports
from gpu_runner.voice import F5Voice, Voice
from gpu_runner.voice_process import VoiceProcess, start_voice

_SCRATCH_PREFIX = "duologue-runner-"

VerifyCaller = Callable[[str], None]
Task = TypeVar("Task", bound=Message)


class ForeignCallerError(Exception):
    """The request does not come from our queue."""


class NotATaskError(Exception):
    """The body is not the task of its path."""


@dataclass(frozen=True)
class Services:
    """What the runner works with, of the outside."""

    jobs: Jobs
    backgrounds: Backgrounds
    reports: Reports
    health: RunnerHealth
    media: MediaStore
    voice: Voice
    scratch_root: Path
    voice_process: VoiceProcess | None = None
    shutdown: Shutdown = field(default_factory=Shutdown)

    def voice_in_use(self) -> AbstractContextManager[None]:
        """For as long as lines may be spoken."""
        return nullcontext() if self.voice_process is None else self.voice_process.of_work()

    def end_voice(self) -> None:
        """A voice that is ours is gone: the process would not end before the line that it still speaks."""
        if self.voice_process is not None:
            self.voice_process.stop()


def create_app() -> Flask:
    """The runner as its environment describes it."""
    # Deferred: nothing talks to Google when this module is imported.
    from google.cloud import firestore, storage

    environment = Environment(checked_project_id(os.environ), dict(os.environ))
    project_id = environment.project_id
    db = firestore.Client(project=project_id)
    media = MediaStore(storage.Client(project=project_id).bucket(environment.require("MEDIA_BUCKET")))
    verify_caller = caller_verifier(environment)
    voice_url = environment.get("F5_TTS_URL", "http://127.0.0.1:7860/")
    scratch_root = make_scratch_root(Path(tempfile.gettempdir()))
    voice_process = start_voice(environment, scratch_root)
    count_restarts = None if voice_process is None else lambda: voice_process.restarts
    health = RunnerHealth(voice_url, scratch_root, count_restarts=count_restarts)
    shutdown = Shutdown()
    shutdown.begin_at_sigterm()
    services = Services(
        jobs=Jobs(db),
        backgrounds=Backgrounds(db, media, scratch_root),
        # The last report waits for no check: there is little time, and no process that they would tell of.
        reports=Reports(db, lambda: () if shutdown.has_begun else health.troubles()),
        health=health,
        media=media,
        voice=F5Voice(
            voice_url,
            voice_id=environment.get("VOICE_ID", "f5-tts"),
            renew_server=None if voice_process is None else voice_process.renew,
        ),
        scratch_root=scratch_root,
        voice_process=voice_process,
        shutdown=shutdown,
    )
    return build_app(services, verify_caller=verify_caller)


def make_scratch_root(parent: Path) -> Path:
    """A new folder of this process in `parent`; those of processes that are gone have gone too.

    A render's own folder goes with the render, so only a killed process leaves anything.
    """
    for folder in parent.glob(f"{_SCRATCH_PREFIX}*"):
        owner = re.match(rf"{_SCRATCH_PREFIX}(\d+)-", folder.name)
        if owner and not _is_alive(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH_PREFIX}{os.getpid()}-", dir=parent))


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def build_app(services: Services, *, verify_caller: VerifyCaller) -> Flask:
    """The HTTP server over these services."""
    app = Flask("gpu_runner")

    _answer_checks(app, services.health)

    @app.post("/render")
    def render() -> Response:
        started_at = time.monotonic()
        verify_caller(request.headers.get("Authorization", ""))
        task = _task(VideoTask)
        services.shutdown.check()
        with services.reports.of_work(), services.voice_in_use():
            outcome, status = render_job(services, task.job_id)
            if services.shutdown.has_begun:
                services.end_voice()
        log.info(
            "render_finished",
            job_id=task.job_id,
            outcome=outcome,
            status=status,
            task_retry_count=request.headers.get("X-CloudTasks-TaskRetryCount"),
            duration_seconds=round(time.monotonic() - started_at, 1),
        )
        return _answer(outcome, status)

    @app.post("/backgrounds")
    def take_in_background() -> Response:
        verify_caller(request.headers.get("Authorization", ""))
        task = _task(BackgroundTask)
        services.shutdown.check()
        with services.reports.of_work():
            outcome = services.backgrounds.take_in(task, tries=_tries(), check=services.shutdown.check)
        return _answer(outcome, 200)

    @app.errorhandler(ForeignCallerError)
    def refuse_caller(error: ForeignCallerError) -> Response:
        log.warning("foreign_caller", error=type(error.__cause__ or error).__name__)
        return _answer("foreign_caller", 403)

    @app.errorhandler(NotATaskError)
    def refuse_task(_error: NotATaskError) -> Response:
        log.warning("not_a_task", path=request.path)
        return _answer("not_a_task", 422)

    @app.errorhandler(ShutdownError)
    def stop(_error: ShutdownError) -> Response:
        log.info("stopped", path=request.path)
        return _answer("stopped", 503)

    @app.errorhandler(TransientError)
    def interrupt(error: TransientError) -> Response:
        log.warning("interrupted", path=request.path, reason=str(error))
        return _answer("interrupted", 500)

    @app.errorhandler(Exception)
    def fail(error: Exception) -> Response | HTTPException:
        if isinstance(error, HTTPException):
            return error
        log.error("request_crashed", error=type(error).__name__, at=log.frames_of(error))
        return _answer("crashed", 500)

    return app


def _answer_checks(app: Flask, runner_health: RunnerHealth) -> None:
    """What a platform and people ask."""

    @app.get("/live")
    def live() -> Response:
        """200 while the process answers: nothing is looked at, so that a platform may ask every second."""
        return jsonify(status="healthy")

    @app.get("/ready")
    def ready() -> Response:
        """200 while lines can be spoken, 503 until the voice server serves and whenever it does not."""
        serves = runner_health.voice_serves()
        response = jsonify(status="ready" if serves else "unavailable")
        response.status_code = 200 if serves else 503
        return response

    @app.get("/health")
    def health() -> Response:
        """200 while the process answers; the checks say how the machine is, and what does not work is `degraded`."""
        checks = runner_health.checks()
        is_healthy = all(check["status"] in {"healthy", "unknown"} for check in checks.values())
        return jsonify(status="healthy" if is_healthy else "degraded", checks=checks)


def _task(model: type[Task]) -> Task:
    """The request's body. Raises NotATaskError."""
    try:
        return model.model_validate_json(request.get_data())
    except ValidationError as error:
        raise NotATaskError from error


def _tries() -> int:
    """How often the request's task was delivered, this time included."""
    retries = request.headers.get("X-CloudTasks-TaskRetryCount", "")
    return int(retries) + 1 if retries.isdecimal() else 1


def _answer(outcome: str, status: int) -> Response:
    response = jsonify(outcome=outcome)
    response.status_code = status
    return response


def render_job(services: Services, job_id: str) -> tuple[str, int]:
    """The job is rendered if it is ours to render; what became of it, and the status for Cloud Tasks."""
    try:
        claim = services.jobs.claim(job_id)
        if isinstance(claim, Ended):
            return f"was_{claim.reason}", 200
        if isinstance(claim, Busy):
            return "busy", 409
        return _render(services, claim)
    except LeaseLostError:
        return "lease_lost", 409
    except Exception as error:  # noqa: BLE001 (the outermost handler: the job's document cannot be read or written)
        log.error("job_out_of_reach", job_id=job_id, error=type(error).__name__, at=log.frames_of(error))
        return "out_of_reach", 500


def _render(services: Services, job: VideoJob) -> tuple[str, int]:
    """As render_job, for a job whose lease is ours. Raises what keeps that from being written."""
    progress = Progress(lambda steps, current: services.jobs.write_progress(job, steps, current))
    try:
        with tempfile.TemporaryDirectory(
            prefix=f"{job.job_id}-",
            dir=services.scratch_root,
            ignore_cleanup_errors=True,  # a download that was left behind may still write there
        ) as scratch:
            status = Render(
                job=job,
                snapshot=services.jobs.read_snapshot(job),
                jobs=services.jobs,
                media=services.media,
                voice=services.voice,
                progress=progress,
                scratch=Path(scratch),
                shutdown=services.shutdown,
            ).run()
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 (the outermost handler of a render: whatever it is, the lease goes back)
        return _end_early(services, job, error, progress)
    return status, 200


def _end_early(services: Services, job: VideoJob, error: Exception, progress: Progress) -> tuple[str, int]:
    """The job is failed, or its lease given back. Raises what keeps that from being written."""
    if services.shutdown.has_begun:
        # Whatever failed may have failed because of that, as the voice does and an FFmpeg that had the signal too.
        error = ShutdownError()
    if isinstance(error, HopelessError):
        return _fail(services, job, error, progress)
    if isinstance(error, TransientError):
        return _interrupt(services, job, error, progress)
    log.error("render_crashed", job_id=job.job_id, error=type(error).__name__, at=log.frames_of(error))
    return _interrupt(services, job, TransientError(type(error).__name__, at_last=attempts_used_up()), progress)


def _fail(services: Services, job: VideoJob, error: HopelessError, progress: Progress) -> tuple[str, int]:
    log.error("render_hopeless", job_id=job.job_id, code=error.code)
    services.jobs.fail(job, error, progress.steps)
    return "failed", 200


def _interrupt(services: Services, job: VideoJob, error: TransientError, progress: Progress) -> tuple[str, int]:
    log.warning("render_interrupted", job_id=job.job_id, attempt=job.attempts, reason=str(error))
    if error.at_last is None:
        services.jobs.give_back(job, attempt_counts=False)
    elif job.attempts >= MAX_ATTEMPTS:
        log.error("render_hopeless", job_id=job.job_id, code=error.at_last.code)
        services.jobs.give_up(job, error.at_last, progress.steps, trouble=str(error))
        return "failed", 200
    else:
        services.jobs.give_back(job, attempt_counts=True)
    return ("stopped", 503) if isinstance(error, ShutdownError) else ("interrupted", 500)


def caller_verifier(environment: Environment) -> VerifyCaller:
    """Refuses whoever does not carry an OIDC token of the queue's service account, made for this service.

    Raises ForeignCallerError, and google.auth's TransportError when the certificates cannot be fetched.

    Cloud Run has checked the token already when it is deployed as it should be; the runner does not rely on that.
    """
    audience = environment.require("RUNNER_URL")
    service_account = environment.require("TASKS_SERVICE_ACCOUNT")
    certs_url = environment.get("OIDC_CERTS_URL", "https://www.googleapis.com/oauth2/v1/certs")

    def verify(authorization: str) -> None:
        # Deferred: the certificates' transport is built at the first request.
        from google.auth.exceptions import GoogleAuthError, TransportError
        from google.auth.transport.requests import Request
        from google.oauth2 import id_token

        try:
            claims = id_token.verify_token(
                authorization.removeprefix("Bearer "), Request(), audience=audience, certs_url=certs_url
            )
        except TransportError:
            raise
        except (ValueError, GoogleAuthError) as error:
            raise ForeignCallerError from error
        issuer_is_google = claims.get("iss") in {"https://accounts.google.com", "accounts.google.com"}
        if not issuer_is_google or claims.get("email") != service_account or not claims.get("email_verified"):
            raise ForeignCallerError

    return verify

"""What Cloud Tasks call: `POST /render`. 2xx ends a task, anything else has it delivered again.

200  the job ended, in this call or before, or it is hopeless and was failed
403  the caller is not our queue
409  another runner holds the lease, or took it
422  the body is not a VideoTask, which is retried in vain and shows up in the queue's alerts
500  something transient; the lease is free
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from contracts import log
from contracts.environment import Environment, checked_project_id
from contracts.video_job import MAX_ATTEMPTS
from contracts.video_task import VideoTask
from gpu_runner.errors import HopelessError, LeaseLostError, RenderError, TransientError
from gpu_runner.jobs import Busy, Claimed, Ended, Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.pipeline import Render
from gpu_runner.voice import F5Voice, Voice

_FAILED_AFTER_ALL = "The video could not be made after several tries. You were not charged."
VerifyCaller = Callable[[str], None]


class ForeignCallerError(Exception):
    """The request does not come from our queue."""


@dataclass(frozen=True)
class Services:
    """What a render needs of the outside."""

    jobs: Jobs
    media: MediaStore
    voice: Voice
    scratch_root: Path


def create_app() -> Flask:
    """The runner as its environment describes it."""
    # Deferred: nothing talks to Google when this module is imported.
    from google.cloud import firestore, storage

    environment = Environment(checked_project_id(os.environ), dict(os.environ))
    scratch_root = Path(tempfile.gettempdir()) / "duologue-runner"
    # What a killed process left; a render's own folder goes with the render.
    shutil.rmtree(scratch_root, ignore_errors=True)
    scratch_root.mkdir(parents=True)
    project_id = environment.project_id
    services = Services(
        jobs=Jobs(firestore.Client(project=project_id)),
        media=MediaStore(storage.Client(project=project_id).bucket(environment.require("MEDIA_BUCKET"))),
        voice=F5Voice(environment.get("F5_TTS_URL", "http://127.0.0.1:7860/")),
        scratch_root=scratch_root,
    )
    return build_app(services, verify_caller=caller_verifier(environment))


def build_app(services: Services, *, verify_caller: VerifyCaller) -> Flask:
    """The HTTP server over these services."""
    app = Flask("gpu_runner")

    @app.get("/health")
    def health() -> Response:
        """200 while the process answers; what it depends on is another question."""
        return jsonify(status="healthy")

    @app.post("/render")
    def render() -> Response:
        started_at = time.monotonic()
        verify_caller(request.headers.get("Authorization", ""))
        task = VideoTask.model_validate_json(request.get_data())
        outcome, status = render_job(services, task.job_id)
        log.info(
            "render_finished",
            job_id=task.job_id,
            outcome=outcome,
            status=status,
            task_retry_count=request.headers.get("X-CloudTasks-TaskRetryCount"),
            duration_seconds=round(time.monotonic() - started_at, 1),
        )
        response = jsonify(outcome=outcome)
        response.status_code = status
        return response

    @app.errorhandler(ForeignCallerError)
    def refuse_caller(_error: ForeignCallerError) -> tuple[Response, int]:
        return jsonify(outcome="foreign_caller"), 403

    @app.errorhandler(ValidationError)
    def refuse_body(_error: ValidationError) -> tuple[Response, int]:
        return jsonify(outcome="not_a_task"), 422

    @app.errorhandler(Exception)
    def fail(error: Exception) -> tuple[Response, int] | HTTPException:
        if isinstance(error, HTTPException):
            return error
        log.error("render_crashed", error=type(error).__name__)
        return jsonify(outcome="crashed"), 500

    return app


def render_job(services: Services, job_id: str) -> tuple[str, int]:
    """The job is rendered if it is ours to render; what became of it, and the status for Cloud Tasks."""
    claim = services.jobs.claim(job_id)
    if isinstance(claim, Ended):
        return f"was_{claim.reason}", 200
    if isinstance(claim, Busy):
        return "busy", 409
    try:
        with tempfile.TemporaryDirectory(prefix=f"{job_id}-", dir=services.scratch_root) as scratch:
            status = Render(
                job=claim.job,
                snapshot=claim.snapshot,
                jobs=services.jobs,
                media=services.media,
                voice=services.voice,
                scratch=Path(scratch),
            ).run()
    except LeaseLostError:
        return "lease_lost", 409
    except HopelessError as error:
        return _fail(services, claim, error)
    except TransientError as error:
        return _give_back(services, claim, error)
    return status, 200


def _fail(services: Services, claim: Claimed, error: HopelessError) -> tuple[str, int]:
    log.error("render_hopeless", job_id=claim.job.job_id, code=error.code)
    try:
        services.jobs.fail(claim.job, code=error.code, message=f"{error.message} You were not charged.")
    except RenderError:
        return "lease_lost", 409
    return "failed", 200


def _give_back(services: Services, claim: Claimed, error: TransientError) -> tuple[str, int]:
    log.warning("render_interrupted", job_id=claim.job.job_id, attempt=claim.job.attempts, reason=str(error))
    try:
        if claim.job.attempts >= MAX_ATTEMPTS:
            services.jobs.fail(claim.job, code="ATTEMPTS_USED_UP", message=_FAILED_AFTER_ALL)
            return "failed", 200
        services.jobs.give_back(claim.job)
    except RenderError:
        return "lease_lost", 409
    return "interrupted", 500


def caller_verifier(environment: Environment) -> VerifyCaller:
    """Refuses whoever does not carry an OIDC token of the queue's service account, made for this service.

    Cloud Run has checked the token already when it is deployed as it should be; the runner does not rely on that.
    """
    audience = environment.require("RUNNER_URL")
    service_account = environment.require("TASKS_SERVICE_ACCOUNT")
    certs_url = environment.get("OIDC_CERTS_URL", "https://www.googleapis.com/oauth2/v1/certs")

    def verify(authorization: str) -> None:
        # Deferred: the certificates' transport is built at the first request.
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2 import id_token

        try:
            claims = id_token.verify_token(
                authorization.removeprefix("Bearer "), Request(), audience=audience, certs_url=certs_url
            )
        except (ValueError, GoogleAuthError) as error:
            raise ForeignCallerError from error
        issuer_is_google = claims.get("iss") in {"https://accounts.google.com", "accounts.google.com"}
        if not issuer_is_google or claims.get("email") != service_account or not claims.get("email_verified"):
            raise ForeignCallerError

    return verify

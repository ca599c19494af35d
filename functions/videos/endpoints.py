"""Starting a video and asking how far it is."""

from datetime import UTC, datetime

from contracts import log
from gcp.clients import firestore
from gcp.endpoint import Call, endpoint
from gcp.errors import InsufficientTokens, JobEnded, JobUnfinished, NotFound, RateLimited, ValidationFailed
from gcp.models import Answer, Body
from gcp.page import page_parameters, page_request, paged
from gcp.settings import settings
from gcp.wire import NoBody, WithHeaders
from videos.job_view import VideoJobAnswer, VideoStatusAnswer

_DEFAULT_JOBS = 10


class GenerateVideoBody(Body):
    """`backgroundVideo` names one of the catalogue; without it one is chosen."""

    background_video: str | None = None


class VideoStarted(Answer):
    job: VideoJobAnswer
    message: str


@endpoint(
    body=GenerateVideoBody,
    answer=VideoStarted,
    refuses=(InsufficientTokens, JobUnfinished, NotFound, RateLimited),
    idempotent=True,
)
def generate_video(call: Call[GenerateVideoBody]) -> VideoStarted:
    """POST /api/scripts/{scriptId}/generate-video, the owner: a queued job whose price is held until it ends.

    404 for a script that is not the caller's, 409 with the job's id while one is unfinished, 400 when the tokens do
    not suffice, 422 for an unknown background or a character that is gone.
    """
    from gcp.idempotency import key_of
    from videos.jobs import new_job_id, start_job
    from videos.queue import enqueue, require_queue

    require_queue()
    db, now = firestore(), datetime.now(UTC)
    key = key_of(db, call, "generate_video")
    new_id = key.new_resource_id(now) if key else new_job_id()
    job = start_job(
        db,
        job_id=new_id,
        user_id=call.caller.id,
        script_id=call.path["scriptId"],
        background_video=call.body.background_video,
        now=now,
        key=key,
    )
    if job.job_id == new_id:
        log.info("video_job_created", job_id=new_id, user_id=call.caller.id, request_id=call.request_id)
    # Also of an earlier request's job, which that one may have died before enqueueing.
    if job.enqueueing.state == "pending" and not job.status.is_terminal:
        enqueue(db, job.job_id, job.enqueueing, now)
    return VideoStarted(
        job=VideoJobAnswer.of(job, settings().jwt_secrets, now),
        message=f"Video generation started successfully! Job ID: {job.job_id}",
    )


@endpoint(answer=VideoStatusAnswer, refuses=(NotFound,))
def get_video_status(call: Call[NoBody]) -> VideoStatusAnswer:
    """GET /api/scripts/{scriptId}/video-status, the owner: the newest job in brief, or `pending`."""
    from scripts.store import find_own_script
    from videos.jobs import find_job

    db, script_id = firestore(), call.path["scriptId"]
    script = find_own_script(db, script_id, call.caller.id)
    job = find_job(db, script.video_job_id) if script.video_job_id else None
    return VideoStatusAnswer.of(script_id, job, settings().jwt_secrets, datetime.now(UTC))


@endpoint(answer=VideoJobAnswer, refuses=(NotFound,))
def get_video_job(call: Call[NoBody]) -> VideoJobAnswer:
    """GET /api/video-jobs/{jobId}, the owner: the job with its five steps."""
    from videos.jobs import find_job

    job = find_job(firestore(), call.path["jobId"])
    if job is None or job.user_id != call.caller.id:
        raise NotFound("There is no such video job.")
    return VideoJobAnswer.of(job, settings().jwt_secrets, datetime.now(UTC))


@endpoint(answer=VideoJobAnswer, refuses=(JobEnded, NotFound))
def cancel_video_job(call: Call[NoBody]) -> VideoJobAnswer:
    """POST /api/video-jobs/{jobId}/cancel, the owner: the job is cancelled and what it held is free.

    The same again for a cancelled one, 409 for one that is completed or failed, 404 for one that is not the caller's.
    """
    from videos.cancellation import cancel_own_job

    now = datetime.now(UTC)
    job = cancel_own_job(firestore(), call.path["jobId"], call.caller.id, now)
    return VideoJobAnswer.of(job, settings().jwt_secrets, now)


@endpoint(answer=VideoJobAnswer, refuses=(NotFound,))
def get_script_video_job(call: Call[NoBody]) -> VideoJobAnswer:
    """GET /api/scripts/{scriptId}/video-job, the owner: the newest job of the script.

    404 also when the script never had one, or its document is gone.
    """
    from scripts.store import find_own_script
    from videos.jobs import find_job

    db = firestore()
    script = find_own_script(db, call.path["scriptId"], call.caller.id)
    job = find_job(db, script.video_job_id) if script.video_job_id else None
    if job is None:
        raise NotFound("There is no video job of this script.")
    return VideoJobAnswer.of(job, settings().jwt_secrets, datetime.now(UTC))


@endpoint(answer=list[VideoJobAnswer], query=page_parameters(_DEFAULT_JOBS), refuses=(ValidationFailed,))
def list_my_video_jobs(call: Call[NoBody]) -> WithHeaders:
    """GET /api/my-video-jobs, the user: the caller's jobs, the newest first."""
    from videos.job_list import list_jobs

    jobs, next_token = list_jobs(firestore(), call.caller.id, page_request(call.query, default=_DEFAULT_JOBS))
    secrets, now = settings().jwt_secrets, datetime.now(UTC)
    return paged([VideoJobAnswer.of(job, secrets, now) for job in jobs], next_token)

"""Makes a video again whose job used up its attempts or its time: `make retry JOB=... [PROJECT=...]`.

    JOB=0123456789abcdef0123456789abcdef .venv/bin/python -m local.retry

A new job is started for the same user, script and background, which costs what a video costs now. Trying the same job
twice makes one.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from google.cloud.firestore import Client

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functions"))

from contracts.video_job import JobStatus, VideoJob
from gcp.errors import ApiError, Unauthenticated
from local.operating import OperatingError, firestore_outages, open_firestore
from tokens.balance import tokens_text
from videos.retry import retry_job


class NotRetriedError(Exception):
    """Why there is no new job."""


def main() -> int:
    job_id = os.environ.get("JOB", "").strip()
    if not job_id:
        print("Name the job: make retry JOB=...", file=sys.stderr)
        return 1
    try:
        db = open_firestore(os.environ.get("PROJECT"))
        with firestore_outages():
            print("\n".join(retry(db, job_id, datetime.now(UTC))))
    except (OperatingError, NotRetriedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def retry(db: Client, job_id: str, now: datetime) -> list[str]:
    """What the operator and the user have now, line by line. Raises NotRetriedError."""
    try:
        job = retry_job(db, job_id, now)
        user = db.document("users", job.user_id).get().to_dict() or {}
    except Unauthenticated as error:
        raise NotRetriedError(f"Not tried again: the user of job {job_id} has no account any more.") from error
    except ApiError as error:
        raise NotRetriedError(f"Not tried again: {error.message}") from error
    if job.created_at != now and job.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise NotRetriedError(
            f"Not tried again: an earlier try made job {job.job_id} of it, which is {job.status}, and a letter has one "
            f"try. If that job was given up as well, name it: make retry JOB={job.job_id}"
        )
    return [
        f"Job {job_id} is made again as {job.job_id}",
        f"  status   {_status(job, now)}",
        f"  price    {tokens_text(job.price_tokens)}",
        f"  user     {job.user_id}, who has {tokens_text(user.get('tokens', 0))}, {user.get('held', 0):,} of them held",
    ]


def _status(job: VideoJob, now: datetime) -> str:
    if job.created_at != now:
        return f"{job.status} (started by an earlier try)"
    return f"{job.status}; it goes to the renderers within a minute"


if __name__ == "__main__":
    sys.exit(main())

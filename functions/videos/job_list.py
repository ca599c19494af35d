"""A user's jobs, of all scripts."""

from typing import TYPE_CHECKING

from contracts.video_job import VideoJob
from gcp.documents import read_document
from gcp.page import Page, PageRequest, read_page

if TYPE_CHECKING:
    from google.cloud.firestore import Client


def list_jobs(db: "Client", user_id: str, request: PageRequest) -> Page[VideoJob]:
    """The user's jobs, the newest first."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    own = db.collection("videoJobs").where(filter=FieldFilter("userId", "==", user_id))
    found, next_token = read_page(own, "createdAt", request)
    return Page([job for each in found if (job := read_document(VideoJob, each))], next_token)

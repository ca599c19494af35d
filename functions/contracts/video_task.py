"""The Cloud Task that starts a render. Written by videos.queue, read by gpu_runner.server."""

from typing import Literal

from contracts.message import Message


class VideoTask(Message):
    """The body of the task: only an id, because tasks come late and more than once, and the job is the truth."""

    version: Literal[1] = 1
    job_id: str

"""The runner as it is, but that a render speaks and draws nothing: `gunicorn "bench.scale.stub_runner:create_app()"`.

Its caller is verified, its leases are taken, its steps are written and its jobs completed by the runner's own code; the
video is an object of a few bytes.
"""

from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from contracts.media_paths import video_object
from contracts.video_job import JobStatus, StepName, VideoFile, VideoJob
from gpu_runner import server
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.progress import Progress

_CONTENT = b"no video"


@dataclass(frozen=True, kw_only=True)
class StubRender:
    """Made and run as gpu_runner.pipeline.Render, of whose parts it needs these."""

    job: VideoJob
    jobs: Jobs
    media: MediaStore
    progress: Progress
    scratch: Path

    def run(self) -> JobStatus:
        """The job has ended, each of its steps written."""
        name = video_object(self.job.user_id, self.job.job_id, self.job.fence)
        for step in StepName:
            with self.progress.step(step):
                if step is StepName.VIDEO_GENERATION:
                    file = self.scratch / "video.mp4"
                    file.write_bytes(_CONTENT)
                    self.media.upload(file, name, content_type="video/mp4")
        video = VideoFile(object_name=name, duration_seconds=1.0, size_bytes=len(_CONTENT))
        return self.jobs.complete(self.job, steps=self.progress.steps, video=video, encoder="none", audio_objects={})


def _stub(**parts: object) -> StubRender:
    needed = {name: part for name, part in parts.items() if name in StubRender.__annotations__}
    return StubRender(**needed)  # type: ignore[arg-type]  # as the server gives them to Render


def create_app() -> Flask:
    """The runner of its environment, with stub renders."""
    vars(server)["Render"] = _stub  # the server makes its renders by this name
    return server.create_app()

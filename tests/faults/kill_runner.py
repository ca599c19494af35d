"""SIGKILLs of the real runner, each at a moment of a render that is under way."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.end_to_end.client import Cast
from tests.faults.load_scene import Scene, seconds_until

# A render that ends before its kill is replaced by another one, which is killed a little earlier.
_TRIES = 5
_EARLIER = 0.9
# The development voice is much faster than a real one: so that a render speaks about as long as it encodes.
_SECONDS_PER_LINE = 1.2


@dataclass(frozen=True)
class Killed:
    """A job and the kill that met it."""

    cast: Cast
    job_id: str
    texts: list[str]
    moment_seconds: float
    doing: str


@dataclass
class RunnerKiller:
    """Kills the runner once for each job that it has rendered, at moments spread over a render's usual time."""

    scene: Scene
    render_seconds: float = 0.0
    jobs: list[Killed] = field(default_factory=list)

    def measure(self) -> None:
        """A render's usual time, from the claim of its lease to its completion, by one that nobody disturbs."""
        # The first one has the runner load its modules and the recordings' words transcribed.
        for name in ("first", "second"):
            with self.scene.voice.slowed(_SECONDS_PER_LINE):
                job_id, _, _ = self._begin(name)
                claimed = self._wait_until_claimed(job_id)
                self.scene.wait_for_status(job_id, "completed", seconds=300)
            self.render_seconds = time.monotonic() - claimed

    def kill_each(self, shares: Sequence[float]) -> None:
        """Each render was killed after its share of the usual time; the ones killed before are not waited for."""
        with self.scene.voice.slowed(_SECONDS_PER_LINE):
            for place, share in enumerate(shares):
                for again in range(_TRIES):
                    if self._kill_one(f"{place} at try {again}", share * _EARLIER**again):
                        break

    def _kill_one(self, name: str, share: float) -> bool:
        """Whether the render was still under way; one that had ended gives the usual time for the next."""
        scene = self.scene
        job_id, cast, texts = self._begin(name)
        claimed, moment = self._wait_until_claimed(job_id), share * self.render_seconds
        time.sleep(max(0.0, claimed + moment - time.monotonic()))
        doing = self._doing(job_id, texts)
        if (job := scene.books.job(job_id))["status"] != "in_progress":
            # By now another one may be rendered, whose one kill was before.
            self.render_seconds = (job["completedAt"] - job["startedAt"]).total_seconds()
            return False
        scene.cloud.kill_part("gpu_runner")
        self.jobs.append(Killed(cast, job_id, texts, moment, doing))
        scene.cloud.wait_until_part_serves("gpu_runner")
        return True

    def _begin(self, name: str) -> tuple[str, Cast, list[str]]:
        cast = self.scene.join()
        texts = [f"Is this line number {name}?", f"It is the answer to number {name}."]
        script_id = cast.write_script(list(enumerate(texts)))
        return cast.app.start_video(script_id, self.scene.background), cast, texts

    def _wait_until_claimed(self, job_id: str) -> float:
        """The moment on the monotonic clock. Jobs that were killed before may be rendered first."""
        seconds_until(lambda: self.scene.books.job(job_id)["attempts"] == 1, seconds=400, what="a job is rendered")
        return time.monotonic()

    def _doing(self, job_id: str, texts: list[str]) -> str:
        """What the runner is really at; the document tells a step up to two seconds late."""
        spoken = sum(map(self.scene.voice.times_spoken, texts))
        if spoken < len(texts):
            return f"speaking, {spoken} of {len(texts)} done"
        if self._encodes():
            return "encoding"
        return f"after {self.scene.books.job(job_id)['currentStep']}"

    def _encodes(self) -> bool:
        with suppress(psutil.Error):
            children = psutil.Process(self.scene.cloud.part_pid("gpu_runner")).children(recursive=True)
            return any("-filter_complex" in child.cmdline() for child in children)
        return False

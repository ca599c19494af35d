"""A render with the real FFmpeg, killed where a video is there and nobody knows it yet."""

from pathlib import Path

import pytest
from PIL import Image

from gpu_runner.ffmpeg import run_ffmpeg
from tests.faults.conftest import NewWorld
from tests.faults.crashes import Death
from tests.faults.enumeration import try_every_point
from tests.faults.scenes import BACKGROUND, has, render, started
from tests.faults.world import World


@pytest.fixture(scope="module")
def background(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of blue."""
    target = tmp_path_factory.mktemp("background") / "sea.mp4"
    argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "color=c=blue:s=108x192:r=30:d=3"]
    run_ffmpeg([*argv, str(target)], total_frames=90, timeout_seconds=60)
    return target


def with_real_media(world: World, background: Path, folder: Path) -> World:
    """As started, with pictures and a background that can be decoded."""
    started(world)
    picture = folder / "picture.png"
    Image.new("RGBA", (60, 80), (200, 30, 30, 255)).save(picture)
    for name in world.objects():
        if name.startswith("images/"):
            world.bucket.blob(name).upload_from_filename(str(picture))
    world.bucket.blob(BACKGROUND).upload_from_filename(str(background))
    return world


def around_the_end(calls: list[str]) -> list[Death]:
    """When the video has been uploaded, and before and after the commit that completes the job."""
    uploaded = max(index for index, call in enumerate(calls, 1) if call == "storage.POST")
    # The last step's progress comes first, and the runner's own report last.
    _, completes, _ = (index for index, call in enumerate(calls, 1) if call == "firestore.commit" and index > uploaded)
    return [Death(uploaded, "after"), Death(completes, "before"), Death(completes, "after")]


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("progress_at_steps")
def test_a_render_that_dies_with_its_video_in_the_bucket(new_world: NewWorld, background: Path, tmp_path: Path) -> None:
    world = with_real_media(new_world(), background, tmp_path)

    tried = try_every_point("render, real FFmpeg", world, render, expect=has(19), choose=around_the_end, alike=False)

    assert tried.points == 3

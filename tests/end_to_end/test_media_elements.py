"""The paths in answers, in the media elements of a page of another origin, in headless Chromium."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.cloud import LocalCloud
from tests.browser.chromium import seen_by_chromium
from tests.end_to_end.client import Cast

LINES = ((0, "Good evening, Ben. Did my radio arrive?"), (1, "It did, and it plays jazz."))
FRAME_SECONDS = 0.04


class _EmptyPage(http.server.BaseHTTPRequestHandler):
    """A page without anything, for any path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another origin</title><body></body>")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def other_origin() -> Iterator[str]:
    """The address of a web page that is not the API's."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _EmptyPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def measured(page_url: str, **urls: str) -> dict[str, dict[str, float]]:
    """What Chromium says of the media at these addresses, each loaded, played, and sought to 80 percent."""
    found: dict[str, dict[str, float]] = seen_by_chromium("elements.mjs", page_url, json.dumps(urls))
    return found


@pytest.fixture(scope="module")
def job(new_cast: Callable[[], Cast], background: str) -> tuple[Cast, dict[str, Any]]:
    """A user, and its finished video."""
    cast = new_cast()
    script_id = cast.write_script(LINES)
    return cast, cast.app.wait_for_job(cast.app.start_video(script_id, background), seconds=180)


@pytest.fixture(scope="module")
def seen(cloud: LocalCloud, job: tuple[Cast, dict[str, Any]], other_origin: str) -> dict[str, dict[str, float]]:
    """The character's picture and recording and the video, as the browser met them."""
    cast, finished = job
    character = cast.app.get(f"/api/characters/{cast.speakers[0]}")
    paths = {"img": character["images"]["0"], "audio": character["audioFile"], "video": finished["finalVideoPath"]}
    return measured(other_origin, **{element: cloud.base_url + path for element, path in paths.items()})


def test_the_picture_is_shown(seen: dict[str, dict[str, float]]) -> None:
    assert min(seen["img"].values()) > 0


def test_the_video_has_its_size(seen: dict[str, dict[str, float]]) -> None:
    assert (seen["video"]["width"], seen["video"]["height"]) == (1080, 1920)


def test_the_video_is_as_long_as_the_job_says(
    job: tuple[Cast, dict[str, Any]], seen: dict[str, dict[str, float]]
) -> None:
    assert seen["video"]["duration"] == pytest.approx(job[1]["videoDuration"], abs=FRAME_SECONDS)


@pytest.mark.parametrize("element", ["audio", "video"])
def test_it_plays_and_can_be_sought(seen: dict[str, dict[str, float]], element: str) -> None:
    assert seen[element]["currentTime"] == pytest.approx(seen[element]["target"], abs=FRAME_SECONDS)

"""The library as users see it, and which background a video gets."""

from typing import TYPE_CHECKING

import pytest

from contracts.background import BackgroundStatus, background_id
from gcp.errors import Unavailable, ValidationFailed
from tests.functions.backgrounds.conftest import WriteBackground
from tests.functions.conftest import CallApi, MakeUser
from tests.functions.costs.counting import count_calls
from videos.backgrounds import find_background

if TYPE_CHECKING:
    from google.cloud.firestore import Client


def names(answer: object) -> list[str]:
    assert isinstance(answer, list)
    return [each["name"] for each in answer]


def test_a_user_sees_what_is_listed(call_api: CallApi, make_user: MakeUser, write_background: WriteBackground) -> None:
    make_user("ann")
    write_background("sea.mp4")
    write_background("bad.mp4", status=BackgroundStatus.REFUSED)
    write_background("old.mp4", status=BackgroundStatus.REMOVED)

    answer = call_api("GET", "/api/backgrounds", user_id="ann")

    assert answer.body == [
        {
            "name": "sea.mp4",
            "durationSeconds": 20.0,
            "width": 1080,
            "height": 1920,
            "thumbnail": f"/api/static/images/backgrounds/{background_id('sea.mp4')}.png",
        }
    ]


def test_nobody_sees_the_library_without_a_session(call_api: CallApi) -> None:
    assert call_api("GET", "/api/backgrounds").status == 401


def test_the_library_comes_in_pages_newest_first(
    call_api: CallApi, make_user: MakeUser, write_background: WriteBackground
) -> None:
    make_user("ann")
    for number in range(5):
        write_background(f"{number}.mp4")

    first = call_api("GET", "/api/backgrounds?limit=3", user_id="ann")
    token = first.headers["X-Next-Page-Token"]
    second = call_api("GET", f"/api/backgrounds?limit=3&pageToken={token}", user_id="ann")

    assert names(first.body) == ["4.mp4", "3.mp4", "2.mp4"]
    assert names(second.body) == ["1.mp4", "0.mp4"]
    assert "X-Next-Page-Token" not in second.headers


def test_a_background_is_found_by_its_name(db: "Client", write_background: WriteBackground) -> None:
    entry = write_background("sea.mp4")
    write_background("hill.mp4")

    found = find_background(db, "sea.mp4", "job")

    assert (found.name, found.object_name, found.duration_seconds) == ("sea.mp4", entry.object_name, 20.0)


@pytest.mark.parametrize("status", [BackgroundStatus.REFUSED, BackgroundStatus.REMOVED])
def test_a_file_that_is_not_listed_cannot_be_named(
    db: "Client", write_background: WriteBackground, status: BackgroundStatus
) -> None:
    write_background("sea.mp4", status=status)

    with pytest.raises(ValidationFailed):
        find_background(db, "sea.mp4", "job")


@pytest.mark.parametrize(
    "name", ["", "../sea.mp4", "backgrounds/sea.mp4", "SEA.mp4", "sea.mp4\n", "\ud800", "/etc/passwd", "x" * 5000]
)
def test_a_text_that_names_no_file_of_the_list_is_refused(
    db: "Client", write_background: WriteBackground, name: str
) -> None:
    write_background("sea.mp4")

    with pytest.raises(ValidationFailed):
        find_background(db, name, "job")


def test_without_a_name_videos_get_every_background_of_the_list_and_no_other(
    db: "Client", write_background: WriteBackground
) -> None:
    for number in range(6):
        write_background(f"{number}.mp4")
    write_background("bad.mp4", status=BackgroundStatus.REFUSED)

    chosen = {find_background(db, None, f"job{number}").name for number in range(120)}

    assert chosen == {f"{number}.mp4" for number in range(6)}


def test_the_same_job_gets_the_same_background(db: "Client", write_background: WriteBackground) -> None:
    for number in range(6):
        write_background(f"{number}.mp4")

    assert len({find_background(db, None, "job").name for _ in range(3)}) == 1


def test_a_library_in_which_nothing_is_listed_has_no_background(
    db: "Client", write_background: WriteBackground
) -> None:
    write_background("bad.mp4", status=BackgroundStatus.REFUSED)

    with pytest.raises(Unavailable):
        find_background(db, None, "job")


@pytest.mark.parametrize("name", [None, "7.mp4"], ids=["chosen", "named"])
def test_a_large_library_costs_no_more_to_choose_from(
    db: "Client", write_background: WriteBackground, name: str | None
) -> None:
    for number in range(30):
        write_background(f"{number}.mp4")
    counted = count_calls(db)

    find_background(db, name, "job")

    assert counted.reads <= 2

"""Stars: giving them, taking them away, their number, and the characters that a user starred."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from characters import stars
from characters.character import Character
from characters.stars import MAX_STARS, find_stars, list_favorites, set_star
from characters.store import find_character
from gcp.errors import NotFound
from gcp.page import PageRequest, page_token
from tests.functions.characters.conftest import NOW, Send, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., Any]) -> None:
    make_user("ann")
    make_user("eve")
    make_user("ida")


def star(db: "Client", user_id: str, *character_ids: str, first_at: datetime = NOW) -> None:
    for number, character_id in enumerate(character_ids):
        set_star(db, user_id, character_id, is_starred=True, now=first_at + timedelta(seconds=number))


def count(db: "Client", character_id: str) -> int:
    number: int = db.document("characters", character_id).get().get("starred")
    return number


def at_once(*calls: Callable[[], object]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


@pytest.mark.attacks
def test_stars_of_one_user_count_once(send: Send, write_character: WriteCharacter, db: "Client") -> None:
    write_character("known", starred=25)

    answers = [
        send(method, "/api/characters/known/star", user_id="eve").get_json()
        for method in ("POST", "POST", "DELETE", "POST", "DELETE")
    ]

    assert answers[0] == {
        "success": True,
        "message": "Character starred successfully",
        "characterId": "known",
        "starred": 26,
        "isStarred": True,
    }
    assert answers[2] == {
        "success": True,
        "message": "Character unstarred successfully",
        "characterId": "known",
        "starred": 25,
        "isStarred": False,
    }
    assert [each["starred"] for each in answers] == [26, 26, 25, 26, 25]
    assert count(db, "known") == 25


def test_a_star_is_seen_by_who_gave_it(send: Send, write_character: WriteCharacter) -> None:
    write_character("known")
    write_character("other")
    send("POST", "/api/characters/known/star", user_id="eve")

    seen = {
        viewer_id: {
            each["id"]: each["isStarred"] for each in send("GET", "/api/characters", user_id=viewer_id).get_json()
        }
        for viewer_id in ("eve", "ann", None)
    }

    assert seen == {
        "eve": {"known": True, "other": False},
        "ann": {"known": False, "other": False},
        None: {"known": False, "other": False},
    }


@pytest.mark.parametrize("character_id", ["secret", "unknown", "__all__", ".."])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_is_not_seen_is_not_starred(
    send: Send, write_character: WriteCharacter, db: "Client", method: str, character_id: str
) -> None:
    write_character("secret", hidden=True)

    assert send(method, f"/api/characters/{character_id}/star", user_id="eve").status_code == 404
    assert find_stars(db, "eve") == {}


def test_the_star_of_a_deleted_character_is_taken_away_once(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    write_character("known")
    star(db, "eve", "known")
    send("DELETE", "/api/characters/known", user_id="ann")

    answers = [send("DELETE", "/api/characters/known/star", user_id="eve") for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 404]
    assert (answers[0].get_json()["starred"], answers[0].get_json()["isStarred"]) == (0, False)
    assert find_stars(db, "eve") == {}
    assert not db.document("characters", "known").get().exists


def test_the_star_of_a_hidden_character_is_taken_away_and_counted(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    write_character("known", starred=4)
    star(db, "eve", "known")
    db.document("characters", "known").update({"hidden": True})

    answers = [send(method, "/api/characters/known/star", user_id="eve") for method in ("POST", "DELETE", "DELETE")]

    assert [each.status_code for each in answers] == [404, 200, 404]
    # Its number is none of the user's business any more.
    assert answers[1].get_json()["starred"] == 0
    assert count(db, "known") == 4


@pytest.mark.parametrize("is_starred", [True, False])
def test_a_character_that_is_deleted_between_reading_and_writing_gets_no_star(
    db: "Client", write_character: WriteCharacter, monkeypatch: pytest.MonkeyPatch, *, is_starred: bool
) -> None:
    write_character("known")
    if not is_starred:
        star(db, "eve", "known")

    def find_and_delete(db: "Client", character_id: str) -> Character | None:
        character = find_character(db, character_id)
        db.document("characters", character_id).delete()
        return character

    monkeypatch.setattr(stars, "find_character", find_and_delete)

    if is_starred:
        with pytest.raises(NotFound):
            set_star(db, "eve", "known", is_starred=True, now=NOW)
    else:
        assert set_star(db, "eve", "known", is_starred=False, now=NOW) == 0
    assert find_stars(db, "eve") == {}
    assert not db.document("characters", "known").get().exists


def test_a_number_that_an_admin_put_back_is_shown_as_no_less_than_nothing(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    write_character("known")
    star(db, "eve", "known")
    db.document("characters", "known").update({"starred": 0})

    assert send("DELETE", "/api/characters/known/star", user_id="eve").get_json()["starred"] == 0
    assert send("GET", "/api/characters/known").get_json()["starred"] == 0


def test_one_star_too_many_is_refused_and_counts_nothing(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    write_character("known")
    write_character("last")
    many = {f"c{number}": NOW for number in range(MAX_STARS - 1)}
    db.document("stars", "eve").set({"characters": many, "updatedAt": NOW})

    answers = [send("POST", f"/api/characters/{name}/star", user_id="eve") for name in ("last", "known", "last")]

    assert [each.status_code for each in answers] == [200, 422, 200]
    assert "1,000" in answers[1].get_json()["detail"][0]["msg"]
    assert (count(db, "last"), count(db, "known")) == (1, 0)
    assert len(find_stars(db, "eve")) == MAX_STARS


def test_three_users_at_once_are_three_stars(db: "Client", write_character: WriteCharacter) -> None:
    write_character("known")

    at_once(
        *[lambda user=user: set_star(db, user, "known", is_starred=True, now=NOW) for user in ("ann", "eve", "ida")]
    )

    assert count(db, "known") == 3
    assert [list(find_stars(db, user)) for user in ("ann", "eve", "ida")] == [["known"]] * 3


@pytest.mark.parametrize("is_starred", [True, False])
def test_three_clicks_of_one_user_at_once_count_once(
    db: "Client", write_character: WriteCharacter, *, is_starred: bool
) -> None:
    write_character("known", starred=5)
    if not is_starred:
        star(db, "eve", "known")

    at_once(*[lambda: set_star(db, "eve", "known", is_starred=is_starred, now=NOW)] * 3)

    assert count(db, "known") == (6 if is_starred else 5)
    assert list(find_stars(db, "eve")) == (["known"] if is_starred else [])


def test_a_star_and_a_change_of_the_owners_at_once_both_stay(
    send: Send, db: "Client", write_character: WriteCharacter
) -> None:
    write_character("known")

    at_once(
        lambda: set_star(db, "eve", "known", is_starred=True, now=NOW),
        lambda: send("PUT", "/api/characters/known", user_id="ann", fields={"displayName": "Eva"}),
        lambda: set_star(db, "ida", "known", is_starred=True, now=NOW),
    )

    found = send("GET", "/api/characters/known").get_json()
    assert (found["displayName"], found["starred"]) == ("Eva", 2)


def test_favorites_are_those_starred_last_first_that_may_be_seen(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    for name in ("a", "b", "hidden", "gone"):
        write_character(name)
    write_character("mine", owner_id="eve")
    star(db, "eve", "b", "gone", "mine", "hidden", "a")
    db.document("characters", "hidden").update({"hidden": True})
    # Only others do not see it.
    db.document("characters", "mine").update({"hidden": True})
    db.document("characters", "gone").delete()

    response = send("GET", "/api/my-favorites", user_id="eve")

    found = [(each["id"], each["isStarred"], each["isOwner"]) for each in response.get_json()]
    assert found == [("a", True, False), ("mine", True, True), ("b", True, False)]
    assert send("GET", "/api/my-favorites", user_id="ann").get_json() == []


def test_favorites_come_in_pages_through_equal_moments(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    for name in "abcde":
        write_character(name)
        star(db, "eve", name)
    star(db, "eve", "e")

    pages: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        response = send("GET", f"/api/my-favorites?limit=2&pageToken={token}", user_id="eve")
        pages.append([each["id"] for each in response.get_json()])
        token = response.headers.get("X-Next-Page-Token")

    assert pages == [["e", "d"], ["c", "b"], ["a"]]


def test_a_page_of_favorites_that_are_gone_leads_on_and_is_full_the_next_time(
    db: "Client", write_character: WriteCharacter
) -> None:
    write_character("kept")
    characters = {"kept": NOW} | {f"gone{number}": NOW + timedelta(seconds=number) for number in range(1, 3)}
    db.document("stars", "eve").set({"characters": characters})
    page = PageRequest(2)

    first = list_favorites(db, "eve", find_stars(db, "eve"), page)
    second = list_favorites(db, "eve", find_stars(db, "eve"), page)

    assert first == ([], page_token(characters["gone1"], "gone1"))
    assert ([each.id for each in second.items], second.next_token) == (["kept"], None)
    assert find_stars(db, "eve") == {"kept": NOW}


def test_favorites_of_an_account_that_is_deleted_meanwhile_are_no_error(db: "Client") -> None:
    assert list_favorites(db, "eve", {"gone": NOW}, PageRequest(2)) == ([], None)
    assert not db.document("stars", "eve").get().exists

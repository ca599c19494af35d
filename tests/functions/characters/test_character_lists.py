"""The lists of characters: what is in which, in pages, for whom they may be cached, and what they cost."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from characters.stars import set_star
from gcp import clients
from tests.functions.characters.conftest import NOW, Send, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client

SHARED = "public, max-age=60, s-maxage=60"
PERSONAL = "private, no-store"


@pytest.fixture(autouse=True)
def _users(make_user: Callable[..., Any]) -> None:
    make_user("ann")
    make_user("eve")


@pytest.fixture
def reads(product: pytest.MonkeyPatch) -> list[str]:
    """What the operations read from now on: each query's collection, and each document by its path."""
    service = clients.firestore()._firestore_api
    run_query, batch_get_documents = service.run_query, service.batch_get_documents
    found: list[str] = []

    def query(*, request: dict[str, Any], **options: Any) -> Any:
        found.append(f"query of {request['structured_query'].from_[0].collection_id}")
        return run_query(request=request, **options)

    def get(*, request: dict[str, Any], **options: Any) -> Any:
        found.extend(name.partition("/documents/")[2] for name in request["documents"])
        return batch_get_documents(request=request, **options)

    product.setattr(service, "run_query", query)
    product.setattr(service, "batch_get_documents", get)
    return found


def test_the_public_list_is_the_newest_first_without_hidden_ones(send: Send, write_character: WriteCharacter) -> None:
    write_character("old")
    write_character("new", owner_id="eve", created_at=NOW + timedelta(seconds=1))
    write_character("secret", hidden=True)

    response = send("GET", "/api/characters")

    found = [(each["id"], each["isOwner"], each["isStarred"]) for each in response.get_json()]
    assert found == [("new", False, False), ("old", False, False)]


def test_my_list_has_my_own_with_hidden_ones(send: Send, write_character: WriteCharacter) -> None:
    write_character("mine")
    write_character("secret", hidden=True, created_at=NOW + timedelta(seconds=1))
    write_character("hers", owner_id="eve")

    response = send("GET", "/api/my-characters", user_id="ann")

    assert [(each["id"], each["isOwner"]) for each in response.get_json()] == [("secret", True), ("mine", True)]


@pytest.mark.parametrize(("path", "user_id"), [("/api/characters", None), ("/api/my-characters", "ann")])
def test_a_list_comes_in_pages(send: Send, write_character: WriteCharacter, path: str, user_id: str | None) -> None:
    for name in "abcde":
        write_character(name)

    pages: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        response = send("GET", f"{path}?limit=2&pageToken={token}", user_id=user_id)
        pages.append([each["id"] for each in response.get_json()])
        token = response.headers.get("X-Next-Page-Token")

    assert pages == [["e", "d"], ["c", "b"], ["a"]]


@pytest.mark.parametrize("path", ["/api/characters", "/api/my-characters", "/api/my-favorites"])
@pytest.mark.parametrize("query", ["limit=many", "pageToken=made-up"])
def test_a_page_that_cannot_be_is_refused(send: Send, path: str, query: str) -> None:
    response = send("GET", f"{path}?{query}", user_id="ann")

    assert (response.status_code, response.get_json()["detail"][0]["loc"]) == (422, ["query", query.partition("=")[0]])


def test_the_token_of_one_list_opens_nothing_in_another(send: Send, write_character: WriteCharacter) -> None:
    for name in "abc":
        write_character(name, hidden=True)
    token = send("GET", "/api/my-characters?limit=1", user_id="ann").headers["X-Next-Page-Token"]

    found = {
        (path, user_id): send("GET", f"{path}?pageToken={token}", user_id=user_id)
        for path in ("/api/characters", "/api/my-characters", "/api/my-favorites")
        for user_id in ("ann", "eve")
    }

    assert {each.status_code for each in found.values()} == {200}
    own = found.pop(("/api/my-characters", "ann"))
    assert [each["id"] for each in own.get_json()] == ["b", "a"]
    assert [each.get_json() for each in found.values()] == [[]] * 5


def test_the_combined_list_is_the_first_page_of_each(send: Send, write_character: WriteCharacter, db: "Client") -> None:
    for number, name in enumerate("abc"):
        write_character(name, created_at=NOW + timedelta(seconds=number))
        set_star(db, "eve", name, is_starred=True, now=NOW - timedelta(seconds=number))
    write_character("own", owner_id="eve", hidden=True)

    response = send("GET", "/api/characters-combined?limit=2", user_id="eve")

    ids = {name: [each["id"] for each in characters] for name, characters in response.get_json().items()}
    assert ids == {"all": ["c", "b"], "my_characters": ["own"], "my_favorites": ["a", "b"]}
    paths = {"all": "characters", "my_characters": "my-characters", "my_favorites": "my-favorites"}
    for name, path in paths.items():
        assert response.get_json()[name] == send("GET", f"/api/{path}?limit=2", user_id="eve").get_json()


@pytest.mark.parametrize("path", ["/api/my-favorites", "/api/characters-combined", "/api/my-characters"])
def test_a_list_of_ones_own_is_for_users(send: Send, path: str) -> None:
    assert send("GET", path).status_code == 401


@pytest.mark.parametrize(
    ("path", "user_id", "headers", "status", "expected"),
    [
        pytest.param("/api/characters", None, {}, 200, SHARED, id="list"),
        pytest.param("/api/characters/known", None, {}, 200, SHARED, id="one"),
        pytest.param("/api/characters", "ann", {}, 200, PERSONAL, id="list for a user"),
        pytest.param("/api/characters/known", "ann", {}, 200, PERSONAL, id="one for a user"),
        pytest.param("/api/characters", None, {"Authorization": ""}, 200, PERSONAL, id="empty token"),
        pytest.param("/api/characters", None, {"Authorization": "Bearer x"}, 401, "no-store", id="bad token"),
        pytest.param("/api/characters/unknown", None, {}, 404, "no-store", id="none"),
        pytest.param("/api/characters?limit=x", None, {}, 422, "no-store", id="bad limit"),
        pytest.param("/api/my-characters", "ann", {}, 200, PERSONAL, id="own list"),
        pytest.param("/api/characters-combined", "ann", {}, 200, PERSONAL, id="combined"),
    ],
)
def test_only_what_everybody_sees_is_kept_by_shared_caches(
    *,
    send: Send,
    write_character: WriteCharacter,
    path: str,
    user_id: str | None,
    headers: dict[str, str],
    status: int,
    expected: str,
) -> None:
    write_character("known")

    response = send("GET", path, user_id=user_id, headers=headers)

    assert (response.status_code, response.headers["Cache-Control"]) == (status, expected)
    assert {"Origin", "Authorization"} <= set(response.headers["Vary"].split(", "))


def test_the_change_of_a_character_is_not_kept_by_caches(send: Send, write_character: WriteCharacter) -> None:
    write_character("known")

    response = send("PUT", "/api/characters/known", user_id="ann", fields={"displayName": "Eva"})

    assert response.headers["Cache-Control"] == PERSONAL


@pytest.mark.parametrize("present", [5, 100])
def test_a_list_costs_one_query_and_one_read_of_the_stars(
    send: Send, write_character: WriteCharacter, db: "Client", reads: list[str], present: int
) -> None:
    for number in range(present):
        write_character(f"c{number}")
    db.document("stars", "ann").set({"characters": {f"c{number}": NOW for number in range(present)}})
    reads.clear()

    assert len(send("GET", "/api/characters", user_id="ann").get_json()) == present
    assert reads == ["users/ann", "query of characters", "stars/ann"]

    reads.clear()
    send("GET", "/api/characters")
    assert reads == ["query of characters"]

    reads.clear()
    send("GET", "/api/characters-combined?limit=3", user_id="ann")
    favorites = [each for each in reads if each.startswith("characters/")]
    assert len(favorites) == 3
    assert sorted(set(reads) - set(favorites)) == ["query of characters", "stars/ann", "users/ann"]
    assert len(reads) == 3 + 4

"""Characters over HTTP, on the Firestore and storage emulators."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from characters import store
from tests.functions.characters import uploaded_files as files
from tests.functions.characters.conftest import Forms, Send, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

MakeUser = Callable[..., Any]
ALL = {
    "displayName": "My New Character",
    "speed": "1.2",
    "nfeSteps": "28",
    "crossFadeDuration": "0.2",
    "removeSilences": "false",
    "refText": "Hello there.",
}


@pytest.fixture(autouse=True)
def _users(make_user: MakeUser) -> None:
    make_user("ann")
    make_user("eve")


def objects(bucket: "Bucket") -> list[str]:
    return sorted(blob.name for blob in bucket.list_blobs())


def documents(db: "Client", *path: str) -> list[dict[str, Any]]:
    return [each.to_dict() or {} for each in db.collection(*path).stream()]


def test_a_character_is_made_of_a_recording_and_pictures(
    send: Send, forms: Forms, db: "Client", bucket: "Bucket"
) -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture), ("imageFiles", files.picture("JPEG"))]

    response = send("POST", "/api/characters/complete", user_id="ann", fields=ALL, uploads=uploads)

    body = response.get_json()
    assert response.status_code == 200, body
    assert body["config"] == {"speed": 1.2, "nfeSteps": 28, "crossFadeDuration": 0.2, "removeSilences": False}
    assert (body["displayName"], body["outputPrefix"]) == ("My New Character", "my_new_character")
    assert (body["createdBy"], body["createdByName"], body["isOwner"]) == ("ann", "Ann", True)
    assert (body["hasAudio"], body["imageCount"], list(body["images"])) == (True, 2, ["0", "1"])
    assert (body["starred"], body["isStarred"]) == (0, False)
    character = store.find_character(db, body["id"])
    assert character is not None
    assert (character.recording.duration_seconds, character.recording.ref_text) == (2.0, "Hello there.")
    assert (character.hidden, character.next_image_key) == (False, 2)
    assert objects(bucket) == sorted(character.object_names)
    assert body == send("GET", f"/api/characters/{body['id']}", user_id="ann").get_json()


def test_objects_have_types_of_our_own(send: Send, forms: Forms, bucket: "Bucket") -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", files.picture("WEBP"))]

    send("POST", "/api/characters/complete", user_id="ann", fields={"displayName": "Ada"}, uploads=uploads)

    types = {name.partition("/")[0]: bucket.get_blob(name).content_type for name in objects(bucket)}
    assert types == {"recordings": "audio/wav", "images": "image/png"}


def test_the_words_of_a_recording_that_was_cut_are_dropped(send: Send, forms: Forms, db: "Client") -> None:
    uploads = [("audioFile", files.wav(files.voice(15.0))), ("imageFiles", forms.picture)]

    body = send("POST", "/api/characters/complete", user_id="ann", fields=ALL, uploads=uploads).get_json()

    character = store.find_character(db, body["id"])
    assert character is not None
    assert (character.recording.duration_seconds, character.recording.ref_text) == (12.0, "")


@pytest.mark.parametrize(
    ("fields", "uploaded", "params"),
    [
        pytest.param({}, "ri", {"displayName"}, id="no name"),
        pytest.param({"displayName": "Ada", "speed": "3"}, "ri", {"speed"}, id="too fast"),
        pytest.param({"displayName": "Ada"}, "i", {"audioFile"}, id="no recording"),
        pytest.param({"displayName": "Ada"}, "rri", {"audioFile"}, id="two recordings"),
        pytest.param({"displayName": "Ada"}, "r", {"imageFiles"}, id="no picture"),
        pytest.param({"displayName": "Ada"}, "r" + "i" * 11, {"imageFiles"}, id="eleven pictures"),
        pytest.param({"displayName": "Ada"}, "ix", {"audioFile"}, id="text for a recording"),
        pytest.param({"displayName": "Ada"}, "riyi", {"imageFiles.1"}, id="text for a picture"),
    ],
)
def test_a_bad_form_leaves_nothing_behind(
    *, send: Send, forms: Forms, db: "Client", bucket: "Bucket", fields: dict[str, str], uploaded: str, params: set[str]
) -> None:
    parts = {
        "r": ("audioFile", forms.recording),
        "i": ("imageFiles", forms.picture),
        "x": ("audioFile", b"text"),
        "y": ("imageFiles", b"text"),
    }

    response = send(
        "POST", "/api/characters/complete", user_id="ann", fields=fields, uploads=[parts[each] for each in uploaded]
    )

    assert response.status_code == 422
    assert {".".join(str(part) for part in each["loc"][1:]) for each in response.get_json()["detail"]} == params
    assert objects(bucket) == []
    assert list(db.collection("characters").stream()) == []


def test_a_body_of_more_than_thirty_megabytes_is_refused(send: Send, forms: Forms) -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", bytes(31 * 1024 * 1024))]

    response = send("POST", "/api/characters/complete", user_id="ann", fields=ALL, uploads=uploads)

    assert (response.status_code, response.get_json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


def test_only_users_make_characters(send: Send) -> None:
    assert send("POST", "/api/characters/complete", fields=ALL).status_code == 401


@pytest.mark.parametrize(
    ("path", "viewer_id", "status"),
    [
        ("/api/characters/known", None, 200),
        ("/api/characters/secret", "ann", 200),
        ("/api/characters/secret", "eve", 404),
        ("/api/characters/secret", None, 404),
        ("/api/characters/unknown", "ann", 404),
        ("/api/characters/__all__", "ann", 404),
        ("/api/characters/..", "ann", 404),
    ],
)
def test_a_character_is_shown_to_whom_may_see_it(
    send: Send, write_character: WriteCharacter, path: str, viewer_id: str | None, status: int
) -> None:
    write_character("known")
    write_character("secret", hidden=True)

    assert send("GET", path, user_id=viewer_id).status_code == status


@pytest.mark.parametrize(
    ("character_id", "user_id", "status"),
    [("known", "eve", 403), ("secret", "eve", 404), ("unknown", "ann", 404), ("known", None, 401)],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_only_the_owner_changes_or_deletes_a_character(
    *,
    send: Send,
    write_character: WriteCharacter,
    db: "Client",
    method: str,
    character_id: str,
    user_id: str | None,
    status: int,
) -> None:
    before = [write_character("known"), write_character("secret", hidden=True)]

    response = send(method, f"/api/characters/{character_id}", user_id=user_id, fields={"displayName": "Stolen"})

    assert response.status_code == status
    assert [store.find_character(db, each.id) for each in before] == before


def test_a_changed_character_keeps_what_was_not_sent(send: Send, write_character: WriteCharacter, db: "Client") -> None:
    before = write_character("known", starred=3)

    response = send("PUT", "/api/characters/known", user_id="ann", fields={"displayName": "Eva", "speed": "1.5"})

    after = store.find_character(db, "known")
    assert (response.status_code, response.get_json()["displayName"]) == (200, "Eva")
    assert after is not None
    assert after.updated_at > before.updated_at
    config = before.config.model_copy(update={"speed": 1.5})
    changes = {"display_name": "Eva", "config": config, "updated_at": after.updated_at}
    assert after == before.model_copy(update=changes)


def test_replaced_media_are_listed_for_deletion_and_stay(
    send: Send, forms: Forms, db: "Client", bucket: "Bucket"
) -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture), ("imageFiles", forms.picture)]
    made = send("POST", "/api/characters/complete", user_id="ann", fields=ALL, uploads=uploads).get_json()
    before = store.find_character(db, made["id"])
    assert before is not None

    response = send(
        "PUT",
        f"/api/characters/{made['id']}",
        user_id="ann",
        fields={"removeImageKeys": "0"},
        uploads=[("audioFile", forms.recording), ("newImageFiles", forms.picture)],
    )

    after = store.find_character(db, made["id"])
    assert after is not None
    assert list(response.get_json()["images"]) == sorted(after.images) == ["1", "2"]
    assert (after.recording.ref_text, after.images["1"]) == ("", before.images["1"])
    unused = {before.recording.object_name, before.images["0"]}
    assert set(objects(bucket)) == {*after.object_names, *unused}
    (listed,) = documents(db, "mediaDeletions")
    assert (set(listed["objectNames"]), listed["ownerId"]) == (unused, "ann")


def test_pictures_that_cannot_be_removed_cost_no_decoding(
    send: Send, write_character: WriteCharacter, forms: Forms, bucket: "Bucket"
) -> None:
    write_character("known")

    response = send(
        "PUT",
        "/api/characters/known",
        user_id="ann",
        fields={"removeImageKeys": "7"},
        uploads=[("newImageFiles", forms.picture)],
    )

    assert (response.status_code, response.get_json()["error"]["param"]) == (422, "removeImageKeys")
    assert objects(bucket) == []


def test_a_form_that_changes_nothing_changes_nothing(send: Send, write_character: WriteCharacter, db: "Client") -> None:
    before = write_character("known")

    empty = send("PUT", "/api/characters/known", user_id="ann")
    same = send("PUT", "/api/characters/known", user_id="ann", fields={"displayName": " Ada ", "speed": "1"})

    assert (empty.status_code, same.status_code) == (200, 200)
    assert store.find_character(db, "known") == before


def test_all_pictures_are_exchanged_at_once(
    send: Send, write_character: WriteCharacter, forms: Forms, db: "Client"
) -> None:
    before = write_character("known")

    response = send(
        "PUT",
        "/api/characters/known",
        user_id="ann",
        fields={"removeImageKeys": "1,0"},
        uploads=[("newImageFiles", forms.picture)],
    )

    assert (response.status_code, list(response.get_json()["images"])) == (200, ["2"])
    (listed,) = documents(db, "mediaDeletions")
    assert set(listed["objectNames"]) == set(before.pictures)


@pytest.mark.parametrize("keys", ["0,1", "2", "0,7"], ids=["all", "never there", "one that is not there"])
def test_pictures_are_not_removed_by_half(send: Send, write_character: WriteCharacter, db: "Client", keys: str) -> None:
    before = write_character("known")

    response = send("PUT", "/api/characters/known", user_id="ann", fields={"removeImageKeys": keys})

    assert (response.status_code, response.get_json()["error"]["param"]) == (422, "removeImageKeys")
    assert store.find_character(db, "known") == before


def test_a_file_that_nobody_chose_is_no_file(send: Send, write_character: WriteCharacter) -> None:
    write_character("known")

    response = send("PUT", "/api/characters/known", user_id="ann", uploads=[("audioFile", None)])

    assert response.status_code == 200


def test_a_deleted_character_is_gone_and_its_media_are_listed(
    send: Send, write_character: WriteCharacter, db: "Client"
) -> None:
    character = write_character("known")

    response = send("DELETE", "/api/characters/known", user_id="ann")

    assert response.get_json() == {
        "message": "Character 'known' deleted successfully",
        "deletedFiles": list(character.object_names),
    }
    assert store.find_character(db, "known") is None
    (listed,) = documents(db, "mediaDeletions")
    assert (listed["objectNames"], listed["ownerId"]) == (list(character.object_names), "ann")
    assert send("DELETE", "/api/characters/known", user_id="ann").status_code == 404


def test_characters_are_found_together(db: "Client", write_character: WriteCharacter) -> None:
    ada, ben = write_character("ada"), write_character("ben", hidden=True)

    assert store.find_characters(db, ["ada", "none", "ben", "ada", "__all__"]) == {"ada": ada, "ben": ben}


def test_no_characters_are_found_for_no_ids(db: "Client") -> None:
    assert store.find_characters(db, []) == {}

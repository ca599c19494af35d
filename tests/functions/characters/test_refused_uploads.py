"""What becomes of uploaded objects whose document is refused, and how many uploads there may be."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import Aborted, DeadlineExceeded, ServiceUnavailable
from google.cloud.storage import Blob

from characters import store
from config import platform
from gcp import clients
from tests.functions.characters.conftest import Forms, Send, WriteCharacter

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

Meanwhile = Callable[[Callable[[], object]], None]
NEW, KNOWN = "/api/characters/complete", "/api/characters/known"


@pytest.fixture(autouse=True)
def _user(make_user: Callable[..., Any]) -> None:
    make_user("ann")


@pytest.fixture
def before_upload(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """A function that has something happen before every upload to the bucket."""
    upload = Blob.upload_from_string

    def happens(meanwhile: Callable[[], object]) -> None:
        def uploaded(blob: Blob, *given: Any, **named: Any) -> None:
            meanwhile()
            upload(blob, *given, **named)

        monkeypatch.setattr(Blob, "upload_from_string", uploaded)

    return happens


class Committing:
    """The database's connection, on which commits that name a character end with an error, done or not."""

    def __init__(self, api: Any, error: Exception, *, times: int, is_done: bool) -> None:
        self._api, self._error, self._times, self._is_done = api, error, times, is_done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def commit(self, **call: Any) -> Any:
        names_one = any("/characters/" in write.update.name for write in call["request"]["writes"])
        if not names_one or not self._times:
            return self._api.commit(**call)
        self._times -= 1
        if self._is_done:
            self._api.commit(**call)
        raise self._error


def objects(bucket: "Bucket") -> list[str]:
    return sorted(blob.name for blob in bucket.list_blobs())


def listed(db: "Client") -> list[str]:
    """The objects that are listed for deletion."""
    found = [each.to_dict() or {} for each in db.collection("mediaDeletions").stream()]
    return sorted(name for fields in found for name in fields["objectNames"])


def add_picture(send: Send, forms: Forms) -> Any:
    return send("PUT", KNOWN, user_id="ann", uploads=[("newImageFiles", forms.picture)])


def test_pictures_that_became_too_many_are_listed_for_deletion(
    *,
    send: Send,
    forms: Forms,
    db: "Client",
    bucket: "Bucket",
    write_character: WriteCharacter,
    before_upload: Meanwhile,
) -> None:
    write_character("known")
    ten = {str(key): f"images/ann/{key:032x}.png" for key in range(10)}
    before_upload(lambda: db.document("characters", "known").update({"images": ten, "nextImageKey": 10}))

    response = add_picture(send, forms)

    assert (response.status_code, response.get_json()["error"]["param"]) == (422, "newImageFiles")
    assert listed(db) == objects(bucket) != []


def test_pictures_of_a_character_that_was_deleted_are_listed_for_deletion(
    *,
    send: Send,
    forms: Forms,
    db: "Client",
    bucket: "Bucket",
    write_character: WriteCharacter,
    before_upload: Meanwhile,
) -> None:
    write_character("known")
    before_upload(lambda: db.document("characters", "known").delete())

    assert add_picture(send, forms).status_code == 404
    assert listed(db) == objects(bucket) != []


def test_what_was_uploaded_before_the_storage_failed_is_listed_for_deletion(
    *, send: Send, forms: Forms, db: "Client", bucket: "Bucket", before_upload: Meanwhile
) -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture), ("imageFiles", forms.picture)]
    moments = iter((True, True, False))

    def fail_at_last() -> None:
        if not next(moments):
            raise ServiceUnavailable("down")  # type: ignore[no-untyped-call]  # the package leaves it so

    before_upload(fail_at_last)

    response = send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads)

    assert response.status_code == 503
    assert len(objects(bucket)) == 2
    assert set(objects(bucket)) < set(listed(db))


@pytest.mark.parametrize("is_done", [True, False])
def test_objects_stay_when_nobody_knows_whether_a_character_names_them(
    *, send: Send, forms: Forms, db: "Client", bucket: "Bucket", is_done: bool
) -> None:
    client = clients.firestore()
    error = DeadlineExceeded("too late")  # type: ignore[no-untyped-call]  # as above
    client._firestore_api_internal = Committing(client._firestore_api, error, times=1, is_done=is_done)
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture)]

    response = send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads)

    assert response.status_code == 503
    assert len(list(db.collection("characters").stream())) == is_done
    assert (len(objects(bucket)), listed(db)) == (2, [])


def test_a_change_whose_commit_was_not_answered_is_made_once(
    send: Send, forms: Forms, db: "Client", bucket: "Bucket", write_character: WriteCharacter
) -> None:
    nine = {str(key): f"images/ann/{key:032x}.png" for key in range(9)}
    write_character("known", images=nine, next_image_key=9)
    client = clients.firestore()
    error = Aborted("no answer")  # type: ignore[no-untyped-call]  # as above
    client._firestore_api_internal = Committing(client._firestore_api, error, times=1, is_done=True)

    response = add_picture(send, forms)

    character = store.find_character(db, "known")
    assert character is not None
    assert (response.status_code, len(response.get_json()["images"]), len(character.images)) == (200, 10, 10)
    assert (objects(bucket), listed(db)) == ([character.images["9"]], [])


@pytest.fixture
def _two_uploads(db: "Client") -> None:
    db.document("config", "effective").set({"uploadsPerHour": 2})
    platform._cache.clear()


@pytest.mark.usefixtures("_two_uploads")
def test_uploads_of_both_kinds_are_counted_and_one_too_many_is_not_decoded(
    send: Send, forms: Forms, db: "Client", write_character: WriteCharacter
) -> None:
    write_character("known")
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture)]
    taken = [send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads), add_picture(send, forms)]

    refused = [
        send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=[*uploads, ("imageFiles", b"text")]),
        send("PUT", KNOWN, user_id="ann", uploads=[("newImageFiles", b"text")]),
    ]

    assert [each.status_code for each in taken] == [200, 200]
    assert [(each.status_code, each.get_json()["error"]["code"]) for each in refused] == [(429, "RATE_LIMITED")] * 2
    assert all(3500 < int(each.headers["Retry-After"]) <= 3600 for each in refused)
    assert len(list(db.collection("characters").stream())) == 2


@pytest.mark.usefixtures("_two_uploads")
def test_a_change_without_files_is_no_upload(send: Send, write_character: WriteCharacter) -> None:
    write_character("known")

    changed = [send("PUT", KNOWN, user_id="ann", fields={"displayName": f"Ada {number}"}) for number in range(4)]

    assert {each.status_code for each in changed} == {200}


@pytest.mark.usefixtures("_two_uploads")
def test_a_form_that_nothing_is_decoded_of_is_no_upload(send: Send, forms: Forms) -> None:
    uploads = [("audioFile", forms.recording), ("imageFiles", forms.picture)]
    bad = [send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads[:1]) for _ in range(3)]

    good = send("POST", NEW, user_id="ann", fields={"displayName": "Ada"}, uploads=uploads)

    assert ([each.status_code for each in bad], good.status_code) == ([422] * 3, 200)


@pytest.mark.usefixtures("_two_uploads")
def test_a_repeated_request_is_no_upload(send: Send, forms: Forms) -> None:
    request: dict[str, Any] = {
        "fields": {"displayName": "Ada"},
        "uploads": [("audioFile", forms.recording), ("imageFiles", forms.picture)],
        "headers": {"Idempotency-Key": datetime.now(UTC).isoformat()},
    }

    answers = [send("POST", NEW, user_id="ann", **request) for _ in range(4)]

    assert {(each.status_code, each.get_json()["id"]) for each in answers} == {(200, answers[0].get_json()["id"])}

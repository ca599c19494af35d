"""What happens to a user at Firebase Auth, on Google's emulator, and what the API answers then."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.identity_watch import PAUSE, _write, copy_identities, watch
from accounts.sessions import issue_session
from gcp.errors import Unavailable
from gcp.settings import settings
from tests.emulators import free_port
from tests.functions.accounts.conftest import PASSWORD, FirebaseAuth, GoogleUser, bearer, use_auth_at
from tests.functions.conftest import CallApi, MakeUser

if TYPE_CHECKING:
    from google.cloud.firestore import Client


@pytest.fixture
def ann(auth: FirebaseAuth, call_api: CallApi) -> GoogleUser:
    """A user who has called with the ID token."""
    user = auth.sign_up("ann@example.com")
    assert call_api("GET", "/api/me", headers=bearer(user.id_token)).status == 200
    return user


def session_of(user_id: str, signed_in_at: datetime) -> dict[str, str]:
    now = datetime.now(UTC)
    return bearer(issue_session(user_id, settings().jwt_secrets, now=now, signed_in_at=signed_in_at))


def call_me(call_api: CallApi, headers: dict[str, str]) -> int:
    return int(call_api("GET", "/api/me", headers=headers).status)


@pytest.mark.parametrize("kind", ["session", "ID token"])
def test_a_user_who_was_disabled_is_refused_until_enabled(
    auth: FirebaseAuth, ann: GoogleUser, call_api: CallApi, db: "Client", kind: str
) -> None:
    now = datetime.now(UTC)
    headers = bearer(ann.id_token) if kind == "ID token" else session_of(ann.user_id, now + timedelta(seconds=2))
    auth.edit(ann.user_id, disableUser=True)
    copy_identities(db, now)
    refused = call_me(call_api, headers)
    auth.edit(ann.user_id, disableUser=False)
    copy_identities(db, now)

    assert (refused, call_me(call_api, headers)) == (401, 200)


@pytest.mark.parametrize("kind", ["session", "ID token"])
def test_a_user_who_was_deleted_is_refused(
    auth: FirebaseAuth, ann: GoogleUser, call_api: CallApi, db: "Client", kind: str
) -> None:
    now = datetime.now(UTC)
    headers = bearer(ann.id_token) if kind == "ID token" else session_of(ann.user_id, now)
    auth.delete(ann.user_id)

    copy_identities(db, now)

    assert call_me(call_api, headers) == 401


def test_a_token_from_before_a_new_password_is_refused_and_one_from_after_is_not(
    auth: FirebaseAuth, ann: GoogleUser, call_api: CallApi, db: "Client"
) -> None:
    now = datetime.now(UTC)
    db.document("users", ann.user_id).update({"tokensValidAfter": None})
    before = session_of(ann.user_id, now - timedelta(hours=1))
    assert call_me(call_api, before) == 200
    auth.edit(ann.user_id, password="another password")

    copy_identities(db, now)

    after = call_api("POST", "/api/login", body={"email": "ann@example.com", "password": "another password"})
    assert call_me(call_api, before) == 401
    assert call_me(call_api, bearer(after.body["token"])) == 200


def test_a_custom_token_from_before_a_deletion_brings_nobody_back(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    body = {"name": "Ann", "email": "ann@example.com", "password": PASSWORD}
    signed_up = call_api("POST", "/api/signup", body=body).body
    now = datetime.now(UTC)
    db.document("users", signed_up["user"]["id"]).update({"createdAt": now - timedelta(days=1)})
    auth.delete(signed_up["user"]["id"])
    copy_identities(db, now)

    again = auth.sign_in_with_custom_token(signed_up["firebaseToken"])
    copy_identities(db, now)

    assert call_me(call_api, bearer(again.id_token)) == 401
    assert call_me(call_api, bearer(signed_up["token"])) == 401


@pytest.mark.parametrize(
    ("away", "is_watched"),
    [(timedelta(hours=-1), True), (timedelta(minutes=4), True), (timedelta(minutes=6), False)],
    ids=["token alive", "token that was not worth a write", "no token"],
)
def test_whose_tokens_ended_is_not_asked_about(
    auth: FirebaseAuth, ann: GoogleUser, db: "Client", away: timedelta, is_watched: bool
) -> None:
    now = datetime.now(UTC)
    db.document("users", ann.user_id).update({"accessUntil": now - away})
    auth.edit(ann.user_id, disableUser=True)

    copy_identities(db, now)

    assert (db.document("users", ann.user_id).get().to_dict() or {})["identityDisabled"] is is_watched


def test_who_is_as_firebase_auth_says_is_not_written(ann: GoogleUser, db: "Client") -> None:
    copy_identities(db, datetime.now(UTC))
    before = db.document("users", ann.user_id).get().update_time

    copy_identities(db, datetime.now(UTC))

    assert db.document("users", ann.user_id).get().update_time == before


def test_every_user_is_asked_about_however_many_there_are(auth: FirebaseAuth, db: "Client") -> None:
    assert auth
    now = datetime.now(UTC)
    batch = db.batch()
    for number in range(205):
        # Many end at the same moment.
        until = now + timedelta(minutes=number // 50)
        fields = {"name": "N", "email": "", "tokens": 0, "createdAt": now, "updatedAt": now, "accessUntil": until}
        batch.set(db.document("users", f"user{number}"), fields)
    batch.commit()

    copy_identities(db, now)

    users = [each.to_dict() or {} for each in db.collection("users").stream()]
    assert [user for user in users if user.get("identityDisabled") is not True] == []


def test_a_document_that_an_admin_damaged_keeps_no_other_user_from_being_watched(
    auth: FirebaseAuth, ann: GoogleUser, call_api: CallApi, db: "Client"
) -> None:
    until = (db.document("users", ann.user_id).get().to_dict() or {})["accessUntil"]
    # Asked about before Ann.
    db.document("users", "damaged").set({"name": 5, "accessUntil": until - timedelta(minutes=1)})
    auth.edit(ann.user_id, disableUser=True)

    copy_identities(db, datetime.now(UTC))

    assert call_me(call_api, bearer(ann.id_token)) == 401


def test_a_change_between_two_runs_is_seen_half_a_minute_after_the_first(
    auth: FirebaseAuth, ann: GoogleUser, call_api: CallApi, db: "Client"
) -> None:
    started_at = datetime.now(UTC)
    moments = iter([started_at, started_at, started_at + timedelta(seconds=4), started_at + PAUSE])
    pauses: list[float] = []

    def disable(seconds: float) -> None:
        pauses.append(seconds)
        auth.edit(ann.user_id, disableUser=True)

    watch(db, clock=lambda: next(moments), pause=disable)

    assert pauses == [26.0]
    assert call_me(call_api, bearer(ann.id_token)) == 401


def test_a_run_that_firebase_auth_does_not_answer_fails_and_disables_nobody(
    ann: GoogleUser, db: "Client", product: pytest.MonkeyPatch
) -> None:
    use_auth_at(product, f"127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable):
        copy_identities(db, datetime.now(UTC))

    assert (db.document("users", ann.user_id).get().to_dict() or {})["identityDisabled"] is False


def test_a_user_whose_document_goes_meanwhile_stays_gone(auth: FirebaseAuth, make_user: MakeUser, db: "Client") -> None:
    assert auth
    make_user("ann")
    snapshot = db.document("users", "ann").get()
    snapshot.reference.delete()

    _write(snapshot, {"identityDisabled": True})

    assert not db.document("users", "ann").get().exists

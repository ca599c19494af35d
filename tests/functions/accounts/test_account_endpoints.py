"""Signing up, signing in and refreshing, on Google's Auth emulator."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from accounts.identity_watch import copy_identities
from accounts.sessions import issue_session
from accounts.users import User, find_user
from gcp.settings import settings
from tests.emulators import free_port
from tests.functions.accounts.conftest import PASSWORD, FirebaseAuth, SetConfig, bearer
from tests.functions.conftest import Answered, CallApi

if TYPE_CHECKING:
    from google.cloud.firestore import Client

ANN = {"name": "Ann Lee", "email": "ann@example.com", "password": PASSWORD}


def sign_up(call_api: CallApi, **changes: str) -> Answered:
    answer: Answered = call_api("POST", "/api/signup", body=ANN | changes)
    return answer


def sign_in(call_api: CallApi, email: str = "ann@example.com", password: str = PASSWORD) -> Answered:
    answer: Answered = call_api("POST", "/api/login", body={"email": email, "password": password})
    return answer


def stored(db: "Client", user_id: str) -> User:
    user = find_user(db, user_id)
    assert user is not None
    return user


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


def ago(**period: float) -> datetime:
    return datetime.now(UTC) - timedelta(**period)


def code(answer: Answered) -> str:
    return str(answer.body["error"]["code"])


def test_a_sign_up_makes_an_account_that_works_at_once(auth: FirebaseAuth, call_api: CallApi) -> None:
    signed_up = sign_up(call_api)

    assert signed_up.status == 200
    assert signed_up.body["message"] == "User created successfully"
    assert signed_up.body["expiresIn"] == 3600
    user = signed_up.body["user"]
    told = (user["name"], user["email"], user["tokens"], user["isVerified"], user["subscription"])
    assert told == ("Ann Lee", "ann@example.com", 20, False, "free")
    assert call_api("GET", "/api/me", headers=bearer(signed_up.body["token"])).body == user
    assert auth.sign_in("ann@example.com").user_id == user["id"]


def test_a_configured_number_of_initial_tokens_is_given(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig
) -> None:
    assert auth
    set_config(initialTokens=7)

    assert sign_up(call_api).body["user"]["tokens"] == 7


def test_a_sign_up_keeps_the_user_watched_while_its_tokens_live(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    assert auth
    user = stored(db, sign_up(call_api).body["user"]["id"])

    assert user.access_until == user.created_at + timedelta(hours=2)


def test_an_address_signs_up_once(auth: FirebaseAuth, call_api: CallApi, db: "Client") -> None:
    assert auth
    sign_up(call_api)

    again = sign_up(call_api, email="ANN@example.com")

    assert (again.status, code(again)) == (409, "ADDRESS_TAKEN")
    assert len(list(db.collection("users").stream())) == 1


def test_closed_sign_ups_reach_nobody(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig, db: "Client"
) -> None:
    set_config(signUpOpen=False)

    refused = sign_up(call_api)

    assert (refused.status, code(refused)) == (403, "SIGNUP_CLOSED")
    assert list(db.collection("users").stream()) == []
    auth.sign_up("ann@example.com")  # would be refused, had Firebase Auth the address


@pytest.mark.attacks
def test_no_more_accounts_are_made_in_an_hour_than_configured(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig
) -> None:
    set_config(newAccountsPerHour=1)
    sign_up(call_api, email="first@example.com")

    refused = sign_up(call_api)

    assert (refused.status, code(refused)) == (429, "RATE_LIMITED")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    auth.sign_up("ann@example.com")


def test_a_sign_in_gives_a_session_of_googles_time(auth: FirebaseAuth, call_api: CallApi) -> None:
    signed_up = sign_up(call_api)

    signed_in = sign_in(call_api)

    assert signed_in.status == 200
    assert signed_in.body["user"] == signed_up.body["user"]
    assert call_api("GET", "/api/me", headers=bearer(signed_in.body["token"])).status == 200
    assert claims(signed_in.body["token"])["auth_time"] == auth.last_sign_in(signed_up.body["user"]["id"])


@pytest.mark.attacks
def test_an_unknown_address_and_a_wrong_password_get_one_answer(auth: FirebaseAuth, call_api: CallApi) -> None:
    assert auth
    sign_up(call_api)

    answers = [sign_in(call_api, password="wrong"), sign_in(call_api, email="nobody@example.com")]

    for answer in answers:
        answer.body["error"].pop("requestId")
        assert (answer.status, code(answer)) == (401, "WRONG_CREDENTIALS")
    assert answers[0].body == answers[1].body


@pytest.mark.attacks
@pytest.mark.parametrize("email", ["ann@example.com", "nobody@example.com"], ids=["known", "unknown"])
def test_an_address_is_tried_no_more_often_than_configured(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig, email: str
) -> None:
    assert auth
    sign_up(call_api)
    set_config(signInAttempts=1)
    sign_in(call_api, email=email, password="wrong")

    refused = sign_in(call_api, email=email.replace("@", "+x@"), password="wrong2")

    assert (refused.status, code(refused)) == (429, "RATE_LIMITED")
    assert 0 < int(refused.headers["Retry-After"]) <= 900
    assert sign_in(call_api, email="another@example.com").status == 401


def test_a_sign_up_that_died_half_way_is_finished_by_the_next_sign_in(auth: FirebaseAuth, call_api: CallApi) -> None:
    auth.sign_up("ann@example.com", displayName="Ann Lee")

    user = sign_in(call_api).body["user"]

    assert (user["name"], user["tokens"]) == ("Ann Lee", 20)


@pytest.mark.parametrize(
    ("values", "status"), [({"signUpOpen": False}, 403), ({"newAccountsPerHour": 1}, 429)], ids=["closed", "too many"]
)
def test_a_sign_in_that_would_open_an_account_is_a_sign_up(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig, values: dict[str, Any], status: int
) -> None:
    sign_up(call_api, email="first@example.com")
    auth.sign_up("ann@example.com")
    set_config(**values)
    first = sign_in(call_api, email="first@example.com")
    if status == 429:
        sign_up(call_api, email="second@example.com")

    assert first.status == 200
    assert sign_in(call_api).status == status


def test_a_verified_address_shows_after_the_next_sign_in(auth: FirebaseAuth, call_api: CallApi) -> None:
    user_id = sign_up(call_api).body["user"]["id"]
    auth.edit(user_id, emailVerified=True)

    user = sign_in(call_api).body["user"]

    assert (user["isVerified"], user["tokens"]) == (True, 20)


@pytest.mark.parametrize(
    "fields", [{"disabled": True}, {"deletedAt": datetime(2026, 1, 1, tzinfo=UTC)}], ids=["disabled", "deleted"]
)
def test_who_is_disabled_here_is_told_what_a_stranger_is(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", fields: dict[str, Any]
) -> None:
    assert auth
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update(fields)

    refused = sign_in(call_api)

    assert (refused.status, code(refused)) == (401, "WRONG_CREDENTIALS")


def test_who_is_disabled_at_firebase_auth_is_told_what_a_stranger_is(auth: FirebaseAuth, call_api: CallApi) -> None:
    auth.edit(sign_up(call_api).body["user"]["id"], disableUser=True)

    refused = sign_in(call_api)

    assert (refused.status, code(refused)) == (401, "WRONG_CREDENTIALS")


def test_a_sign_in_ends_that_the_user_was_disabled_at_firebase_auth(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    assert auth
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update({"identityDisabled": True})

    signed_in = sign_in(call_api)

    assert call_api("GET", "/api/me", headers=bearer(signed_in.body["token"])).status == 200


def test_a_deleted_user_signs_in_no_more_as_another_of_the_same_id(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    signed_up = sign_up(call_api).body
    user_id = signed_up["user"]["id"]
    db.document("users", user_id).update({"createdAt": ago(days=1)})
    auth.delete(user_id)
    copy_identities(db, datetime.now(UTC))
    auth.sign_in_with_custom_token(signed_up["firebaseToken"])
    auth.edit(user_id, email="ann@example.com", password=PASSWORD)

    refused = sign_in(call_api)

    assert (refused.status, code(refused)) == (401, "WRONG_CREDENTIALS")
    assert stored(db, user_id).identity_disabled


def test_a_user_whose_document_an_admin_deleted_comes_back_with_the_ledgers_balance(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    assert auth
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).delete()

    assert sign_in(call_api).body["user"]["tokens"] == 20
    assert (stored(db, user_id).ledger_tokens, stored(db, user_id).held) == (20, 0)


@pytest.mark.parametrize(
    ("status", "told", "refusal"),
    [
        (400, {"error": {"message": "TOO_MANY_ATTEMPTS_TRY_LATER : Reset the password."}}, (429, "RATE_LIMITED")),
        (400, {"error": {"message": "OPERATION_NOT_ALLOWED"}}, (503, "UNAVAILABLE")),
        (200, {"localId": "ann", "mfaPendingCredential": "a second factor is asked for"}, (503, "UNAVAILABLE")),
    ],
    ids=["too many", "not configured", "second factor"],
)
def test_what_the_emulator_never_says_of_a_sign_in(
    *,
    auth: FirebaseAuth,
    call_api: CallApi,
    product: pytest.MonkeyPatch,
    status: int,
    told: dict[str, Any],
    refusal: tuple[int, str],
) -> None:
    assert auth

    class Google(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Google) as google:
        threading.Thread(target=google.serve_forever, daemon=True).start()
        product.setenv("FIREBASE_AUTH_EMULATOR_HOST", f"127.0.0.1:{google.server_port}")
        settings.cache_clear()
        answer = sign_in(call_api)
        google.shutdown()

    assert (answer.status, code(answer)) == refusal


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "Bob <ann@example.com>"),
        ("email", "<ann@example.com>"),
        ("email", "ann@"),
        ("name", "\u200b\u200b"),
        ("name", "\u202e\ufeff"),
        ("name", "Ann\0"),
    ],
)
def test_a_name_that_shows_nothing_and_what_is_no_address_alone_are_refused(
    call_api: CallApi, field: str, value: str
) -> None:
    refused = sign_up(call_api, **{field: value})

    assert (refused.status, refused.body["detail"][0]["loc"]) == (422, ["body", field])


def test_a_sign_in_takes_an_address_alone(call_api: CallApi) -> None:
    refused = sign_in(call_api, email="Bob <ann@example.com>")

    assert (refused.status, refused.body["detail"][0]["loc"]) == (422, ["body", "email"])


@pytest.mark.parametrize("operation", ["signup", "login"])
def test_a_sign_in_service_that_is_down_is_not_the_users_fault(
    auth: FirebaseAuth, call_api: CallApi, product: pytest.MonkeyPatch, operation: str
) -> None:
    assert auth
    product.setenv("FIREBASE_AUTH_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    settings.cache_clear()

    answer = call_api("POST", f"/api/{operation}", body=ANN)

    assert (answer.status, code(answer)) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("operation", ["signup", "login"])
def test_a_client_signs_in_to_firebase_with_the_answers_token(
    auth: FirebaseAuth, call_api: CallApi, operation: str
) -> None:
    answer = sign_up(call_api)
    if operation == "login":
        answer = sign_in(call_api)

    user = auth.sign_in_with_custom_token(answer.body["firebaseToken"])

    assert user.user_id == answer.body["user"]["id"]
    assert claims(user.id_token)["signedInAt"] == claims(answer.body["token"])["auth_time"]
    assert call_api("GET", "/api/me", headers=bearer(user.id_token)).body == answer.body["user"]


def test_a_session_is_refreshed_with_the_time_of_its_sign_in(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    assert auth
    signed_up = sign_up(call_api)

    refreshed = call_api("POST", "/api/refresh-token", headers=bearer(signed_up.body["token"]))

    assert refreshed.status == 200
    assert refreshed.body["user"] == signed_up.body["user"]
    assert refreshed.body["expiresIn"] == 3600
    assert "firebaseToken" not in refreshed.body
    assert claims(refreshed.body["token"])["auth_time"] == claims(signed_up.body["token"])["auth_time"]
    assert refreshed.body["token"] != signed_up.body["token"]
    assert stored(db, signed_up.body["user"]["id"]).access_until is not None


def session_of(user_id: str, signed_in_at: datetime, *, issued_at: datetime | None = None) -> dict[str, str]:
    token = issue_session(
        user_id, settings().jwt_secrets, now=issued_at or datetime.now(UTC), signed_in_at=signed_in_at
    )
    return bearer(token)


def test_a_refresh_extends_how_long_the_user_is_watched(auth: FirebaseAuth, call_api: CallApi, db: "Client") -> None:
    assert auth
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update({"accessUntil": ago(hours=1), "tokensValidAfter": None})
    auth.edit(user_id, validSince="0")

    call_api("POST", "/api/refresh-token", headers=session_of(user_id, ago(days=1)))

    until = stored(db, user_id).access_until
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(minutes=59)


@pytest.mark.attacks
def test_the_last_session_ends_30_days_after_the_sign_in(auth: FirebaseAuth, call_api: CallApi, db: "Client") -> None:
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update({"tokensValidAfter": None})
    auth.edit(user_id, validSince="0")
    signed_in_at = ago(days=30) + timedelta(minutes=10)

    refreshed = call_api("POST", "/api/refresh-token", headers=session_of(user_id, signed_in_at))

    assert refreshed.status == 200
    assert refreshed.body["expiresIn"] <= 600
    assert claims(refreshed.body["token"])["exp"] <= (signed_in_at + timedelta(days=30)).timestamp()


def test_30_days_after_the_sign_in_a_new_one_is_due(auth: FirebaseAuth, call_api: CallApi, db: "Client") -> None:
    # The leeway of clocks is what lets such a token come so far.
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update({"tokensValidAfter": None})
    auth.edit(user_id, validSince="0")
    signed_in_at = ago(days=30, seconds=5)
    session = session_of(user_id, signed_in_at, issued_at=ago(seconds=60))

    refused = call_api("POST", "/api/refresh-token", headers=session)

    assert (refused.status, code(refused)) == (401, "SIGN_IN_AGAIN")


@pytest.mark.attacks
@pytest.mark.parametrize("change", ["disabled", "password", "deleted"])
def test_what_firebase_auth_revoked_a_moment_ago_is_not_refreshed(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", change: str
) -> None:
    user_id = sign_up(call_api).body["user"]["id"]
    db.document("users", user_id).update({"tokensValidAfter": None})
    session = session_of(user_id, ago(hours=1))
    if change == "disabled":
        auth.edit(user_id, disableUser=True)
    elif change == "password":
        auth.edit(user_id, password="another password")
    else:
        auth.delete(user_id)
    assert call_api("GET", "/api/me", headers=session).status == 200  # not seen yet

    assert call_api("POST", "/api/refresh-token", headers=session).status == 401


def test_a_session_of_a_deleted_user_is_not_refreshed_for_another_of_the_same_id(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    signed_up = sign_up(call_api).body
    user_id = signed_up["user"]["id"]
    db.document("users", user_id).update({"createdAt": ago(days=1), "tokensValidAfter": None})
    auth.delete(user_id)
    auth.sign_in_with_custom_token(signed_up["firebaseToken"])

    refused = call_api("POST", "/api/refresh-token", headers=session_of(user_id, datetime.now(UTC)))

    assert refused.status == 401

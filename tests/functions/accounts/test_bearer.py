"""Who is let in by a Firebase ID token, on Google's Auth emulator."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from accounts.identity import create_firebase_token
from accounts.users import User, find_user
from tests.emulators import free_port
from tests.functions.accounts.conftest import FirebaseAuth, SetConfig, bearer, use_auth_at
from tests.functions.conftest import Answered, CallApi

if TYPE_CHECKING:
    from google.cloud.firestore import Client

GOOGLE_USER = {"sub": "1", "email": "ann@example.com", "email_verified": True, "name": "Ann Lee"}
FACEBOOK_USER = {"sub": "1", "email": "ann@example.com", "email_verified": False, "name": "Ann Lee"}


def me(call_api: CallApi, token: str) -> Answered:
    answer: Answered = call_api("GET", "/api/me", headers=bearer(token))
    return answer


def stored(db: "Client", user_id: str) -> User:
    user = find_user(db, user_id)
    assert user is not None
    return user


def users(db: "Client") -> list[str]:
    return [each.id for each in db.collection("users").stream()]


# First calls


def test_the_first_call_of_a_providers_user_opens_the_account(
    auth: FirebaseAuth, call_api: CallApi, db: "Client"
) -> None:
    user = auth.sign_in_with_provider("google.com", GOOGLE_USER)

    answer = me(call_api, user.id_token)

    assert answer.status == 200
    told = [answer.body[name] for name in ("id", "name", "email", "tokens", "isVerified")]
    assert told == [user.user_id, "Ann Lee", "ann@example.com", 20, True]
    expires_at = jwt.decode(user.id_token, options={"verify_signature": False})["exp"]
    assert stored(db, user.user_id).access_until == datetime.fromtimestamp(expires_at, UTC)


def test_the_first_call_may_be_any(auth: FirebaseAuth, call_api: CallApi) -> None:
    user = auth.sign_in_with_provider("google.com", GOOGLE_USER)

    answer = call_api("GET", "/api/characters", headers=bearer(user.id_token))

    assert (answer.status, answer.body) == (200, [])


def test_the_first_call_of_a_password_user_gives_the_tokens(auth: FirebaseAuth, call_api: CallApi) -> None:
    answer = me(call_api, auth.sign_up("ann.lee@example.com").id_token)

    assert [answer.body[name] for name in ("name", "tokens", "isVerified")] == ["ann.lee", 20, False]


def test_the_first_call_of_a_phones_user_opens_an_account_without_an_address(
    auth: FirebaseAuth, call_api: CallApi
) -> None:
    answer = me(call_api, auth.sign_in_with_phone("+15555550100").id_token)

    assert [answer.body[name] for name in ("name", "email", "tokens")] == ["New user", "", 0]


def test_an_unverified_address_gets_its_tokens_with_the_first_call_after_it_was_verified(
    auth: FirebaseAuth, call_api: CallApi
) -> None:
    unverified = auth.sign_in_with_provider("facebook.com", FACEBOOK_USER)
    first = me(call_api, unverified.id_token)
    auth.edit(unverified.user_id, emailVerified=True)
    verified = auth.sign_in_with_provider("facebook.com", FACEBOOK_USER)

    later = [me(call_api, token).body for token in (verified.id_token, verified.id_token)]

    assert (first.body["tokens"], first.body["isVerified"]) == (0, False)
    assert [(body["tokens"], body["isVerified"]) for body in later] == [(20, True), (20, True)]


def test_guests_are_told_that_they_have_no_account(auth: FirebaseAuth, call_api: CallApi, db: "Client") -> None:
    answer = me(call_api, auth.sign_up_anonymously().id_token)

    assert answer.status == 401
    assert answer.body["detail"].startswith("Guests have no account here")
    assert users(db) == []


@pytest.mark.parametrize(
    ("values", "refusal"),
    [({"signUpOpen": False}, (403, "SIGNUP_CLOSED")), ({"newAccountsPerHour": 1}, (429, "RATE_LIMITED"))],
    ids=["closed", "too many"],
)
def test_a_first_call_is_a_sign_up_and_a_second_is_not(
    auth: FirebaseAuth, call_api: CallApi, set_config: SetConfig, values: dict[str, Any], refusal: tuple[int, str]
) -> None:
    known, new = auth.sign_up("ann@example.com"), auth.sign_up("bob@example.com")
    me(call_api, known.id_token)
    set_config(**values)

    refused = me(call_api, new.id_token)

    assert (refused.status, refused.body["error"]["code"]) == refusal
    assert ("Retry-After" in refused.headers) is (refused.status == 429)
    assert me(call_api, known.id_token).status == 200
    assert me(call_api, new.id_token).status == refused.status


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda auth, user_id: auth.edit(user_id, disableUser=True), id="disabled"),
        pytest.param(lambda auth, user_id: auth.delete(user_id), id="deleted"),
        pytest.param(lambda auth, user_id: auth.edit(user_id, validSince="4000000000"), id="revoked"),
    ],
)
def test_a_token_that_firebase_auth_takes_no_more_opens_no_account(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", change: Callable[[FirebaseAuth, str], None]
) -> None:
    user = auth.sign_up("ann@example.com")
    change(auth, user.user_id)

    assert me(call_api, user.id_token).status == 401
    assert users(db) == []


def test_no_call_but_the_first_asks_firebase_auth(
    auth: FirebaseAuth, call_api: CallApi, product: pytest.MonkeyPatch
) -> None:
    user = auth.sign_in_with_provider("google.com", GOOGLE_USER)
    me(call_api, user.id_token)
    use_auth_at(product, f"127.0.0.1:{free_port()}")

    assert me(call_api, user.id_token).status == 200


def test_a_first_call_that_firebase_auth_does_not_answer_is_not_the_users_fault(
    auth: FirebaseAuth, call_api: CallApi, product: pytest.MonkeyPatch
) -> None:
    user = auth.sign_up("ann@example.com")
    use_auth_at(product, f"127.0.0.1:{free_port()}")

    assert me(call_api, user.id_token).status == 503


def test_media_paths_know_who_an_id_token_is_of(auth: FirebaseAuth, call_api: CallApi) -> None:
    token = auth.sign_up("ann@example.com").id_token

    # Somebody else's; 401 is for a bad token.
    assert call_api("GET", f"/api/videos/eve/{'0' * 32}_1.mp4", headers=bearer(token)).status == 403


# Users who are there


@pytest.fixture
def token(auth: FirebaseAuth, call_api: CallApi) -> str:
    """The ID token of a user who has called before."""
    user = auth.sign_up("ann@example.com")
    assert me(call_api, user.id_token).status == 200
    return user.id_token


def subject(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


@pytest.mark.parametrize(
    "fields",
    [
        {"disabled": True},
        {"deletedAt": datetime(2026, 1, 1, tzinfo=UTC)},
        {"tokensValidAfter": datetime(2100, 1, 1, tzinfo=UTC)},
    ],
    ids=["disabled", "deleted", "revoked"],
)
def test_an_id_token_of_an_account_that_does_not_stand_is_refused(
    call_api: CallApi, db: "Client", token: str, fields: dict[str, Any]
) -> None:
    db.document("users", subject(token)).update(fields)

    assert me(call_api, token).status == 401


@pytest.mark.parametrize("is_disabled", [True, False], ids=["still", "no more"])
def test_an_id_token_of_a_user_who_was_disabled_asks_firebase_auth_whether_they_are(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", token: str, is_disabled: bool
) -> None:
    auth.edit(subject(token), disableUser=is_disabled)
    db.document("users", subject(token)).update({"identityDisabled": True})

    assert me(call_api, token).status == (401 if is_disabled else 200)
    assert stored(db, subject(token)).identity_disabled is is_disabled


@pytest.mark.parametrize(
    ("stored_before_end", "is_written"),
    [(timedelta(minutes=4), False), (timedelta(minutes=6), True), (timedelta(hours=-1), False)],
    ids=["a little later", "later", "earlier"],
)
def test_a_token_that_ends_later_keeps_its_user_watched(
    call_api: CallApi, db: "Client", token: str, stored_before_end: timedelta, is_written: bool
) -> None:
    ends_at = datetime.fromtimestamp(jwt.decode(token, options={"verify_signature": False})["exp"], UTC)
    before = ends_at - stored_before_end
    db.document("users", subject(token)).update({"accessUntil": before})

    me(call_api, token)

    assert stored(db, subject(token)).access_until == (ends_at if is_written else before)


@pytest.mark.parametrize("signed_in", [timedelta(hours=1), timedelta(0)], ids=["before", "after"])
def test_a_custom_token_is_as_old_as_its_sign_in_however_late_it_is_exchanged(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", token: str, signed_in: timedelta
) -> None:
    user_id, now = subject(token), datetime.now(UTC).replace(microsecond=0)
    custom = create_firebase_token(user_id, now - signed_in)
    db.document("users", user_id).update({"tokensValidAfter": now - timedelta(minutes=5)})

    exchanged = auth.sign_in_with_custom_token(custom)

    assert me(call_api, exchanged.id_token).status == (401 if signed_in else 200)


def test_a_custom_token_is_worth_nothing_30_days_after_its_sign_in(
    auth: FirebaseAuth, call_api: CallApi, db: "Client", token: str
) -> None:
    db.document("users", subject(token)).update({"tokensValidAfter": None})
    custom = create_firebase_token(subject(token), datetime.now(UTC) - timedelta(days=30))

    exchanged = auth.sign_in_with_custom_token(custom)

    assert me(call_api, exchanged.id_token).status == 401

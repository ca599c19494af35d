from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from accounts.sessions import LIFETIME, SIGN_IN_LIFETIME, is_session, issue_session, key_id, session_end, verify_session
from gcp.errors import SignInAgain, Unauthenticated

CURRENT, PREVIOUS = "c" * 40, "p" * 40


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    made: dict[str, Any] = {
        "iss": "duologue",
        "aud": "duologue-api",
        "sub": "user1",
        "iat": now,
        "exp": now + LIFETIME,
        "jti": "1",
        "auth_time": int(now.timestamp()),
    }
    return made | changes


def signed(*, key: str = CURRENT, algorithm: str = "HS256", kid: str | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers={"kid": kid or key_id(CURRENT)})


def without(name: str) -> str:
    kept = {claim: value for claim, value in claims().items() if claim != name}
    return jwt.encode(kept, CURRENT, algorithm="HS256", headers={"kid": key_id(CURRENT)})


def test_a_session_is_valid_for_an_hour_and_knows_its_user_and_sign_in() -> None:
    now = datetime.now(UTC)
    signed_in_at = now.replace(microsecond=0) - timedelta(days=3)

    token = issue_session("user1", [CURRENT], now=now, signed_in_at=signed_in_at)

    session = verify_session(token, [CURRENT])
    content = jwt.decode(token, options={"verify_signature": False})
    assert session == ("user1", signed_in_at)
    assert content["exp"] - content["iat"] == 3600


def test_every_session_has_an_id_of_its_own() -> None:
    now = datetime.now(UTC)

    tokens = {issue_session("user1", [CURRENT], now=now) for _ in range(3)}

    assert len(tokens) == 3


def test_a_session_of_the_key_before_is_valid_during_a_rotation() -> None:
    token = issue_session("user1", [PREVIOUS], now=datetime.now(UTC))

    assert verify_session(token, [CURRENT, PREVIOUS]).user_id == "user1"


@pytest.mark.parametrize(
    ("age", "lifetime"),
    [
        (timedelta(0), timedelta(hours=1)),
        (timedelta(days=29, hours=23), timedelta(hours=1)),
        (timedelta(days=29, hours=23, minutes=59), timedelta(minutes=1)),
        (timedelta(days=30) - timedelta(seconds=1), timedelta(seconds=1)),
    ],
)
def test_a_session_ends_after_an_hour_and_never_later_than_30_days_after_its_sign_in(
    age: timedelta, lifetime: timedelta
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    token = issue_session("user1", [CURRENT], now=now, signed_in_at=now - age)

    ends_at = datetime.fromtimestamp(jwt.decode(token, options={"verify_signature": False})["exp"], UTC)
    assert ends_at == now + lifetime
    assert session_end(now, now - age) == ends_at


@pytest.mark.parametrize("age", [SIGN_IN_LIFETIME, SIGN_IN_LIFETIME + timedelta(days=300)])
def test_30_days_after_the_sign_in_no_session_is_issued(age: timedelta) -> None:
    now = datetime.now(UTC)

    with pytest.raises(SignInAgain):
        issue_session("user1", [CURRENT], now=now, signed_in_at=now - age)


def test_a_token_is_taken_for_a_session_by_the_name_of_its_key() -> None:
    ours = issue_session("user1", [PREVIOUS], now=datetime.now(UTC))
    another = jwt.encode(claims(), CURRENT, algorithm="HS256", headers={"kid": "another"})

    assert is_session(ours, [CURRENT, PREVIOUS])
    assert not is_session(another, [CURRENT, PREVIOUS])


@pytest.mark.attacks
@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda: issue_session("u", [PREVIOUS], now=datetime.now(UTC)), id="retired key"),
        pytest.param(lambda: signed(key=PREVIOUS), id="another key under our key id"),
        pytest.param(lambda: signed(kid=key_id(PREVIOUS)), id="unknown key id"),
        pytest.param(lambda: signed(algorithm="HS512"), id="another algorithm"),
        pytest.param(
            lambda: jwt.encode(claims(), "", algorithm="none", headers={"kid": key_id(CURRENT)}), id="no signature"
        ),
        pytest.param(lambda: signed(exp=datetime.now(UTC) - timedelta(minutes=5)), id="expired"),
        pytest.param(lambda: signed(iat=datetime.now(UTC) + timedelta(minutes=5)), id="issued in the future"),
        pytest.param(lambda: signed(aud="another-api"), id="audience"),
        pytest.param(lambda: signed(iss="another-issuer"), id="issuer"),
        *(
            pytest.param(lambda name=name: without(name), id=f"no {name}")
            for name in ("exp", "iat", "sub", "jti", "aud", "iss", "auth_time")
        ),
        pytest.param(lambda: signed(auth_time="yesterday"), id="auth_time is text"),
        pytest.param(lambda: signed(auth_time=10**400), id="auth_time is no moment"),
        pytest.param(lambda: "not.a.token", id="not a token"),
        pytest.param(lambda: "", id="empty"),
    ],
)
@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_any_other_token_is_refused(token: Any) -> None:
    with pytest.raises(Unauthenticated):
        verify_session(token(), [CURRENT])

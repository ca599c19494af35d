from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from accounts.sessions import LIFETIME, issue_session, key_id, verify_session
from gcp.errors import Unauthenticated

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
        pytest.param(lambda: "not.a.token", id="not a token"),
        pytest.param(lambda: "", id="empty"),
    ],
)
@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_any_other_token_is_refused(token: Any) -> None:
    with pytest.raises(Unauthenticated):
        verify_session(token(), [CURRENT])

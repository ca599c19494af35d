"""Session tokens that we did not give, or took back: on every operation, and in every way that libraries fell for.

What a forged token says is tried claim by claim in tests/functions/accounts/test_forged_tokens.py.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from accounts.sessions import issue_session, key_id, verify_session
from gcp.errors import Unauthenticated
from gcp.settings import settings
from media.signing import signed_path
from routes import ROUTES, Access
from tests.attacks.conftest import CallApi, Canary, MakeUser
from tests.functions.accounts.conftest import AGO, AHEAD, bearer, seconds, session
from tests.functions.things import JOB_ID, RECORDING, SCRIPT_ID

if TYPE_CHECKING:
    from google.cloud.firestore import Client

pytestmark = pytest.mark.attacks

KNOWS_ITS_CALLER = [route for route in ROUTES if route.access is not Access.ANYONE]
KEY = "k" * 40


def good() -> str:
    return issue_session("ann", settings().jwt_secrets, now=datetime.now(UTC))


# What is sent with a request to each operation, and nobody is let in by it.
REFUSED: dict[str, Callable[[], dict[str, str]]] = {
    "no signature": lambda: bearer(session("ann", key="", algorithm="none")),
    "another key": lambda: bearer(session("ann", key="x" * 40)),
    "another key's name": lambda: bearer(session("ann", kid="another")),
    "another algorithm": lambda: bearer(session("ann", algorithm="HS512")),
    "no end": lambda: bearer(session("ann", exp=...)),
    "ended": lambda: bearer(session("ann", exp=seconds(AGO))),
    "from the future": lambda: bearer(session("ann", iat=seconds(AHEAD))),
    "another audience": lambda: bearer(session("ann", aud="another")),
    "of nobody's": lambda: bearer(session("bob")),
    "of before the password was changed": lambda: bearer(session("ann", auth_time=seconds(AGO))),
    "a good one with another scheme": lambda: {"Authorization": f"Basic {good()}"},
    "a good one in a header of its own": lambda: {"Authorization": "Bearer", "X-Token": good()},
}


@pytest.mark.filterwarnings("ignore:The HMAC key")
@pytest.mark.parametrize("make_headers", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("route", KNOWS_ITS_CALLER, ids=lambda route: route.function)
def test_every_operation_refuses_a_bad_token(
    call_api: CallApi, db: "Client", make_user: MakeUser, route: Any, make_headers: Callable[[], dict[str, str]]
) -> None:
    make_user("ann")
    db.document("users", "ann").update({"tokensValidAfter": datetime.now(UTC) - timedelta(seconds=60)})
    path = route.path.format(characterId="tom", scriptId=SCRIPT_ID, jobId=JOB_ID)

    answer = call_api(route.method, path, headers=make_headers())

    assert (answer.status, answer.body["error"]["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "auth", "jwt", "Authorization"])
def test_a_good_token_in_the_query_lets_nobody_in(call_api: CallApi, make_user: MakeUser, name: str) -> None:
    make_user("ann")

    assert call_api("GET", f"/api/me?{name}={good()}").status == 401


def encoded(content: Any) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def signed(header: Any, claims: Any, key: str) -> str:
    """A token as no library would make it."""
    content = f"{encoded(header)}.{encoded(claims)}"
    digest = hmac.digest(key.encode(), content.encode(), hashlib.sha256)
    return f"{content}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def claims(**changes: Any) -> dict[str, Any]:
    made = {
        "iss": "duologue",
        "aud": "duologue-api",
        "sub": "ann",
        "iat": seconds(0),
        "exp": seconds(AHEAD),
        "jti": "1",
        "auth_time": seconds(0),
    }
    return made | changes


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT", "kid": key_id(settings().jwt_secrets[0])} | changes


def unsigned(algorithm: Any) -> str:
    return f"{encoded(header(alg=algorithm))}.{encoded(claims())}."


ALGORITHMS: tuple[Any, ...] = ("none", "None", "NONE", "nOnE", "", " none", None, 0, [], {})
NO_UTF8 = base64.urlsafe_b64encode(b'{"a":"\xff"}').decode()


def ours() -> str:
    return settings().jwt_secrets[0]


# Of strangers, who know the name of our key (it stands in every token) and not the key.
STRANGERS: dict[str, Callable[[], str]] = {
    **{f"alg {name!r}": partial(unsigned, name) for name in ALGORITHMS},
    "alg none with our tokens' signature": lambda: f"{encoded(header(alg='none'))}.{encoded(claims())}.{'A' * 43}",
    "no alg": lambda: f"{encoded({'kid': header()['kid']})}.{encoded(claims())}.{'A' * 43}",
    "a key in the token": lambda: signed(header(jwk={"kty": "oct", "k": encoded(KEY)}), claims(), KEY),
    "a certificate in the token": lambda: signed(header(x5c=[encoded(KEY)]), claims(), KEY),
    "the empty key": lambda: signed(header(), claims(), ""),
    "the key's name for the key": lambda: signed(header(), claims(), key_id(ours())),
    "a key's name that leads to a file": lambda: signed(header(kid="../../../../dev/null"), claims(), ""),
    "a key's name that is a query": lambda: signed(header(kid="x' UNION SELECT 'k"), claims(), "k"),
    "a key's name that is a list": lambda: signed(header(kid=[key_id(ours())]), claims(), KEY),
    "a key's name that is an object": lambda: signed(header(kid={"a": 1}), claims(), KEY),
    "a key's name and NUL": lambda: signed(header(kid=key_id(ours()) + "\0"), claims(), KEY),
    "an extension that must be understood": lambda: signed(header(crit=["b64"], b64=False), claims(), KEY),
    "a compressed token": lambda: signed(header(zip="DEF"), claims(), KEY),
    "a header that is a list": lambda: signed([header()], claims(), KEY),
    "a header nested without end": lambda: signed("[" * 20_000, claims(), KEY),
    "a header that is no UTF-8": lambda: f"{NO_UTF8}.{encoded(claims())}.x",
    "a header of half a megabyte": lambda: signed(header(pad="x" * 500_000), claims(), KEY),
    "ten thousand parts": lambda: "." * 10_000,
    "five parts, as of an encrypted token": lambda: f"{encoded(header(alg='dir', enc='A256GCM'))}..a.b.c",
    "the signature of a media path": lambda: (
        f"{encoded(header())}.{encoded(claims())}."
        f"{signed_path(RECORDING, settings().jwt_secrets, datetime.now(UTC)).rpartition('=')[2]}"
    ),
    "the key under which media paths are signed": lambda: signed(
        header(), claims(), hmac.digest(ours().encode(), b"media paths", hashlib.sha256).hex()
    ),
}


@pytest.mark.filterwarnings("ignore:The HMAC key")
@pytest.mark.parametrize("forge", STRANGERS.values(), ids=STRANGERS)
def test_a_token_that_a_stranger_made_lets_nobody_in(
    call_api: CallApi, make_user: MakeUser, forge: Callable[[], str]
) -> None:
    make_user("ann")

    assert call_api("GET", "/api/me", headers=bearer(forge())).status == 401


@pytest.mark.parametrize("name", ["jku", "x5u", "jwks_uri", "iss"])
def test_no_token_makes_us_ask_where_it_says(call_api: CallApi, make_user: MakeUser, canary: Canary, name: str) -> None:
    make_user("ann")
    address = f"{canary.url}/keys.json"
    forged = [signed(header(**{name: address}), claims(), KEY), signed(header(kid=address), claims(iss=address), KEY)]

    assert [call_api("GET", "/api/me", headers=bearer(each)).status for each in forged] == [401, 401]


# Signed with our own key, which no stranger can: a claim of another shape is a refusal and no defect.
STRANGE_CLAIMS: dict[str, dict[str, Any]] = {
    "user a list": {"sub": ["ann"]},
    "user an object": {"sub": {"a": 1}},
    "user null": {"sub": None},
    "end a text": {"exp": "never"},
    "end beyond numbers": {"exp": float("inf")},
    "end no number": {"exp": float("nan")},
    "end null": {"exp": None},
    "issued never": {"iat": float("nan")},
    "not yet": {"nbf": 4_000_000_000},
    "audience an object": {"aud": {"duologue-api": 1}},
    "audience a list without us": {"aud": ["a", "b"]},
    "issuer a list": {"iss": ["duologue"]},
    "id a number": {"jti": 7},
    "signed in before time": {"auth_time": -(10**15)},
    "signed in after time": {"auth_time": 10**15},
    "signed in an object": {"auth_time": {}},
}


@pytest.mark.parametrize("changes", STRANGE_CLAIMS.values(), ids=STRANGE_CLAIMS)
def test_claims_of_another_shape_let_nobody_in(call_api: CallApi, make_user: MakeUser, changes: dict[str, Any]) -> None:
    make_user("ann")

    assert call_api("GET", "/api/me", headers=bearer(signed(header(), claims(**changes), ours()))).status == 401


def test_a_token_with_any_letter_changed_is_refused() -> None:
    """Each letter for one that differs in its highest bit: the last one's low bits are no part of the signature."""
    token = issue_session("ann", [KEY], now=datetime.now(UTC))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = [
        token[:at] + letters[(letters.index(letter) + 32) % 64] + token[at + 1 :]
        for at, letter in enumerate(token)
        if letter != "."
    ]

    taken = [each for each in changed if is_taken(each)]

    assert (len(changed), taken, is_taken(token)) == (len(token) - 2, [], True)


def is_taken(token: str) -> bool:
    try:
        verify_session(token, [KEY])
    except Unauthenticated:
        return False
    return True

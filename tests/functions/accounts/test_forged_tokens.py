"""Forged tokens let nobody in. The Auth emulator does not sign, so an ID token is refused here by what it says."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from accounts.identity import create_firebase_token
from accounts.sessions import key_id
from gcp.settings import settings
from tests.emulators import AUTH_PROJECT
from tests.functions.accounts.conftest import AGO, AHEAD, FirebaseAuth, bearer, id_token, seconds, session
from tests.functions.conftest import CallApi, MakeUser

if TYPE_CHECKING:
    from google.cloud.firestore import Client

pytestmark = pytest.mark.attacks


@pytest.mark.parametrize("make", [id_token, session], ids=["ID token", "session"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_what_is_forged_below_would_be_good_otherwise(
    auth: FirebaseAuth, call_api: CallApi, make_user: MakeUser, make: Callable[[str], str], scheme: str
) -> None:
    assert auth
    make_user("ann")

    assert call_api("GET", "/api/me", headers={"Authorization": f"{scheme}  {make('ann')} "}).status == 200


FORGED = [
    pytest.param(lambda _: session("ann", key="", algorithm="none"), id="session: no signature"),
    pytest.param(lambda _: session("ann", algorithm="HS512"), id="session: another algorithm"),
    pytest.param(lambda key: session("ann", key=key, algorithm="RS256"), id="session: RS256"),
    pytest.param(lambda _: session("ann", key="x" * 40), id="session: another key"),
    pytest.param(lambda _: session("ann", kid="another"), id="session: another key's name"),
    pytest.param(lambda _: session("ann", kid=""), id="session: no key's name"),
    pytest.param(lambda _: session("ann", exp=...), id="session: no end"),
    pytest.param(lambda _: session("ann", exp=seconds(AGO)), id="session: ended"),
    pytest.param(lambda _: session("ann", iat=seconds(AHEAD)), id="session: from the future"),
    pytest.param(lambda _: session("ann", aud="another"), id="session: audience"),
    pytest.param(lambda _: session("ann", iss="another"), id="session: issuer"),
    pytest.param(
        lambda _: session("ann", iss=f"https://securetoken.google.com/{AUTH_PROJECT}"), id="session: Google's issuer"
    ),
    pytest.param(lambda _: session("bob"), id="session: nobody's"),
    pytest.param(lambda _: session(""), id="session: nobody"),
    pytest.param(lambda _: session("ann", sub=1), id="session: a number for a user"),
    pytest.param(lambda _: session("ann/b"), id="session: a path for a user"),
    pytest.param(lambda _: session("__ann__"), id="session: a reserved id"),
    pytest.param(lambda _: session("ann\n"), id="session: a line break"),
    pytest.param(lambda _: session("a" * 2000), id="session: long user"),
    pytest.param(lambda _: id_token("ann", header={"kid": key_id(settings().jwt_secrets[0])}), id="ID: our key's name"),
    pytest.param(lambda _: id_token("ann", exp=...), id="ID: no end"),
    pytest.param(lambda _: id_token("ann", exp=seconds(AGO)), id="ID: ended"),
    pytest.param(lambda _: id_token("ann", exp=10**30), id="ID: never ends"),
    pytest.param(lambda _: id_token("ann", iat=...), id="ID: not issued"),
    pytest.param(lambda _: id_token("ann", iat=seconds(AHEAD)), id="ID: from the future"),
    pytest.param(lambda _: id_token("ann", auth_time=...), id="ID: no sign-in"),
    pytest.param(lambda _: id_token("ann", auth_time=seconds(AHEAD)), id="ID: sign-in in the future"),
    pytest.param(lambda _: id_token("ann", auth_time="now"), id="ID: sign-in is text"),
    pytest.param(lambda _: id_token("ann", aud="another"), id="ID: audience"),
    pytest.param(lambda _: id_token("ann", aud=...), id="ID: no audience"),
    pytest.param(lambda _: id_token("ann", iss="https://securetoken.google.com/another"), id="ID: another project"),
    pytest.param(lambda _: id_token("ann", iss=...), id="ID: no issuer"),
    pytest.param(lambda _: id_token("ann", iss=f"https://session.firebase.google.com/{AUTH_PROJECT}"), id="ID: cookie"),
    pytest.param(lambda _: id_token(""), id="ID: nobody"),
    pytest.param(lambda _: id_token("ann", sub=...), id="ID: no user"),
    pytest.param(lambda _: id_token("a" * 129), id="ID: long user"),
    pytest.param(lambda _: id_token("ann/activities/1"), id="ID: a path for a user"),
    pytest.param(lambda _: id_token("__ann__"), id="ID: a reserved id"),
    pytest.param(lambda _: id_token("ann\n"), id="ID: a line break"),
    pytest.param(lambda _: id_token("ann", firebase=...), id="ID: no provider"),
    pytest.param(lambda _: id_token("ann", firebase="password"), id="ID: provider is text"),
    pytest.param(lambda _: id_token("bob"), id="ID: unknown to Firebase Auth"),
    pytest.param(lambda _: create_firebase_token("ann", datetime.now(UTC)), id="a custom token"),
    pytest.param(lambda _: "", id="empty"),
    pytest.param(lambda _: "null", id="null"),
    pytest.param(lambda _: "a.b.c", id="no JWT"),
    pytest.param(lambda _: "..", id="dots"),
    pytest.param(lambda _: "e30.W10.", id="a list for claims"),
    pytest.param(lambda _: "\u00fc.\u00fc.\u00fc", id="not ASCII"),
    pytest.param(lambda _: session("ann") + " x", id="two words"),
    pytest.param(lambda _: session("ann")[:-3], id="cut off"),
]


@pytest.mark.filterwarnings("ignore:The HMAC key")
@pytest.mark.parametrize("forge", FORGED)
def test_a_forged_token_lets_nobody_in(
    call_api: CallApi,
    db: "Client",
    make_user: MakeUser,
    rsa_key: rsa.RSAPrivateKey,
    forge: Callable[[rsa.RSAPrivateKey], str],
) -> None:
    make_user("ann")

    answer = call_api("GET", "/api/me", headers=bearer(forge(rsa_key)))

    assert (answer.status, answer.body["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert [each.id for each in db.collection("users").stream()] == ["ann"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/api/me", {}, id="nothing"),
        pytest.param("/api/me", {"Authorization": "Basic YW5uOmFubg=="}, id="Basic"),
        pytest.param("/api/me", {"Authorization": "Bearer"}, id="no token"),
        pytest.param("/api/me", {"Authorization": "TOKEN"}, id="no scheme"),
        pytest.param("/api/me", {"Authorization": "Token TOKEN"}, id="another scheme"),
        pytest.param("/api/me", {"Authorization": "Bearer: TOKEN"}, id="a colon"),
        pytest.param("/api/me?token=TOKEN", {}, id="in the query"),
        pytest.param("/api/me", {"Cookie": "token=TOKEN"}, id="in a cookie"),
        pytest.param("/api/characters", {"Authorization": "Basic YW5uOmFubg=="}, id="Basic for a public answer"),
        pytest.param("/api/characters", {"Authorization": "Bearer null"}, id="bad token for a public answer"),
    ],
)
def test_a_good_token_in_another_place_lets_nobody_in(
    auth: FirebaseAuth, call_api: CallApi, make_user: MakeUser, path: str, headers: dict[str, str]
) -> None:
    assert auth
    make_user("ann")
    good = session("ann")
    sent = {name: value.replace("TOKEN", good) for name, value in headers.items()}

    assert call_api("GET", path.replace("TOKEN", good), headers=sent).status == 401

"""Whose token is read, and which path, behind Hosting and behind API Gateway."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

import main
from accounts.sessions import issue_session
from accounts.users import User
from gcp.settings import settings
from media.signing import signed_path

GATEWAYS_TOKEN = "Bearer the-gateways-own-id-token"
RECORDING = "recordings/ann/" + "a" * 32 + ".wav"

Ask = Callable[..., Response]


@pytest.fixture(params=["hosting", "api_gateway"])
def front_door(request: pytest.FixtureRequest, product: pytest.MonkeyPatch) -> str:
    product.setenv("FRONT_DOOR", request.param)
    settings.cache_clear()
    door: str = request.param
    return door


@pytest.fixture
def behind_hosting(product: pytest.MonkeyPatch) -> None:
    product.setenv("FRONT_DOOR", "hosting")
    settings.cache_clear()


@pytest.fixture
def behind_gateway(product: pytest.MonkeyPatch) -> None:
    product.setenv("FRONT_DOOR", "api_gateway")
    settings.cache_clear()


@pytest.fixture
def ann(make_user: Callable[..., User]) -> str:
    """The Authorization header of a user."""
    make_user("ann")
    return f"Bearer {issue_session('ann', settings().jwt_secrets, now=datetime.now(UTC))}"


def ask(function: str, method: str, path: str, **headers: str) -> Response:
    """The function's answer; header names are written with underscores."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = Request(EnvironBuilder(path=path, method=method, headers=named).get_environ())
    answer: Response = getattr(main, function)(request)
    return answer


def body(response: Response) -> Any:
    return json.loads(response.get_data())


@pytest.mark.usefixtures("behind_gateway")
def test_behind_the_gateway_the_forwarded_token_is_the_callers(ann: str) -> None:
    response = ask("get_me", "GET", "/api/me", Authorization=GATEWAYS_TOKEN, X_Forwarded_Authorization=ann)

    assert (response.status_code, body(response)["id"]) == (200, "ann")


@pytest.mark.usefixtures("behind_gateway")
def test_behind_the_gateway_its_own_token_is_nobodys(ann: str) -> None:
    assert ask("get_me", "GET", "/api/me", Authorization=ann).status_code == 401


@pytest.mark.usefixtures("behind_gateway")
def test_behind_the_gateway_a_caller_without_a_token_sees_what_everybody_sees() -> None:
    response = ask("list_characters", "GET", "/api/characters", Authorization=GATEWAYS_TOKEN)

    assert response.status_code == 200
    assert response.headers["Cache-Control"].startswith("public")


@pytest.mark.usefixtures("behind_gateway")
def test_behind_the_gateway_an_owner_plays_what_is_not_signed(ann: str, product: pytest.MonkeyPatch) -> None:
    product.setenv("MEDIA_BUCKET", "media")
    product.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    settings.cache_clear()
    path = signed_path(RECORDING, settings().jwt_secrets, datetime.now(UTC)).partition("?")[0]

    response = ask("get_recording", "GET", path, Authorization=GATEWAYS_TOKEN, X_Forwarded_Authorization=ann)

    assert response.status_code == 302


@pytest.mark.attacks
@pytest.mark.usefixtures("behind_hosting")
def test_behind_hosting_a_forwarded_token_opens_nothing(ann: str) -> None:
    assert ask("get_me", "GET", "/api/me", X_Forwarded_Authorization=ann).status_code == 401


@pytest.mark.usefixtures("behind_hosting")
def test_behind_hosting_a_forwarded_token_does_not_replace_the_callers(ann: str) -> None:
    response = ask("get_me", "GET", "/api/me", Authorization=ann, X_Forwarded_Authorization="Bearer forged")

    assert (response.status_code, body(response)["id"]) == (200, "ann")


@pytest.mark.usefixtures("behind_hosting")
def test_behind_hosting_a_forwarded_token_leaves_a_public_answer_public(ann: str) -> None:
    response = ask("list_characters", "GET", "/api/characters", X_Forwarded_Authorization=ann)

    assert response.headers["Cache-Control"].startswith("public")


@pytest.mark.usefixtures("front_door")
@pytest.mark.parametrize("prefix", ["", "/get_script"], ids=["the path", "the function's name before it"])
def test_a_function_knows_its_path_in_whatever_form_it_is_passed_on(prefix: str) -> None:
    response = ask("get_script", "GET", f"{prefix}/api/scripts/{'0' * 32}")

    assert body(response)["error"]["code"] == "UNAUTHENTICATED"


@pytest.mark.usefixtures("front_door")
def test_another_functions_name_before_the_path_is_no_path_of_ours() -> None:
    response = ask("get_script", "GET", f"/login/api/scripts/{'0' * 32}")

    assert body(response)["error"]["code"] == "NOT_FOUND"


@pytest.mark.usefixtures("behind_gateway")
def test_the_signature_of_a_path_holds_with_the_functions_name_before_it(product: pytest.MonkeyPatch) -> None:
    product.setenv("MEDIA_BUCKET", "media")
    product.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    settings.cache_clear()
    path, _, query = signed_path(RECORDING, settings().jwt_secrets, datetime.now(UTC)).partition("?")

    request = Request(EnvironBuilder(path=f"/get_recording{path}", query_string=query).get_environ())

    assert main.get_recording(request).status_code == 302


@pytest.mark.usefixtures("front_door")
def test_a_preflight_needs_no_token(product: pytest.MonkeyPatch) -> None:
    product.setenv("CORS_ORIGINS", "https://app.example")
    settings.cache_clear()

    response = ask("get_script", "OPTIONS", "/api/scripts/abc", Origin="https://app.example")

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"

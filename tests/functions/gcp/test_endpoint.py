"""What every operation does alike: methods, paths, CORS, tokens, bodies, the shape of refusals, the log line."""

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import functions_framework
import pytest
from flask import Request, Response
from flask.testing import FlaskClient
from google.api_core.exceptions import Aborted, DeadlineExceeded, RetryError, ServiceUnavailable
from google.auth.exceptions import RefreshError, TransportError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response as AnyResponse

from accounts.sessions import issue_session
from accounts.users import User
from gcp import clients
from gcp.endpoint import MAX_FORM_BYTES, MAX_JSON_BYTES
from gcp.errors import ApiError
from gcp.not_found import not_found
from gcp.settings import settings
from local.addresses import ROOT
from routes import ROUTES, Access, siblings

if TYPE_CHECKING:
    from google.cloud.firestore import Client

ORIGIN = "http://localhost:5173"
USER_ROUTES = [route for route in ROUTES if route.access is Access.USER]


def production_server(function: str) -> FlaskClient:
    """A client of what serves the function in production."""
    app = functions_framework.create_app(  # type: ignore[no-untyped-call]  # the package says nothing of its types
        function, str(ROOT / "functions" / "main.py")
    )
    client: FlaskClient = app.test_client()
    return client


@pytest.fixture
def send(product: pytest.MonkeyPatch) -> Callable[..., Response]:
    """A function that sends a raw request to the function which Hosting calls for its path."""
    assert product

    def send(method: str, path: str, **builder: Any) -> Response:
        request = Request(EnvironBuilder(path=path, method=method, **builder).get_environ())
        route = next(each for each in ROUTES if each.match(path) is not None)
        function = getattr(importlib.import_module(route.module), siblings(route)[0].function)
        response: Response = function(request)
        return response

    return send


def error(response: AnyResponse) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(response.get_data())
    assert answer["detail"]
    found: dict[str, Any] = answer["error"]
    return found


@pytest.mark.attacks
def test_a_method_that_nobody_serves_is_refused_with_those_that_are(send: Callable[..., Response]) -> None:
    response = send("PATCH", "/api/scripts/abc")

    assert response.status_code == 405
    assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert error(response)["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_function_answers_the_other_methods_of_its_path(send: Callable[..., Response], method: str) -> None:
    response = send(method, f"/api/scripts/{'0' * 32}")

    assert error(response)["code"] == "UNAUTHENTICATED"


def test_an_unknown_path_of_the_api_is_not_found_in_the_same_shape(product: pytest.MonkeyPatch) -> None:
    assert product
    response = not_found(Request(EnvironBuilder(path="/api/nothing", headers=[("Origin", ORIGIN)]).get_environ()))

    assert response.status_code == 404
    assert error(response)["code"] == "NOT_FOUND"
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_path_that_is_not_the_functions_own_is_not_found(product: pytest.MonkeyPatch) -> None:
    assert product
    login = importlib.import_module("accounts.endpoints").login

    response = login(Request(EnvironBuilder(path="/api/elsewhere", method="POST").get_environ()))

    assert response.status_code == 404


def test_a_preflight_is_answered_with_the_paths_methods(send: Callable[..., Response]) -> None:
    response = send("OPTIONS", "/api/scripts/abc", headers={"Origin": ORIGIN})

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {"PUT", "DELETE", "GET"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


def test_a_preflight_of_an_unknown_path_is_answered_so_that_a_page_may_read_the_404(
    product: pytest.MonkeyPatch,
) -> None:
    assert product
    environ = EnvironBuilder(path="/api/nothing", method="OPTIONS", headers=[("Origin", ORIGIN)]).get_environ()

    response = not_found(Request(environ))

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_only_headers_that_we_read_or_set_are_named_to_browsers(send: Callable[..., Response]) -> None:
    response = send("OPTIONS", "/api/scripts/abc", headers={"Origin": ORIGIN})

    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Idempotency-Key"
    assert (
        response.headers["Access-Control-Expose-Headers"]
        == "X-Request-Id, X-Next-Page-Token, Retry-After, WWW-Authenticate"
    )


@pytest.mark.attacks
@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null"])
def test_a_foreign_origin_may_not_read_the_answer(send: Callable[..., Response], origin: str) -> None:
    response = send("GET", "/api/me", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers["Vary"]


def test_a_configured_origin_may_read_the_answer(product: pytest.MonkeyPatch, send: Callable[..., Response]) -> None:
    product.setenv("CORS_ORIGINS", "https://app.example, https://www.example")
    settings.cache_clear()

    response = send("GET", "/api/me", headers={"Origin": "https://www.example"})

    assert response.headers["Access-Control-Allow-Origin"] == "https://www.example"


@pytest.mark.parametrize("route", USER_ROUTES, ids=lambda route: route.function)
def test_every_operation_for_users_refuses_strangers(send: Callable[..., Response], route: Any) -> None:
    response = send(route.method, route.path.replace("{", "").replace("}", ""))

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer abc", "Basic YTpi", "Bearer a.b.c", "bearer  "])
def test_a_bad_token_is_refused(send: Callable[..., Response], authorization: str) -> None:
    assert send("GET", "/api/me", headers={"Authorization": authorization}).status_code == 401


def test_a_disabled_user_is_refused(db: "Client", make_user: Callable[..., User], call_api: Callable[..., Any]) -> None:
    make_user("ann")
    db.document("users", "ann").update({"disabled": True})

    assert call_api("GET", "/api/me", user_id="ann").status == 401


def test_a_deleted_user_is_refused(call_api: Callable[..., Any]) -> None:
    assert call_api("GET", "/api/me", user_id="gone").status == 401


@pytest.mark.parametrize(
    ("body", "field", "kind"),
    [
        pytest.param({"email": "a@example.com", "password": "secret1"}, "name", "missing", id="missing"),
        pytest.param(
            {"name": "A", "email": "a@example.com", "password": "secret1"}, "name", "string_too_short", id="short"
        ),
        pytest.param({"name": 7, "email": "a@example.com", "password": "secret1"}, "name", "string_type", id="number"),
        pytest.param(
            {"name": "A\0n", "email": "a@example.com", "password": "secret1"}, "name", "value_error", id="nul"
        ),
        pytest.param({"name": "Ann", "email": "nowhere", "password": "secret1"}, "email", "value_error", id="address"),
        pytest.param(
            {"name": "Ann", "email": "a@example.com", "password": "x" * 129}, "password", "string_too_long", id="long"
        ),
    ],
)
def test_a_bad_field_is_named_in_the_shape_that_clients_know(
    send: Callable[..., Response], body: dict[str, Any], field: str, kind: str
) -> None:
    response = send("POST", "/api/signup", json=body)

    answer = json.loads(response.get_data())
    assert response.status_code == 422
    assert answer["detail"][0]["loc"] == ["body", field]
    assert answer["detail"][0]["type"] == kind
    assert answer["error"]["param"] == field


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"text"', b"[" * 5000])
def test_a_body_that_is_no_object_is_refused(send: Callable[..., Response], data: bytes) -> None:
    response = send("POST", "/api/login", data=data, content_type="application/json")

    assert response.status_code == 422


def test_what_was_sent_is_not_repeated_in_the_refusal(send: Callable[..., Response]) -> None:
    response = send("POST", "/api/login", json={"email": "secret-address", "password": "secret-word"})

    assert b"secret-" not in response.get_data()


@pytest.mark.attacks
def test_a_body_over_the_limit_is_refused_unread(send: Callable[..., Response]) -> None:
    response = send("POST", "/api/login", data=b" " * (MAX_JSON_BYTES + 1), content_type="application/json")

    assert response.status_code == 413
    assert error(response)["code"] == "BODY_TOO_LARGE"


@pytest.mark.parametrize(
    ("operation", "path"), [("login", "/api/login"), ("create_character", "/api/characters/complete")]
)
def test_a_body_over_the_limit_is_refused_by_the_production_server_too(
    product: pytest.MonkeyPatch, db: "Client", make_user: Callable[..., User], operation: str, path: str
) -> None:
    # functions-framework reads what is left of a request after its answer was made.
    product.setenv("FIREBASE_CONFIG", "{}")
    make_user("ann")
    token = issue_session("ann", settings().jwt_secrets, now=datetime.now(UTC))

    response = production_server(operation).post(
        path, data=b" " * (MAX_FORM_BYTES + 1), headers={"Authorization": f"Bearer {token}"}
    )

    assert db
    assert (response.status_code, error(response)["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("path", ["/api/static/images/a/b%0Ac", "/favicon.ico", "/robots.txt"])
def test_a_path_that_the_production_server_has_no_function_for_is_refused_in_the_same_shape(
    product: pytest.MonkeyPatch, path: str
) -> None:
    product.setenv("FIREBASE_CONFIG", "{}")

    response = production_server("get_picture").get(path, headers={"Origin": ORIGIN})

    assert (response.status_code, error(response)["code"]) == (404, "NOT_FOUND")
    assert response.headers["X-Request-Id"] == error(response)["requestId"]


@pytest.mark.attacks
def test_an_internal_error_tells_the_client_nothing_and_the_log_where(
    product: pytest.MonkeyPatch, send: Callable[..., Response], capsys: pytest.CaptureFixture[str]
) -> None:
    # A signing key that is too short is a defect of the deployment, found at the first use.
    product.setenv("JWT_SECRET", "short")
    settings.cache_clear()

    response = send("GET", "/api/me", headers={"Authorization": "Bearer a.b.c"})

    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert response.status_code == 500
    assert error(response) == {
        "code": "INTERNAL",
        "message": error(response)["message"],
        "requestId": line["request_id"],
    }
    assert b"JWT_SECRET" not in response.get_data()
    assert line["error"] == "ConfigurationError"
    assert "JWT_SECRET" in line["reason"]
    assert any("settings.py" in frame for frame in line["at"])


def test_every_request_is_logged_once_with_its_operation_outcome_and_duration(
    send: Callable[..., Response], capsys: pytest.CaptureFixture[str]
) -> None:
    response = send("DELETE", f"/api/scripts/{'0' * 32}", headers={"Authorization": "Bearer secret-token"})

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["request_finished"]
    assert (lines[0]["operation"], lines[0]["status"]) == ("delete_script", 401)
    assert lines[0]["request_id"] == response.headers["X-Request-Id"]
    assert lines[0]["duration_ms"] >= 0
    assert "secret-token" not in json.dumps(lines)


@pytest.mark.parametrize(
    "outage", [ServiceUnavailable, DeadlineExceeded, RetryError, Aborted, TransportError, RefreshError]
)
def test_an_outage_of_google_is_something_to_try_again(
    product: pytest.MonkeyPatch, send: Callable[..., Response], outage: type[Exception]
) -> None:
    class Database:
        def document(self, *_path: str) -> None:
            raise outage("no answer", ())

        def close(self) -> None:
            """As the client has it."""

    product.setattr(clients, "firestore", Database)
    token = issue_session("ann", settings().jwt_secrets, now=datetime.now(UTC))

    response = send("GET", "/api/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 503
    assert error(response)["code"] == "UNAVAILABLE"


def subclasses(parent: type[ApiError]) -> list[type[ApiError]]:
    direct = parent.__subclasses__()
    return direct + [each for child in direct for each in subclasses(child)]


def test_error_codes_are_distinct() -> None:
    codes = [each.code for each in subclasses(ApiError)]

    assert len(codes) > 15
    assert len(codes) == len(set(codes))

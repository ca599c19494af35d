"""terraform/api_gateway.json: valid, and sending each operation to its function."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator, validate

from local.gateway import gateway_document
from local.routes import GATEWAY_JSON
from routes import ROUTES, Route, siblings

BASE = "https://us-east4-some-project.cloudfunctions.net"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The file as Terraform fills it in."""
    filled: dict[str, Any] = json.loads(GATEWAY_JSON.read_text().replace("${functions_base}", BASE))
    return filled


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }


def test_the_document_is_openapi_2(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV2SpecValidator)


def test_terraform_finds_one_placeholder_and_no_directive() -> None:
    text = GATEWAY_JSON.read_text()

    assert set(re.findall(r"\$\{[^}]*\}", text)) == {"${functions_base}"}
    assert "%{" not in text


def test_the_file_is_as_the_route_table_says() -> None:
    assert json.loads(GATEWAY_JSON.read_text()) == gateway_document()


def test_there_is_one_operation_per_route_and_one_per_path_for_preflights(document: dict[str, Any]) -> None:
    routes = {(route.method, route.path) for route in ROUTES}
    preflights = {("OPTIONS", route.path) for route in ROUTES}

    assert operations(document).keys() == routes | preflights


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.function)
def test_an_operation_goes_to_its_own_function_with_the_path_behind_it(document: dict[str, Any], route: Route) -> None:
    operation = operations(document)[route.method, route.path]
    backend = operation["x-google-backend"]

    assert operation["operationId"] == route.function
    assert backend["address"] == backend["jwt_audience"] == f"{BASE}/{route.function}"
    assert backend["path_translation"] == "APPEND_PATH_TO_ADDRESS"


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_a_preflight_goes_to_the_function_that_answers_for_the_path(document: dict[str, Any], path: str) -> None:
    first = siblings(next(route for route in ROUTES if route.path == path))[0]

    assert operations(document)["OPTIONS", path]["x-google-backend"]["address"] == f"{BASE}/{first.function}"


def test_the_gateway_waits_as_long_as_the_function_may_take(document: dict[str, Any]) -> None:
    waits = {key: each["x-google-backend"]["deadline"] for key, each in operations(document).items()}

    assert {(route.method, route.path): route.timeout_seconds for route in ROUTES}.items() <= waits.items()
    assert max(waits.values()) <= 600


def test_the_gateway_asks_nobody_for_a_token(document: dict[str, Any]) -> None:
    assert "securityDefinitions" not in document
    assert [key for key, each in operations(document).items() if "security" in each] == []

"""The API document: valid, and telling what the code does."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from characters import limits
from gcp.endpoint import MAX_FORM_BYTES
from local.routes import openapi_document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    # As a client reads it: through JSON.
    read: dict[str, Any] = json.loads(json.dumps(openapi_document()))
    return read


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["operationId"]: each for path in document["paths"].values() for each in path.values()}


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_no_summary_repeats_a_status(operations: dict[str, dict[str, Any]]) -> None:
    assert [name for name, each in operations.items() if re.search(r"\b[2-5]\d\d\b", each["summary"])] == []


def test_every_operation_says_what_it_does(operations: dict[str, dict[str, Any]]) -> None:
    assert [name for name, each in operations.items() if not each["summary"]] == []


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("signup", "200 405 409 413 422 500 503"),
        ("login", "200 401 405 413 422 500 503"),
        ("get_me", "200 401 405 500 503"),
        ("list_characters", "200 401 405 422 500 503"),
        ("update_character", "200 401 403 404 405 413 422 500 503"),
        ("generate_script", "200 401 405 413 422 500 502 503"),
        ("generate_video", "200 400 401 404 405 409 413 422 500 503"),
        ("get_picture", "200 304 404 405 500 503"),
        ("get_video", "302 401 403 404 405 500 503"),
    ],
)
def test_an_operation_lists_its_statuses(operations: dict[str, dict[str, Any]], operation: str, statuses: str) -> None:
    assert " ".join(sorted(operations[operation]["responses"])) == statuses


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("list_my_scripts", ["limit"]),
        ("list_my_activities", ["limit"]),
        ("get_recording", ["expires", "signature"]),
        ("get_video", ["expires", "signature"]),
    ],
)
def test_an_operation_lists_its_query(
    operations: dict[str, dict[str, Any]], operation: str, parameters: list[str]
) -> None:
    query = [each["name"] for each in operations[operation]["parameters"] if each["in"] == "query"]

    assert query == parameters


@pytest.mark.parametrize(
    ("operation", "pictures", "required"),
    [("create_character", "imageFiles", ["audioFile", "imageFiles"]), ("update_character", "newImageFiles", [])],
)
def test_a_form_states_its_files_and_their_limits(
    operations: dict[str, dict[str, Any]], operation: str, pictures: str, required: list[str]
) -> None:
    body = operations[operation]["requestBody"]
    files = body["content"]["multipart/form-data"]["schema"]["allOf"][1]

    assert files["required"] == required
    assert limits.RECORDING_LIMITS in files["properties"]["audioFile"]["description"]
    assert limits.PICTURE_LIMITS in files["properties"][pictures]["description"]
    assert files["properties"][pictures]["maxItems"] == limits.MAX_PICTURES
    assert f"{MAX_FORM_BYTES // limits.MIB} MB" in body["description"]


def test_the_limits_of_files_are_stated_in_the_codes_own_numbers() -> None:
    assert {"20 MB", "12 s", "1 s"} <= set(re.findall(r"\d+ (?:MB|s)\b", limits.RECORDING_LIMITS))
    assert "5 MB" in limits.PICTURE_LIMITS

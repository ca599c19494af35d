"""The API document: valid, and telling what the code does."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from pydantic import TypeAdapter

import main
from characters import limits
from gcp.endpoint import MAX_FORM_BYTES
from gcp.models import Form
from gcp.wire import NoBody
from local.addresses import ROOT
from local.examples import EXAMPLES
from local.openapi import openapi_document
from local.openapi_errors import error_codes, error_example
from routes import ROUTES


def _body(operation: str) -> Any:
    return getattr(main, operation).body


JSON_OPERATIONS = [route.function for route in ROUTES if not isinstance(getattr(main, route.function).answer, tuple)]


def examples_of(document: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every example anywhere in the document, with its schema."""

    def found(node: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
        if isinstance(node, list):
            for index, each in enumerate(node):
                yield from found(each, f"{place}/{index}")
        if not isinstance(node, dict):
            return
        if "schema" in node and "example" in node:
            yield place, node["schema"], node["example"]
        for name, example in node.get("examples", {}).items() if "schema" in node else ():
            yield f"{place}/{name}", node["schema"], example["value"]
        for name, each in node.items():
            yield from found(each, f"{place}/{name}")

    yield from found(document, place)


def _validator(document: dict[str, Any], schema: Any) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": document["components"]}, format_checker=FormatChecker())


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


def test_only_operations_have_examples() -> None:
    assert sorted(EXAMPLES.keys() - {route.function for route in ROUTES}) == []


@pytest.mark.parametrize("operation", JSON_OPERATIONS)
def test_an_operations_answer_has_an_example_with_every_field_of_it(operation: str) -> None:
    assert operation in EXAMPLES, f"put an example of its answer into local/examples, for {operation}"
    example = EXAMPLES[operation].answer
    adapter = TypeAdapter(getattr(main, operation).answer)

    answer = adapter.validate_json(json.dumps(example))

    assert json.loads(adapter.dump_json(answer, by_alias=True)) == example


@pytest.mark.parametrize("operation", [route.function for route in ROUTES if _body(route.function) is not NoBody])
def test_an_operations_body_has_an_example_that_is_taken(operation: str) -> None:
    assert operation in EXAMPLES, f"put an example of its body into local/examples, for {operation}"
    example, body = EXAMPLES[operation].request, _body(operation)
    files = set(body.files) if issubclass(body, Form) else set()
    assert example, f"put an example of its body into local/examples, for {operation}"

    fields = {name: value for name, value in example.items() if name not in files}
    if issubclass(body, Form):
        body.model_validate({name: str(value) for name, value in fields.items()})
    else:
        body.model_validate_json(json.dumps(fields))

    unknown = example.keys() - files - {field.alias for field in body.model_fields.values()}
    assert unknown == set()


def test_every_example_is_of_its_schema(document: dict[str, Any]) -> None:
    wrong = []
    for place, schema, example in examples_of(document):
        try:
            _validator(document, schema).validate(example)
        except ValidationError as error:
            wrong.append(f"{place}: {error.message}")

    assert wrong == []


@pytest.mark.parametrize("code", error_codes())
def test_every_error_code_has_an_example(document: dict[str, Any], code: str) -> None:
    shown = [
        body["examples"][code]["value"]
        for response in document["components"]["responses"].values()
        for body in response["content"].values()
        if code in body["examples"]
    ]

    assert {each["error"]["code"] for each in shown} == {code}


@pytest.mark.parametrize(
    "code",
    ["ADDRESS_TAKEN", "FORBIDDEN", "INTERNAL", "NOT_FOUND", "UNAVAILABLE", "WRITER_FAILED", "WRONG_CREDENTIALS"],
)
def test_the_example_of_a_refusal_is_what_the_code_says(code: str) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*/*.py"))

    assert f'"{error_example(code)["detail"]}"' in sources


def test_every_path_parameter_has_a_pattern_that_its_example_fits(operations: dict[str, dict[str, Any]]) -> None:
    unfit = [
        f"{name}: {parameter['name']}"
        for name, operation in operations.items()
        for parameter in operation["parameters"]
        if parameter["in"] == "path"
        and not re.fullmatch(parameter["schema"]["pattern"], parameter.get("example", "no example"))
    ]

    assert unfit == []


def test_every_answer_has_the_requests_id(document: dict[str, Any], operations: dict[str, dict[str, Any]]) -> None:
    named = {f"#/components/responses/{name}": each for name, each in document["components"]["responses"].items()}
    without = [
        f"{name} {status}"
        for name, operation in operations.items()
        for status, response in operation["responses"].items()
        if "X-Request-Id" not in named.get(response.get("$ref"), response)["headers"]
    ]

    assert without == []


@pytest.mark.parametrize(
    ("operation", "status", "header"),
    [
        ("list_characters", "200", "X-Next-Page-Token"),
        ("list_my_scripts", "200", "X-Next-Page-Token"),
        ("generate_video", "409", "Retry-After"),
        ("signup", "429", "Retry-After"),
        ("get_me", "401", "WWW-Authenticate"),
        ("get_video", "302", "Location"),
    ],
)
def test_an_answer_lists_its_headers(
    document: dict[str, Any], operations: dict[str, dict[str, Any]], operation: str, status: str, header: str
) -> None:
    response = operations[operation]["responses"][status]
    name = response.get("$ref", "").rpartition("/")[2]

    assert header in (document["components"]["responses"][name] if name else response)["headers"]


@pytest.mark.parametrize(
    ("operation", "security"),
    [
        ("signup", []),
        ("get_me", [{"session": []}, {"firebase": []}]),
        ("list_characters", [{}, {"session": []}, {"firebase": []}]),
        ("get_video", [{}, {"session": []}, {"firebase": []}]),
    ],
)
def test_an_operation_lists_the_tokens_that_it_takes(
    operations: dict[str, dict[str, Any]], operation: str, security: list[dict[str, list[str]]]
) -> None:
    assert operations[operation]["security"] == security


@pytest.mark.parametrize("operation", ["create_character", "generate_script", "generate_video"])
def test_what_costs_something_takes_an_idempotency_key(operations: dict[str, dict[str, Any]], operation: str) -> None:
    headers = [each["name"] for each in operations[operation]["parameters"] if each["in"] == "header"]

    assert headers == ["Idempotency-Key"]


def test_the_reference_lists_every_error_code_with_its_status() -> None:
    page = (ROOT / "docs/site/index.html").read_text()
    rows = re.findall(r"<tr><td>(\d{3})</td><td><code>(\w+)</code></td>", page)

    assert sorted((code, int(status)) for status, code in rows) == sorted(error_codes().items())


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("signup", "200 403 405 409 413 422 429 500 503"),
        ("login", "200 401 403 405 413 422 429 500 503"),
        ("get_me", "200 401 403 405 429 500 503"),
        ("list_characters", "200 401 403 405 422 429 500 503"),
        ("update_character", "200 401 403 404 405 413 422 429 500 503"),
        ("generate_script", "200 401 403 404 405 409 413 422 429 500 502 503"),
        ("generate_video", "200 400 401 403 404 405 409 413 422 429 500 503"),
        ("get_picture", "200 304 404 405 500 503"),
        ("get_video", "302 401 403 404 405 429 500 503"),
    ],
)
def test_an_operation_lists_its_statuses(operations: dict[str, dict[str, Any]], operation: str, statuses: str) -> None:
    assert " ".join(sorted(operations[operation]["responses"])) == statuses


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("list_my_scripts", ["limit", "pageToken"]),
        ("list_my_activities", ["limit", "pageToken"]),
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
    document: dict[str, Any], operations: dict[str, dict[str, Any]], operation: str, pictures: str, required: list[str]
) -> None:
    body = operations[operation]["requestBody"]
    reference = body["content"]["multipart/form-data"]["schema"]["$ref"]
    files = document["components"]["schemas"][reference.rpartition("/")[2]]

    assert [name for name in files.get("required", []) if name.endswith(("File", "Files"))] == required
    assert limits.RECORDING_LIMITS in files["properties"]["audioFile"]["description"]
    assert limits.PICTURE_LIMITS in files["properties"][pictures]["description"]
    assert files["properties"][pictures]["maxItems"] == limits.MAX_PICTURES
    assert f"{MAX_FORM_BYTES // limits.MIB} MB" in body["description"]


def test_the_limits_of_files_are_stated_in_the_codes_own_numbers() -> None:
    assert {"20 MB", "12 s", "1 s"} <= set(re.findall(r"\d+ (?:MB|s)\b", limits.RECORDING_LIMITS))
    assert "5 MB" in limits.PICTURE_LIMITS

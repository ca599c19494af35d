"""Writes what follows from the route table: Hosting's rewrites in firebase.json and the OpenAPI document.

Run by `make routes`. `expected_files` is what a test compares the tree with.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# As the deployment has it; what follows is imported from there.
sys.path.insert(0, str(ROOT / "functions"))

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from gcp.deployment import REGION
from gcp.endpoint import MAX_FORM_BYTES, MAX_JSON_BYTES
from gcp.errors import (
    ApiError,
    BodyTooLarge,
    MethodNotAllowed,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
)
from gcp.models import BareAnswer, FileField, Form, NoBody
from routes import NOT_FOUND_FUNCTION, ROUTES, Access, Route

FIREBASE_JSON = ROOT / "firebase.json"
OPENAPI_JSON = ROOT / "docs/site/api/openapi.json"
_VARIABLE = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{model}"
_RESPONSE_REF = "#/components/responses/{name}"
_INTERNAL = (500, "INTERNAL")


def expected_files() -> Mapping[Path, str]:
    """The content that each generated file should have."""
    firebase = json.loads(FIREBASE_JSON.read_text())
    firebase["hosting"]["rewrites"] = hosting_rewrites()
    return {
        FIREBASE_JSON: json.dumps(firebase, indent=2) + "\n",
        OPENAPI_JSON: json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n",
    }


def hosting_rewrites() -> list[dict[str, object]]:
    """One rewrite per path, the more literal before the more variable, and one for every other path of the API."""
    paths = sorted(dict.fromkeys(route.path for route in ROUTES), key=_variability)
    rewrites = [
        _rewrite(_VARIABLE.sub("*", path), next(route for route in ROUTES if route.path == path).function)
        for path in paths
    ]
    return [*rewrites, _rewrite("/api/**", NOT_FOUND_FUNCTION)]


def _variability(path: str) -> list[bool]:
    """Sorts a literal segment before a variable one in the same place."""
    return [bool(_VARIABLE.fullmatch(segment)) for segment in path.split("/")]


def _rewrite(source: str, function: str) -> dict[str, object]:
    return {"source": source, "function": {"functionId": function, "region": REGION}}


def openapi_document() -> dict[str, Any]:
    """The API in OpenAPI 3.1: every operation with its body, its answer and the shape of its errors."""
    import main  # noqa: PLC0415 (imports every function)

    handlers = {route.function: getattr(main, route.function) for route in ROUTES}
    bodies = list({handler.body for handler in handlers.values() if handler.body is not NoBody})
    inputs: list[tuple[Any, JsonSchemaMode]] = [
        (body, "validation") for body in sorted(bodies, key=lambda b: b.__name__)
    ]
    _, body_schemas = models_json_schema(inputs, ref_template=_REF)
    schemas: dict[str, Any] = body_schemas.get("$defs", {})
    refusals: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        handler = handlers[route.function]
        responses = _answers(handler.answer, schemas)
        for status, codes in _refusals(route, handler).items():
            name = ".".join(codes)
            refusals[name] = _refusal(codes)
            responses[str(status)] = {"$ref": _RESPONSE_REF.format(name=name)}
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, handler, responses)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Duologue API",
            "version": "1.0.0",
            "description": "Turns a prompt into a short vertical video in which cloned voices talk to each other.",
        },
        "servers": [{"url": "http://localhost:8000", "description": "Development"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((schemas | {"Error": _ERROR}).items())),
            "responses": dict(sorted(refusals.items())),
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _answers(answer: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The operation's answers by their status; the schemas that they need are put into `schemas`."""
    if isinstance(answer, tuple):
        return {str(each.status): _bare_answer(each) for each in answer}
    schema = TypeAdapter(answer).json_schema(mode="serialization", ref_template=_REF)
    schemas |= schema.pop("$defs", {})
    return {"200": _content("The answer.", "application/json", _named(schema, answer, schemas))}


def _bare_answer(answer: BareAnswer) -> dict[str, Any]:
    if answer.content_type:
        return _content(answer.description, answer.content_type, {})
    location = {"headers": {"Location": {"schema": {"type": "string"}}}} if answer.status == 302 else {}
    return {"description": answer.description, **location}


def _named(schema: dict[str, Any], answer: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """A single model's schema moves to the components, where a list's items are already."""
    if not isinstance(answer, type):
        return schema
    schemas[answer.__name__] = schema
    return {"$ref": _REF.format(model=answer.__name__)}


def _operation(route: Route, handler: Any, responses: dict[str, Any]) -> dict[str, Any]:
    # A handler's first line is its method and path, who may call, and, after a colon, what is true afterwards.
    first_line, _, rest = handler.call.__doc__.partition("\n")
    summary = first_line.partition(": ")[2]
    operation: dict[str, Any] = {
        "operationId": route.function,
        "tags": [route.entity],
        "summary": summary[:1].upper() + summary[1:],
        "description": " ".join(rest.split()),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _VARIABLE.findall(route.path)
        ]
        + [{"in": "query"} | parameter._asdict() for parameter in handler.query],
        "responses": responses,
    }
    if route.access is Access.USER:
        operation["security"] = [{"session": []}]
    elif route.access is Access.OPTIONAL_USER:
        operation["security"] = [{}, {"session": []}]
    if handler.body is not NoBody:
        operation["requestBody"] = _request_body(handler.body)
    return operation


def _refusals(route: Route, handler: Any) -> dict[int, list[str]]:
    """The refusals' codes by their status: what the operation declares, and what gcp.endpoint does for its kind."""
    refusals = {*handler.refuses, MethodNotAllowed, Unavailable}
    if route.access is not Access.ANYONE:
        refusals.add(Unauthenticated)
    if handler.body is not NoBody:
        refusals |= {ValidationFailed, BodyTooLarge}
    found = sorted({(each.status, each.code) for each in refusals} | {_INTERNAL})
    statuses = dict.fromkeys(status for status, _ in found)
    return {status: [code for each, code in found if each == status] for status in statuses}


def _refusal(codes: list[str]) -> dict[str, Any]:
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": codes}}}}}
    schema = {"allOf": [{"$ref": _REF.format(model="Error")}, narrowed]}
    return _content(" or ".join(codes), "application/json", schema)


def _request_body(body: Any) -> dict[str, Any]:
    reference = {"$ref": _REF.format(model=body.__name__)}
    if not issubclass(body, Form):
        return _content(f"At most {MAX_JSON_BYTES // 1024} KiB.", "application/json", reference) | {"required": True}
    files = {
        "type": "object",
        "properties": {name: _files(field) for name, field in body.files.items()},
        "required": [name for name, field in body.files.items() if field.fewest],
    }
    limit = f"At most {MAX_FORM_BYTES // 1024**2} MB, all files together."
    return _content(limit, "multipart/form-data", {"allOf": [reference, files]}) | {"required": True}


def _files(field: FileField) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    if field.most == 1:
        return file | {"description": field.description}
    many = {"type": "array", "items": file, "minItems": field.fewest, "maxItems": field.most}
    return many | {"description": field.description}


def _content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _error_codes(parent: type[ApiError] = ApiError) -> list[str]:
    return sorted({code for each in parent.__subclasses__() for code in (each.code, *_error_codes(each))})


_ERROR: dict[str, Any] = {
    "type": "object",
    "description": "Every refusal. `detail` is for people (for 422 a list), `error` for programs.",
    "required": ["detail", "error"],
    "properties": {
        "detail": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["loc", "msg", "type"],
                        "properties": {
                            "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                            "msg": {"type": "string"},
                            "type": {"type": "string"},
                        },
                    },
                },
            ]
        },
        "error": {
            "type": "object",
            "required": ["code", "message", "requestId"],
            "properties": {
                "code": {"type": "string", "enum": [*_error_codes(), "INTERNAL"]},
                "message": {"type": "string"},
                "param": {"type": "string", "description": "The field at fault."},
                "jobId": {"type": "string", "description": "With JOB_UNFINISHED: the job that is still to end."},
                "required": {"type": "integer", "description": "With INSUFFICIENT_TOKENS: the price."},
                "available": {"type": "integer", "description": "With INSUFFICIENT_TOKENS: what is there for it."},
                "requestId": {"type": "string"},
            },
        },
    },
}


def main() -> None:
    """The generated files are as the table says."""
    for path, content in expected_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

"""The API in OpenAPI 3.1, made from the route table, the operations' models and their examples."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from gcp.endpoint import MAX_FORM_BYTES, MAX_JSON_BYTES
from gcp.errors import Unauthenticated
from gcp.models import FileField, Form
from gcp.wire import BareAnswer, NoBody
from local.examples import EXAMPLES, PATH_EXAMPLES, Example
from local.openapi_components import HEADERS, IDEMPOTENCY_KEY, SECURITY_SCHEMES, TAGS
from local.openapi_errors import ERROR_SCHEMA, refusal, refusals_of
from routes import ROUTES, Access, Route

VARIABLE = re.compile(r"\{(\w+)\}")
_REF = "#/components/schemas/{model}"
_HEADER_REF = "#/components/headers/{name}"
_RESPONSE_REF = "#/components/responses/{name}"
_TOKENS: list[dict[str, list[str]]] = [{"session": []}, {"firebase": []}]
_ID = "[A-Za-z0-9_-]{1,128}"
_FILE_NAME = r"[0-9a-f]{32,64}(_[0-9]{1,6})?\.(png|wav|mp4)"


class _Schemas(GenerateJsonSchema):
    """As pydantic makes them, but an answer always has all its fields, those with a default too."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        return self.mode == "serialization" or super().field_is_required(field, total)


def openapi_document() -> dict[str, Any]:
    """Every operation with its parameters, body, answers and refusals, and an example of each."""
    import main  # noqa: PLC0415 (imports every function)

    handlers = {route.function: getattr(main, route.function) for route in ROUTES}
    schemas = _body_schemas([handler.body for handler in handlers.values()])
    refusals: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        handler = handlers[route.function]
        example = EXAMPLES.get(route.function, Example())
        responses = _answers(handler, example, schemas)
        for status, codes in refusals_of(route, handler).items():
            name = ".".join(codes)
            refusals[name] = refusal(codes)
            responses[str(status)] = {"$ref": _RESPONSE_REF.format(name=name)}
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, handler, example, responses)
    entities = dict.fromkeys(route.entity for route in ROUTES)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Duologue API",
            "version": "1.0.0",
            "description": "Turns a prompt into a short vertical video in which cloned voices talk to each other.",
        },
        "servers": [{"url": "/", "description": "Where this document was loaded from"}],
        "tags": [{"name": entity, "description": TAGS.get(entity, "")} for entity in entities],
        "paths": paths,
        "components": {
            "schemas": dict(sorted((schemas | {"Error": ERROR_SCHEMA}).items())),
            "responses": dict(sorted(refusals.items())),
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _body_schemas(bodies: Sequence[Any]) -> dict[str, Any]:
    """The schemas of the bodies and what they hold; a form's has its files beside its text fields."""
    distinct = sorted({body for body in bodies if body is not NoBody}, key=lambda body: body.__name__)
    _, made = models_json_schema([(body, "validation") for body in distinct], ref_template=_REF)
    schemas: dict[str, Any] = made.get("$defs", {})
    for body in distinct:
        if issubclass(body, Form):
            schema = schemas[body.__name__]
            required = schema.get("required", [])
            fields = {name: _text_field(field) for name, field in schema["properties"].items()}
            for name, field in fields.items():
                if field.get("type") == "string" and name not in required:
                    # An empty field is one that is not filled in; the reference would begin with a text of its own.
                    field["examples"] = [""]
            schema["properties"] = fields
            schema["properties"] |= {name: _files(field) for name, field in body.files.items()}
            schema["required"] = [*required, *(name for name, field in body.files.items() if field.fewest)]
    return schemas


def _text_field(schema: dict[str, Any]) -> dict[str, Any]:
    """The field of a form, where an absent one is not sent: there is no null in it."""
    present = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(present) != 1:
        return schema
    return {name: value for name, value in schema.items() if name not in {"anyOf", "default"}} | dict(present[0])


def _answers(handler: Any, example: Example, schemas: dict[str, Any]) -> dict[str, Any]:
    """The operation's answers by their status; the schemas that they need are put into `schemas`."""
    if isinstance(handler.answer, tuple):
        return {str(each.status): _bare_answer(each) for each in handler.answer}
    adapter = TypeAdapter(handler.answer)
    schema = adapter.json_schema(mode="serialization", ref_template=_REF, schema_generator=_Schemas)
    schemas |= schema.pop("$defs", {})
    answer = content("The answer.", "application/json", _named(schema, handler.answer, schemas))
    if example.answer is not None:
        answer["content"]["application/json"]["examples"] = {"answer": {"value": example.answer}}
    is_paged = "pageToken" in {parameter.name for parameter in handler.query}
    return {"200": answer | {"headers": headers("X-Request-Id", *(["X-Next-Page-Token"] if is_paged else []))}}


def _bare_answer(answer: BareAnswer) -> dict[str, Any]:
    names = {302: ("X-Request-Id", "Location"), 200: ("X-Request-Id", "ETag"), 304: ("X-Request-Id", "ETag")}
    described: dict[str, Any] = {"description": answer.description, "headers": headers(*names[answer.status])}
    if answer.content_type:
        described["content"] = {answer.content_type: {"schema": {"type": "string", "format": "binary"}}}
    return described


def _named(schema: dict[str, Any], answer: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """A single model's schema moves to the components, where a list's items are already."""
    if not isinstance(answer, type):
        return schema
    if "$ref" not in schema:
        schemas[answer.__name__] = schema
    return {"$ref": _REF.format(model=answer.__name__)}


def _operation(route: Route, handler: Any, example: Example, responses: dict[str, Any]) -> dict[str, Any]:
    # A handler's first line is its method and path, who may call, and, after a colon, what is true afterwards.
    first_line, _, rest = handler.__doc__.partition("\n")
    summary = first_line.partition(": ")[2]
    operation: dict[str, Any] = {
        "operationId": route.function,
        "tags": [route.entity],
        "summary": summary[:1].upper() + summary[1:],
        "description": " ".join(rest.split()),
        "parameters": _parameters(route, handler),
        "responses": dict(sorted(responses.items())),
        "security": _security(route, handler),
    }
    if handler.body is not NoBody:
        operation["requestBody"] = _request_body(handler.body, example.request)
    return operation


def _security(route: Route, handler: Any) -> list[dict[str, list[str]]]:
    if route.access is Access.USER:
        return _TOKENS
    # Whoever refuses a bad token looks at one, whether or not the table says so: signed paths need none.
    if route.access is Access.OPTIONAL_USER or Unauthenticated in handler.refuses:
        return [{}, *_TOKENS]
    return []


def _parameters(route: Route, handler: Any) -> list[dict[str, Any]]:
    in_path = [_path_parameter(route, name) for name in VARIABLE.findall(route.path)]
    in_query = [{"in": "query"} | parameter._asdict() for parameter in handler.query]
    return [*in_path, *in_query, *([IDEMPOTENCY_KEY] if handler.idempotent else [])]


def _path_parameter(route: Route, name: str) -> dict[str, Any]:
    pattern = _FILE_NAME if name == "fileName" else _ID
    example = PATH_EXAMPLES.get((route.function, name)) or PATH_EXAMPLES.get(("", name))
    parameter = {"name": name, "in": "path", "required": True}
    parameter["schema"] = {"type": "string", "pattern": f"^{pattern}$"}
    return parameter | ({"example": example} if example else {})


def _request_body(body: Any, example: Mapping[str, Any] | None) -> dict[str, Any]:
    is_form = issubclass(body, Form)
    limit = f"{MAX_FORM_BYTES // 1024**2} MB, all files together" if is_form else f"{MAX_JSON_BYTES // 1024} KiB"
    media_type = "multipart/form-data" if is_form else "application/json"
    described = content(f"At most {limit}.", media_type, {"$ref": _REF.format(model=body.__name__)})
    if example is not None:
        described["content"][media_type]["examples"] = {"request": {"value": example}}
    return described | {"required": any(field.is_required() for field in body.model_fields.values())}


def _files(field: FileField) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    if field.most == 1:
        return file | {"description": field.description}
    many = {"type": "array", "items": file, "minItems": field.fewest, "maxItems": field.most}
    return many | {"description": field.description}


def content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A body or an answer of one media type."""
    return {"description": description, "content": {media_type: {"schema": schema}}}


def headers(*names: str) -> dict[str, Any]:
    """References to the named headers."""
    return {name: {"$ref": _HEADER_REF.format(name=name)} for name in names}

"""Refusals in the API document: which an operation can give, by status and code, and what each looks like."""

import json
from collections.abc import Sequence
from typing import Any

from gcp.endpoint import error_response
from gcp.errors import (
    AddressTaken,
    ApiError,
    BodyTooLarge,
    Forbidden,
    IdempotencyKeyReused,
    InsufficientTokens,
    JobEnded,
    JobUnfinished,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    RequestInProgress,
    SignInAgain,
    SignupClosed,
    Unauthenticated,
    Unavailable,
    ValidationFailed,
    WriterFailed,
    WrongCredentials,
)
from gcp.wire import NoBody
from routes import Access, Route

INTERNAL = "INTERNAL"
_INTERNAL_STATUS = 500
_REQUEST_ID = "4f9d2c6b8a3e4d11a7c05be2f1d83b60"
_INTERNAL_MESSAGE = "Something went wrong on our side; try again."

_REFUSED: tuple[ApiError, ...] = (
    AddressTaken("An account with this e-mail address exists.", param="email"),
    BodyTooLarge("The body is larger than 512 KiB."),
    Forbidden("Only the owner can change this character."),
    IdempotencyKeyReused(),
    InsufficientTokens(required=1, available=0),
    JobEnded("completed"),
    JobUnfinished("job_456"),
    MethodNotAllowed("PATCH is not served here; allowed: GET, HEAD, OPTIONS."),
    NotFound("There is no such character."),
    RateLimited("At most 60 scripts can be written in an hour; try again later.", retry_after_seconds=60),
    RequestInProgress(30),
    SignInAgain(),
    SignupClosed(),
    Unauthenticated(),
    Unavailable("A service that we depend on does not answer; try again."),
    ValidationFailed([{"loc": ["body", "name"], "msg": "Field required", "type": "missing"}]),
    WriterFailed("The writer gave no usable dialogue. Try again, or change the prompt."),
    WrongCredentials("Wrong e-mail address or password."),
)
_EXAMPLES: dict[str, ApiError] = {error.code: error for error in _REFUSED}
# What comes with a refusal of this code beside its body.
_HEADERS = {
    "UNAUTHENTICATED": "WWW-Authenticate",
    "SIGN_IN_AGAIN": "WWW-Authenticate",
    "METHOD_NOT_ALLOWED": "Allow",
    "RATE_LIMITED": "Retry-After",
    "REQUEST_IN_PROGRESS": "Retry-After",
}


def error_codes(parent: type[ApiError] = ApiError) -> dict[str, int]:
    """Every code with its status, sorted by both; INTERNAL, which no class stands for, among them."""
    found = {INTERNAL: _INTERNAL_STATUS} if parent is ApiError else {}
    for each in parent.__subclasses__():
        found |= {each.code: each.status} | error_codes(each)
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def refusals_of(route: Route, handler: Any) -> dict[int, list[str]]:
    """The refusals' codes by their status: what the operation declares, and what gcp.endpoint does for its kind."""
    refusals = {*handler.refuses, MethodNotAllowed, Unavailable}
    if route.access is not Access.ANYONE:
        # The last two are of a first call, which opens an account.
        refusals |= {Unauthenticated, SignupClosed, RateLimited}
    if handler.idempotent:
        refusals |= {IdempotencyKeyReused, RequestInProgress}
    if handler.body is not NoBody:
        refusals |= {ValidationFailed, BodyTooLarge}
    found = sorted({(each.status, each.code) for each in refusals} | {(_INTERNAL_STATUS, INTERNAL)})
    statuses = dict.fromkeys(status for status, _ in found)
    return {status: [code for each, code in found if each == status] for status in statuses}


def refusal(codes: Sequence[str]) -> dict[str, Any]:
    """The answer for refusals of one status, with an example for each code."""
    narrowed = {"properties": {"error": {"properties": {"code": {"enum": list(codes)}}}}}
    answer: dict[str, Any] = {"schema": {"allOf": [{"$ref": "#/components/schemas/Error"}, narrowed]}}
    answer["examples"] = {code: {"value": error_example(code)} for code in codes}
    names = ["X-Request-Id", *dict.fromkeys(_HEADERS[code] for code in codes if code in _HEADERS)]
    return {
        "description": " or ".join(codes),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {"application/json": answer},
    }


def error_example(code: str) -> dict[str, Any]:
    """The body of a refusal as it is sent."""
    if code == INTERNAL:
        described = {"code": code, "message": _INTERNAL_MESSAGE, "requestId": _REQUEST_ID}
        return {"detail": _INTERNAL_MESSAGE, "error": described}
    example: dict[str, Any] = json.loads(error_response(_EXAMPLES[code], _REQUEST_ID).get_data())
    return example


ERROR_SCHEMA: dict[str, Any] = {
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
                "code": {"type": "string", "enum": sorted(error_codes())},
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

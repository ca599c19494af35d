"""One way through the code for every request: match, authenticate, parse, call, answer, log one line.

`@endpoint` makes a Cloud Function of a handler. The route table says the rest: path, method, who may call, and with
which memory, timeout, concurrency and secrets it is deployed.
"""

import functools
import importlib
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from flask import Request, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from contracts import log
from contracts.environment import ConfigurationError
from gcp.cors import cors_headers, preflight_headers
from gcp.deployment import CalledBy, Deployment, deployed
from gcp.errors import ApiError, BodyTooLarge, MethodNotAllowed, NotFound, Unavailable, ValidationFailed
from gcp.front_door import original_headers, original_path
from gcp.settings import settings
from gcp.wire import NoBody, QueryParameter, WithHeaders
from routes import NOT_FOUND_FUNCTION, Access, Route, route_of, siblings

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

    from accounts.users import User

    Answers = BaseModel | Sequence[BaseModel] | WithHeaders | Response

BodyModel = TypeVar("BodyModel", bound="BaseModel | NoBody")

MAX_JSON_BYTES = 512 * 1024  # 100 lines of 400 letters of 4 bytes each, with their quotes, fit several times
MAX_FORM_BYTES = 30 * 1024 * 1024  # the platform's own limit is 32 MiB for the whole request

# Of answers that are the same for everybody who sends no token. The signatures in them live for a day at least.
_PUBLIC = "public, max-age=60, s-maxage=60"


@dataclass(frozen=True, kw_only=True)
class Call(Generic[BodyModel]):
    """One authenticated, parsed request."""

    body: BodyModel
    path: Mapping[str, str]
    query: Mapping[str, str]
    request_id: str
    request_path: str
    user: "User | None" = None
    signed_in_at: datetime | None = None
    files: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    # The client's own, by lower-case name (gcp.front_door).
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def caller(self) -> "User":
        """The user of a route that only users may call."""
        assert self.user is not None
        return self.user


class Operation(Protocol):
    """What `handle` needs to know of a decorated function, its siblings' included."""

    body: type[Any]
    answer: Any
    query: Sequence[QueryParameter]
    refuses: Sequence[type[ApiError]]
    idempotent: bool
    handler: "Callable[[Call[Any]], Answers]"


def endpoint(
    *,
    answer: Any,
    body: type[BodyModel] = NoBody,  # type: ignore[assignment]  # the default is one as any other
    query: Sequence[QueryParameter] = (),
    refuses: Sequence[type[ApiError]] = (),
    idempotent: bool = False,
) -> "Callable[[Callable[[Call[BodyModel]], Answers]], Callable[[Request], Response]]":
    """A deployable function of the handler's name.

    The rest is for the API document: `answer` is the type of what the handler returns, or its BareAnswers, `query` what
    it reads of the query, and `refuses` what it raises itself, beyond what `handle` does for every such operation;
    `idempotent` when it keeps an Idempotency-Key (gcp.idempotency).
    """

    def decorate(handler: "Callable[[Call[BodyModel]], Answers]") -> Callable[[Request], Response]:
        route = route_of(handler.__name__)

        def function(request: Request) -> Response:
            return handle(request, route)

        described = deployed(function, handler, _deployment(route))
        described.body, described.answer = body, answer
        described.query, described.refuses, described.idempotent = query, refuses, idempotent
        return cast("Callable[[Request], Response]", described)

    return decorate


def _deployment(route: Route) -> Deployment:
    """The function's own; the one that Hosting calls for its path gets the union of its siblings'."""
    served = siblings(route) if siblings(route)[0] == route else (route,)
    return Deployment(
        called_by=CalledBy.HTTPS,
        account=f"api-{route.entity}",
        memory_mib=max(int(each.memory) for each in served),
        concurrency=min(each.concurrency for each in served),
        timeout_seconds=max(each.timeout_seconds for each in served),
        secrets=tuple(sorted({secret for each in served for secret in each.secrets})),
    )


def handle(request: Request, named: Route | None) -> Response:
    """The answer to any request that reaches the function of `named`, whatever its method. Logs one line.

    None stands for a path that no route has.
    """
    started_at = time.monotonic()
    request_id = uuid.uuid4().hex
    function = named.function if named else NOT_FOUND_FUNCTION
    fields: dict[str, object] = {"request_id": request_id, "function": function, "method": request.method}
    cors: dict[str, str] = {}
    try:
        cors = cors_headers(settings(), request.headers.get("Origin"))
        response = _dispatch(request, named, request_id, fields)
    except Exception as error:  # noqa: BLE001 (the outermost handler: logs where, tells the client nothing)
        refusal = _refusal_of(error)
        if refusal is None:
            fields |= {"code": "INTERNAL", "error": type(error).__name__, "at": log.frames_of(error)}
            if isinstance(error, ConfigurationError):
                fields["reason"] = str(error)  # the name of a variable, and never what is in it
            response = _internal_error(request_id)
        else:
            fields["code"] = refusal.code
            response = error_response(refusal, request_id)
    response.headers.extend(cors)
    response.headers["X-Request-Id"] = request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "private, no-store")
    severity: log.Severity = "ERROR" if response.status_code >= 500 else "INFO"
    duration_ms = round((time.monotonic() - started_at) * 1000)
    log.write(severity, "request_finished", status=response.status_code, duration_ms=duration_ms, **fields)
    return response


def _refusal_of(error: Exception) -> ApiError | None:
    """What the client is told of an error; None for a defect of ours."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestEntityTooLarge):
        # gcp.form's own bounds.
        return BodyTooLarge("The form has too many parts or too long text fields.")
    if isinstance(error, HTTPException):
        return ValidationFailed([{"loc": ["body"], "msg": "The request cannot be read.", "type": "value_error"}])
    # Deferred: whoever got one of these errors has the packages already.
    from google.api_core import exceptions as google
    from google.auth.exceptions import RefreshError, TransportError

    outages = google.RetryError | google.ServerError | google.Aborted | google.TooManyRequests
    if isinstance(error, outages | TransportError | RefreshError):
        return Unavailable("A service that we depend on does not answer; try again.")
    return None


def _dispatch(request: Request, named: Route | None, request_id: str, fields: dict[str, object]) -> Response:
    by_method = {route.method: route for route in siblings(named)} if named else {}
    if request.method == "OPTIONS":
        # Also on an unknown path: a browser that is refused the preflight shows its page no answer at all.
        return _preflight(by_method)
    request_path = original_path(request, named.function) if named else request.path
    path = named.match(request_path) if named else None
    if path is None:
        raise NotFound("There is nothing at this path.")
    route = by_method.get("GET" if request.method == "HEAD" else request.method)
    if route is None:
        allowed = ", ".join(_allowed(by_method))
        raise MethodNotAllowed(f"{request.method} is not served here; allowed: {allowed}.", headers={"Allow": allowed})
    fields["operation"] = route.function
    # The sibling's module is the named function's own or of the same entity; imported now, not at cold start.
    operation = cast("Operation", getattr(importlib.import_module(route.module), route.function))
    headers = original_headers(request)
    user, signed_in_at = _authenticate(headers, route)
    if user:
        fields["user_id"] = user.id
    body, files = _parse(request, operation.body)
    answer = operation.handler(
        Call(
            body=body,
            path=path,
            query=request.args.to_dict(),
            request_id=request_id,
            request_path=request_path,
            user=user,
            signed_in_at=signed_in_at,
            files=files,
            headers=headers,
        )
    )
    if isinstance(answer, Response):
        return answer
    content, answered = answer if isinstance(answer, WithHeaders) else (answer, {})
    if route.access is Access.OPTIONAL_USER and "authorization" not in headers:
        answered = {"Cache-Control": _PUBLIC, **answered}
    body_bytes = _adapter(operation.answer).dump_json(content, by_alias=True)
    return Response(body_bytes, status=200, content_type="application/json", headers=dict(answered))


@functools.cache
def _adapter(answer: Any) -> "TypeAdapter[Any]":
    """Made once: for a list of models that takes longer than to write the list."""
    from pydantic import TypeAdapter

    return TypeAdapter(answer)


def _preflight(by_method: Mapping[str, Route]) -> Response:
    allowed = _allowed(by_method or dict.fromkeys(("GET", "POST", "PUT", "DELETE")))
    return Response(status=204, headers={"Allow": ", ".join(allowed), **preflight_headers(allowed)})


def _allowed(by_method: Mapping[str, object]) -> list[str]:
    return sorted({*by_method, "OPTIONS"} | ({"HEAD"} if "GET" in by_method else set()))


def _authenticate(headers: Mapping[str, str], route: Route) -> "tuple[User | None, datetime | None]":
    """The user whose token came along, and when they signed in. Raises Unauthenticated for a bad token."""
    if route.access is Access.ANYONE:
        return None, None
    authorization = headers.get("authorization", "")
    if not authorization.strip() and route.access is Access.OPTIONAL_USER:
        return None, None
    # Deferred: routes for anyone need neither.
    from accounts.bearer import authenticate
    from gcp.clients import firestore

    caller = authenticate(firestore(), headers, datetime.now(UTC))
    return caller.user, caller.signed_in_at


def _parse(request: Request, model: type[Any]) -> tuple[Any, Mapping[str, Sequence[bytes]]]:
    """The body as its model, and the files of a form. Raises ValidationFailed and BodyTooLarge."""
    if model is NoBody:
        return NoBody(), {}
    # Deferred: operations without a body and without a model in their answer load no pydantic.
    from pydantic import ValidationError

    from gcp.form import read_form
    from gcp.models import Form
    from gcp.validation import validation_details

    _check_size(request, MAX_FORM_BYTES if issubclass(model, Form) else MAX_JSON_BYTES)
    try:
        if not issubclass(model, Form):
            return model.model_validate_json(request.get_data() or b"{}"), {}
        form = read_form(request, model)
        return model.model_validate(form.texts), form.files
    except ValidationError as error:
        raise ValidationFailed(validation_details(error)) from error


def error_response(error: ApiError, request_id: str) -> Response:
    """Every refusal's one shape: `detail` for people and old clients, `error` for programs."""
    described: dict[str, object] = {"code": error.code, "message": error.message, "requestId": request_id}
    if error.param:
        described["param"] = error.param
    return _json({"detail": error.detail, "error": described | error.fields}, error.status, error.headers)


def _internal_error(request_id: str) -> Response:
    message = "Something went wrong on our side; try again."
    described = {"code": "INTERNAL", "message": message, "requestId": request_id}
    return _json({"detail": message, "error": described}, 500, {})


def _json(content: object, status: int, headers: Mapping[str, str]) -> Response:
    body = json.dumps(content, separators=(",", ":"))
    return Response(
        body, status=status, content_type="application/json", headers={"Cache-Control": "no-store", **headers}
    )


def _check_size(request: Request, limit: int) -> None:
    """Raises BodyTooLarge, before a body that states its length is read.

    Not by the request's own `max_content_length`: functions-framework reads the rest of every request after its answer
    was made, and would run into that limit again and answer 500.
    """
    size_bytes = request.content_length if request.content_length is not None else len(request.get_data())
    if size_bytes > limit:
        raise BodyTooLarge(f"The body is larger than {limit // 1024} KiB.")

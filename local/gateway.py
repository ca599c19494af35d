"""The API in OpenAPI 2.0 as API Gateway wants it: which function answers which method of which path, and how long.

Made from the route table into terraform/api_gateway.json, which Terraform reads as a template: `${functions_base}`
becomes the address that every function's name is appended to. The document describes no bodies and no answers, which
are in docs/site/api/openapi.json, and no security: the functions read the caller's token themselves.
"""

from typing import Any

from local.openapi import VARIABLE
from routes import ROUTES, Route, siblings

_FUNCTION = "${functions_base}/{function}"


def gateway_document() -> dict[str, Any]:
    """One operation per route, and one per path for browsers' preflights. The gateway refuses everything else."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operations = paths.setdefault(route.path, {})
        operations[route.method.lower()] = _operation(route, route.function)
    for path, operations in paths.items():
        first = siblings(next(route for route in ROUTES if route.path == path))[0]
        operations["options"] = _operation(first, f"preflight_{first.function}")
    return {
        "swagger": "2.0",
        "info": {
            "title": "Duologue API",
            "version": "1.0.0",
            "description": "Where the gateway sends each operation. /api/openapi.json on Hosting describes the API.",
        },
        "schemes": ["https"],
        "paths": paths,
    }


def _operation(route: Route, operation_id: str) -> dict[str, Any]:
    address = _FUNCTION.replace("{function}", route.function)
    return {
        "operationId": operation_id,
        "parameters": [
            {"name": name, "in": "path", "required": True, "type": "string"} for name in VARIABLE.findall(route.path)
        ],
        "responses": {"default": {"description": "The function's answer, as it is."}},
        "x-google-backend": {
            "address": address,
            # The function is called at its address with the whole path behind it, and reads the variables itself.
            "path_translation": "APPEND_PATH_TO_ADDRESS",
            # The gateway's own token is for this function and no other.
            "jwt_audience": address,
            # The gateway's default of 15 s is shorter than most functions may take.
            "deadline": float(route.timeout_seconds),
        },
    }

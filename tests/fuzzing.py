"""What schemathesis asks of every operation, in one process or through port 8000."""

from collections.abc import Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local.routes import OPENAPI_JSON

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The same requests at every run; none is written down for later ones.
_CONFIG = SchemathesisConfig.from_dict({"seed": 3, "generation": {"deterministic": True, "database": "none"}})

API = schemathesis.openapi.from_path(OPENAPI_JSON, config=_CONFIG)


def bounded(examples: int) -> settings:
    """This many random requests for each operation, beside those at the edges of its schemas."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        # Fixtures are made once for all requests to an operation, and refusals are as good as answers.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
        ],
    )


def aim(case: Case[Any], resources: Mapping[str, str]) -> None:
    """Where the request has an id that could be one, it gets that of a thing that exists: random ones meet only 404."""
    path = case.path_parameters
    for name, value in list(path.items()):
        if name in resources and str(value).isascii() and str(value).isalnum() and len(str(value)) % 3:
            path[name] = resources[name]
    body: Any = case.body
    if isinstance(body, dict) and isinstance(chosen := body.get("selectedCharacters"), list) and len(chosen) == 2:
        chosen[:] = [resources["characterId"], resources["otherCharacterId"]]
    if isinstance(body, dict) and isinstance(lines := body.get("dialogue"), list):
        for line in lines:
            if isinstance(line, dict) and isinstance(line.get("speaker"), str):
                line["speaker"] = resources["characterId"]

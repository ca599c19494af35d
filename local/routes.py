"""Writes what follows from the route table: Hosting's rewrites, the OpenAPI document, the API Gateway's, the manifest.

Run by `make routes`. `expected_files` is what a test compares the tree with.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

from gcp.deployment import REGION
from local.gateway import gateway_document
from local.manifest import FUNCTIONS_YAML, manifest
from local.openapi import VARIABLE, openapi_document
from routes import NOT_FOUND_FUNCTION, ROUTES

FIREBASE_JSON = ROOT / "firebase.json"
OPENAPI_JSON = ROOT / "docs/site/api/openapi.json"
GATEWAY_JSON = ROOT / "terraform/api_gateway.json"


def expected_files() -> Mapping[Path, str]:
    """The content that each generated file should have."""
    firebase = json.loads(FIREBASE_JSON.read_text())
    firebase["hosting"]["rewrites"] = hosting_rewrites()
    return {
        FIREBASE_JSON: json.dumps(firebase, indent=2) + "\n",
        OPENAPI_JSON: json.dumps(openapi_document(), indent=2, ensure_ascii=False) + "\n",
        FUNCTIONS_YAML: manifest(),
        GATEWAY_JSON: json.dumps(gateway_document(), indent=2) + "\n",
    }


def hosting_rewrites() -> list[dict[str, object]]:
    """One rewrite per path, the more literal before the more variable, and one for every other path of the API."""
    paths = sorted(dict.fromkeys(route.path for route in ROUTES), key=_variability)
    rewrites = [
        _rewrite(VARIABLE.sub("*", path), next(route for route in ROUTES if route.path == path).function)
        for path in paths
    ]
    return [*rewrites, _rewrite("/api/**", NOT_FOUND_FUNCTION)]


def _variability(path: str) -> list[bool]:
    """Sorts a literal segment before a variable one in the same place."""
    return [bool(VARIABLE.fullmatch(segment)) for segment in path.split("/")]


def _rewrite(source: str, function: str) -> dict[str, object]:
    return {"source": source, "function": {"functionId": function, "region": REGION}}


def main() -> None:
    """The generated files are as the table says."""
    for path, text in expected_files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

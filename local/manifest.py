"""functions/functions.yaml: what the Firebase CLI deploys of every function, from what its decorator has noted.

    functions/venv/bin/python -m local.manifest

fails where the file is not what the code says, so that nothing else is deployed; `make routes` writes it.

firebase-functions' own decorators and its own writer make it; the CLI, which would otherwise import every function for
it, reads the file. Nothing of a project is known here: expressions stand for what the CLI knows when it deploys.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from local.addresses import ROOT

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

from firebase_functions import firestore_fn, https_fn, params, scheduler_fn, storage_fn
from firebase_functions.options import MemoryOption
from firebase_functions.private import serving

import main
from gcp.deployment import MAX_INSTANCES, REGION, CalledBy, Deployment

# Hosting calls functions as anybody does; API Gateway calls them with its own service account's ID token, and nobody
# else can. FRONT_DOOR stands in functions/.env and .env.PROJECT; a word that is neither door leaves the functions
# private.
_INVOKER = str(params.StringParam("FRONT_DOOR").equals("hosting").then("public", "gateway@"))

FUNCTIONS_YAML = ROOT / "functions" / "functions.yaml"

_EVENTS: Mapping[CalledBy, Callable[..., Any]] = {
    CalledBy.DOCUMENT_CREATED: firestore_fn.on_document_created,
    CalledBy.DOCUMENT_WRITTEN: firestore_fn.on_document_written,
    CalledBy.OBJECT_FINALIZED: storage_fn.on_object_finalized,
    CalledBy.OBJECT_DELETED: storage_fn.on_object_deleted,
}


def manifest() -> str:
    """The file's content."""
    text: str = serving.functions_as_yaml({name: _declared(getattr(main, name)) for name in sorted(main.FUNCTIONS)})
    return text


def _declared(function: Any) -> Any:
    """The function as firebase-functions would have it from its own decorator."""
    deployment: Deployment = function.deployment
    options = _options(deployment)
    if deployment.called_by is CalledBy.HTTPS:
        return https_fn.on_request(invoker=_INVOKER, **options)(function)
    if deployment.called_by is CalledBy.SCHEDULE:
        return scheduler_fn.on_schedule(schedule=deployment.subject, **options)(function)
    if deployment.called_by in {CalledBy.DOCUMENT_CREATED, CalledBy.DOCUMENT_WRITTEN}:
        options["document"] = deployment.subject
    else:
        # The Firebase project's own bucket.
        options["bucket"] = params.STORAGE_BUCKET
    declared = _EVENTS[deployment.called_by](**options)(function)
    # firebase-functions 0.6.0 has no retry option for these triggers and writes retry=False; without retries an event
    # whose handler failed is dropped.
    declared.__firebase_endpoint__.eventTrigger["retry"] = True
    return declared


def _options(deployment: Deployment) -> dict[str, Any]:
    return {
        "region": REGION,
        "memory": MemoryOption(deployment.memory_mib),
        "cpu": 1 if deployment.has_whole_cpu else "gcf_gen1",
        "concurrency": deployment.concurrency,
        "max_instances": MAX_INSTANCES,
        "timeout_sec": deployment.timeout_seconds,
        "secrets": list(deployment.secrets),
        "service_account": _service_account(deployment.account),
    }


def _service_account(name: str) -> str:
    """The address of a service account of the project that is deployed to.

    In full: of `name@` alone the CLI (15.34) makes no address where it lets the account read secrets, nor where it lets
    a schedule call as it.
    """
    return f"{name}@{params.PROJECT_ID}.iam.gserviceaccount.com"


def check() -> int:
    if FUNCTIONS_YAML.read_text() == manifest():
        return 0
    print("functions/functions.yaml is not what the code says: run `make routes`.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(check())

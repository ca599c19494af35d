"""One client per process and service, made at its first use: cold start pays only for what a function needs.

Each factory asks the settings first, which refuse emulator addresses outside a demo- project.
"""

import functools
import threading
from typing import TYPE_CHECKING

from gcp.settings import settings

if TYPE_CHECKING:
    from firebase_admin import App
    from google.cloud.firestore import Client as FirestoreClient
    from google.cloud.storage import Bucket
    from google.cloud.tasks_v2 import CloudTasksClient
    from openai import OpenAI

_APP_NAME = "duologue"
_FIREBASE_TIMEOUT_SECONDS = 10  # the SDK's own 120 would outlast every function
_making_app = threading.Lock()


@functools.cache
def firestore() -> "FirestoreClient":
    project_id = settings().project_id
    # Deferred: gRPC and the generated types take half a second.
    from google.cloud.firestore import Client

    return Client(project=project_id)


@functools.cache
def media_bucket() -> "Bucket":
    project_id = settings().project_id
    # Deferred: only functions that touch media need it.
    from google.cloud.storage import Client

    return Client(project=project_id).bucket(settings().require("MEDIA_BUCKET"))


@functools.cache
def tasks() -> "CloudTasksClient":
    emulator_host = settings().get("CLOUD_TASKS_EMULATOR_HOST")
    # Deferred: only the functions that enqueue a render need it.
    from google.cloud.tasks_v2 import CloudTasksClient

    if not emulator_host:
        return CloudTasksClient()
    import grpc
    from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

    # The client has no variable of its own for an emulator.
    return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=grpc.insecure_channel(emulator_host)))


@functools.cache
def firebase_app() -> "App":
    project_id = settings().project_id
    # Deferred: a request with a session token does not need Firebase Auth.
    import firebase_admin

    # Two first requests at once would make it twice, which the SDK refuses. Named: the default one is whoever's.
    with _making_app:
        try:
            return firebase_admin.get_app(_APP_NAME)
        except ValueError:
            options = {"projectId": project_id, "httpTimeout": _FIREBASE_TIMEOUT_SECONDS}
            return firebase_admin.initialize_app(options=options, name=_APP_NAME)


@functools.cache
def openai() -> "OpenAI":
    api_key = settings().require("OPENAI_API_KEY")
    base_url = settings().get("OPENAI_BASE_URL") or None
    # Deferred: the dearest import of all, needed by one function.
    from openai import OpenAI

    # The two tries that the product allows are its own (scripts.dialogue_writer); the SDK's would hide inside them.
    return OpenAI(api_key=api_key, base_url=base_url, max_retries=0)

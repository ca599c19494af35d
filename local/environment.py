"""The environment variables that the product's processes get on the local cloud, and its development secrets."""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.addresses import BUCKET, HOST, PROJECT_ID, QUEUE, ROOT, TASKS_SERVICE_ACCOUNT, Ports
from local.processes import CLOUD_MARK
from local.toolchain import find_java, find_node

# functions/gcp/settings.py refuses a signing key that begins so, outside a demo- project.
LOCAL_SECRET_PREFIX = "local-development-"  # noqa: S105 (marks a secret, is none)
# What a developer's shell may hold and the parts must not see: it would slow every start (no bytecode is written) or
# give a part real credentials, or another Python's packages.
_NOT_PASSED_ON = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "FIREBASE_TOKEN",
    "FIREBASE_CONFIG",
)
# What a developer may set to try something; everything else has its fixed value.
_SETTABLE = ("TOKENS_TO_GIVE", "OPENAI_MODEL", "CORS_ORIGINS", "TRUSTED_HOPS")


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where one local cloud runs, and with what environment."""

    root: Path
    state_dir: Path
    logs_dir: Path
    ports: Ports
    product: Mapping[str, str]  # the variables that the functions and the runner read
    process: Mapping[str, str]  # the variables that any process needs: PATH and the like


def read_or_make_secrets(path: Path) -> dict[str, str]:
    """The state's own keys: each made once, so that tokens and grants outlive a restart."""
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    made = {
        "JWT_SECRET": LOCAL_SECRET_PREFIX + secrets.token_urlsafe(48),
        "ADDRESS_HASH_KEY": LOCAL_SECRET_PREFIX + secrets.token_urlsafe(48),
        # The Auth emulator takes any key; the product must still have one to send.
        "WEB_API_KEY": LOCAL_SECRET_PREFIX + secrets.token_urlsafe(16),
    } | kept
    if made != kept:  # an older state has fewer
        write_private(path, json.dumps(made, indent=2) + "\n")
    return made


def write_private(path: Path, text: str) -> None:
    """The file holds the text, is the owner's alone, and was never there in part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(path)


def product_environment(ports: Ports, kept_secrets: Mapping[str, str], shell: Mapping[str, str]) -> dict[str, str]:
    """The variables that the functions and the runner read (their Settings), for these ports."""
    values = {
        "GOOGLE_CLOUD_PROJECT": PROJECT_ID,
        "GCLOUD_PROJECT": PROJECT_ID,
        **kept_secrets,
        "MEDIA_BUCKET": BUCKET,
        "RUNNER_URL": ports.url("runner"),
        "RENDER_QUEUE": QUEUE,
        "TASKS_SERVICE_ACCOUNT": TASKS_SERVICE_ACCOUNT,
        "FIRESTORE_EMULATOR_HOST": f"{HOST}:{ports.firestore}",
        "FIREBASE_AUTH_EMULATOR_HOST": f"{HOST}:{ports.auth}",
        "STORAGE_EMULATOR_HOST": ports.url("storage"),
        "CLOUD_TASKS_EMULATOR_HOST": f"{HOST}:{ports.tasks_grpc}",
        "OIDC_CERTS_URL": ports.url("tasks_http") + "/certs",
        "F5_TTS_URL": shell.get("F5_TTS_URL") or ports.url("voice") + "/",
        # Read by the voice's client, which otherwise reports each connection to its makers.
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    if not shell.get("F5_TTS_URL"):
        # What the development voice spoke and transcribed is never taken for a real server's.
        values["VOICE_ID"] = "development"
    if shell.get("OPENAI_API_KEY"):
        values["OPENAI_API_KEY"] = shell["OPENAI_API_KEY"]
        if shell.get("OPENAI_BASE_URL"):
            values["OPENAI_BASE_URL"] = shell["OPENAI_BASE_URL"]
    else:
        values["OPENAI_API_KEY"] = LOCAL_SECRET_PREFIX + "writer"
        values["OPENAI_BASE_URL"] = ports.url("writer") + "/v1"
    return values | {name: shell[name] for name in _SETTABLE if shell.get(name)}


def process_environment(shell: Mapping[str, str], *, root: Path = ROOT) -> dict[str, str]:
    """What every part's process gets beside the product's variables: the caller's environment, cleared of traps."""
    values = {name: value for name, value in shell.items() if name not in _NOT_PASSED_ON}
    # The .venv's own programs first (gunicorn), then the Node and the Java that setup found or brought.
    venv = root / ".venv"
    tools = [tool.parent for tool in (find_java(venv), find_node(venv)) if tool is not None]
    values["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), *map(str, tools), values.get("PATH", "")])
    values["PYTHONUNBUFFERED"] = "1"
    # No part asks the metadata server who it is, nor a proxy for the loopback.
    values["NO_GCE_CHECK"] = "true"
    for name in ("NO_PROXY", "no_proxy"):
        values[name] = ",".join(filter(None, [values.get(name), HOST, "localhost"]))
    values[CLOUD_MARK] = str(root)
    return values

"""Google's Firebase Emulator Suite as one part: Hosting, Functions, Firestore with its triggers, and Auth."""

import json
import re
import signal
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from local.addresses import HOST, PROJECT_ID, ROOT, Ports
from local.environment import Site, write_private
from local.imports import import_problem
from local.parts import Check, CloudError, Part
from local.processes import http_answers
from local.toolchain import FIRESTORE_MAIN_CLASS, cached_firestore_jar, find_java, find_node, sdk_firestore_jar

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

import main
from routes import ROUTES, siblings

_LOCAL_CONFIG = "firebase.local.json"
_SECRETS_FILE = ".secret.local"
# A name that begins with FIREBASE_ makes the CLI refuse the whole file, without a word.
SECRET_NAMES = ("ADDRESS_HASH_KEY", "JWT_SECRET", "OPENAI_API_KEY", "WEB_API_KEY")
_LAZY_AUTH_SCHEMAS = Path(__file__).resolve().with_name("lazy_auth_schemas.cjs")


def firebase_tools(root: Path) -> Path:
    return root / "node_modules" / "firebase-tools"


def suite_part(site: Site) -> Part:
    """The suite, set up to be started: its configuration and the functions' secrets are written.

    Raises CloudError when something that `make setup` brings is missing, or the functions cannot be imported.
    """
    ports = site.ports
    node, java = find_node(site.root / ".venv"), find_java(site.root / ".venv")
    if node is None or java is None or not firebase_tools(site.root).exists():
        raise CloudError("Node, Java or the Firebase CLI is missing: run `make setup` first.")
    if problem := import_problem(site.root / "functions", main.FUNCTIONS):
        raise CloudError(f"The functions cannot be imported:\n{problem}")
    config = write_local_config(site.root, ports)
    write_function_secrets(site.root / "functions", site.product)
    state = site.state_dir / "firebase"
    state.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(site.process) | dict(site.product) | firestore_jar_environment(site.root, site.state_dir)
    # The project's own bucket, which storage events come from; the CLI would invent a name.
    environment["STORAGE_BUCKET_URL"] = site.product["MEDIA_BUCKET"]
    environment["NO_COLOR"] = "1"  # its output goes to a file
    argv = [str(node), "--require", str(_LAZY_AUTH_SCHEMAS)]
    argv += [str(firebase_tools(site.root) / "lib" / "bin" / "firebase.js"), "emulators:start"]
    argv += ["--project", PROJECT_ID, "--config", str(config), "--only", "auth,functions,firestore,hosting"]
    argv += ["--import", str(state), "--export-on-exit", str(state)]
    site.logs_dir.mkdir(parents=True, exist_ok=True)
    return Part(
        name="firebase",
        argv=tuple(argv),
        cwd=site.logs_dir,  # the CLI leaves its debug logs and its unfinished exports where it runs
        environment=environment,
        checks=(
            Check("firestore", lambda: http_answers(ports.url("firestore"), accept=lambda status, _: status == 200)),
            Check("auth", lambda: http_answers(ports.url("auth"), accept=lambda status, _: status == 200)),
            Check("hosting", lambda: http_answers(ports.url("hosting"), accept=lambda status, _: status == 200)),
            Check("functions", lambda: functions_answer(ports)),
        ),
        ready_timeout_seconds=180,
        hopeless=("Failed to load function definition from source",),
        stop_signal=signal.SIGINT,  # the CLI exports on this one
        stop_timeout_seconds=40,
        ports=(
            ports.hosting,
            ports.functions,
            ports.firestore,
            ports.firestore_websocket,
            ports.auth,
            ports.hub,
            ports.logging,
            ports.eventarc,
            ports.suite_tasks,
        ),
    )


def functions_answer(ports: Ports) -> bool:
    """Whether all functions answer through Hosting, and Firestore's events reach theirs.

    "All emulators ready" comes before the functions are loaded, which the suite does one after the other in the order
    of their names. Until its turn has come, a function answers 404 in plain text; then, with a JSON object.
    """
    last = max((siblings(route)[0] for route in ROUTES), key=lambda route: route.function)
    path = re.sub(r"{\w+}", "none", last.path)
    return http_answers(ports.url("hosting") + path, accept=_is_json_object, timeout_seconds=60)


def _is_json_object(_status: int, body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def write_local_config(root: Path, ports: Ports) -> Path:
    """firebase.json with these ports, and with the Python that functions/venv has.

    The CLI runs the interpreter that `runtime` names; a machine that has another Python than production can still run
    the functions.
    """
    config = json.loads((root / "firebase.json").read_text())
    pyvenv = (root / "functions" / "venv" / "pyvenv.cfg").read_text()
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", pyvenv, re.MULTILINE)
    if found is None:
        raise CloudError("functions/venv does not say which Python it has: remove it and run `make setup`.")
    for codebase in config["functions"]:
        codebase["runtime"] = f"python{found.group(1)}{found.group(2)}"
        # A deployment uploads bytecode; the emulator would load all functions anew whenever one of them writes its own.
        # It does have to when there is another manifest.
        left_out = [each for each in codebase.get("ignore", []) if each != "functions.yaml"]
        codebase["ignore"] = [*left_out, "__pycache__"]
    emulators = config["emulators"]
    for name, port in {
        "auth": ports.auth,
        "functions": ports.functions,
        "firestore": ports.firestore,
        "hosting": ports.hosting,
        "hub": ports.hub,
        "logging": ports.logging,
        "eventarc": ports.eventarc,
        "tasks": ports.suite_tasks,
    }.items():
        emulators[name] = emulators.get(name, {}) | {"host": HOST, "port": port}
    emulators["firestore"]["websocketPort"] = ports.firestore_websocket
    # Beside firebase.json, since the CLI takes the configuration's folder for the project's.
    path = root / _LOCAL_CONFIG
    write_private(path, json.dumps(config, indent=2) + "\n")
    return path


def write_function_secrets(functions_dir: Path, product: Mapping[str, str]) -> None:
    """The Functions emulator gives the functions these values instead of asking Secret Manager.

    CLOUD_TASKS_EMULATOR_HOST is no secret. The suite sets it to its own tasks emulator, which serves another API, and
    only this file has the last word.
    """
    names = [name for name in SECRET_NAMES if name in product] + ["CLOUD_TASKS_EMULATOR_HOST"]
    lines = [f"{name}='{product[name]}'\n" for name in names]
    write_private(functions_dir / _SECRETS_FILE, "".join(lines))


def firestore_jar_environment(root: Path, state_dir: Path) -> dict[str, str]:
    """What makes the CLI use the Google Cloud SDK's Firestore emulator, where its own has not been downloaded yet."""
    cache = Path.home() / ".cache" / "firebase" / "emulators"
    if cached_firestore_jar(firebase_tools(root), cache) is not None:
        return {}
    sdk_jar = sdk_firestore_jar()
    if sdk_jar is None:
        return {}  # the CLI downloads it
    # The CLI calls `java -jar`, and the SDK's jar names no main class.
    jar = state_dir / "firestore-emulator.jar"
    jar.parent.mkdir(parents=True, exist_ok=True)
    lines = ["Manifest-Version: 1.0", f"Main-Class: {FIRESTORE_MAIN_CLASS}", f"Class-Path: {sdk_jar.as_uri()}"]
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "\r\n".join(_wrapped(line) for line in lines) + "\r\n\r\n")
    return {"FIRESTORE_EMULATOR_BINARY_PATH": str(jar)}


def _wrapped(line: str) -> str:
    """The line as a jar's manifest wants it: 72 bytes at most, each further line begun by a space."""
    pieces = [line[:72]] + [line[start : start + 71] for start in range(72, len(line), 71)]
    return "\r\n ".join(pieces)

"""How benchmarks serve functions: as production does, from functions/venv with the variables of functions/.env."""

import os
from pathlib import Path

from local.addresses import HOST, ROOT, Ports
from local.environment import LOCAL_SECRET_PREFIX, product_environment

# Of all keys of the benchmarks' functions.
SECRET = LOCAL_SECRET_PREFIX + "m" * 40


def function_environment(ports: Ports) -> dict[str, str]:
    """The variables of a function that is called by HTTP, for these ports; FUNCTION_TARGET is its own."""
    secrets = dict.fromkeys(("JWT_SECRET", "ADDRESS_HASH_KEY", "WEB_API_KEY"), SECRET)
    lines = (ROOT / "functions" / ".env").read_text().splitlines()
    return {
        **product_environment(ports, secrets, {}),
        **dict(line.split("=", 1) for line in lines if line and not line.startswith("#")),
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "NO_GCE_CHECK": "true",
        "FIREBASE_CONFIG": "{}",
        "FUNCTION_SIGNATURE_TYPE": "http",
    }


def function_argv(target: str, source: Path, port: int) -> list[str]:
    """functions-framework serves the function of this name there; with gunicorn, as long as FLASK_DEBUG is not set."""
    framework = str(ROOT / "functions" / "venv" / "bin" / "functions-framework")
    return [framework, "--target", target, "--source", str(source), "--host", HOST, "--port", str(port)]

"""One function under functions-framework's production server, as Cloud Run runs it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.addresses import HOST
from local.cloud import LocalCloud
from local.processes import http_answers, kill_group
from tests.emulators import free_port

_READY_SECONDS = 60


@contextmanager
def production_server(cloud: LocalCloud, function: str, log_path: Path) -> Iterator[str]:
    """The address where one instance serves the function: gunicorn, with the threads that functions/.env gives it."""
    functions_dir, port = cloud.root / "functions", free_port()
    argv = [str(functions_dir / "venv" / "bin" / "functions-framework"), f"--target={function}", "--source=main.py"]
    argv += ["--host", HOST, "--port", str(port)]
    deployed = dict(line.split("=", 1) for line in _settings(functions_dir / ".env"))
    environment = os.environ | cloud.env | deployed
    environment |= {"PYTHONPATH": str(functions_dir), "FUNCTION_TARGET": function, "K_SERVICE": function}
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=functions_dir, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not http_answers(f"http://{HOST}:{port}/robots.txt", accept=lambda status, _body: status == 404):
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, f"{function} is not served: {log_path.read_text()}"
            time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        kill_group(process.pid, signal.SIGKILL)
        process.wait()


def _settings(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("#")]

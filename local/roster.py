"""The parts of the local cloud: what each is started with and how one sees that it serves."""

import os
import sys
from pathlib import Path

from local.addresses import BUCKET, HOST, PROJECT_ID, REGION
from local.environment import Site
from local.firebase_suite import suite_part
from local.parts import Check, Part
from local.processes import http_answers
from local.scheduled_functions import NOT_LOADED


def cloud_parts(site: Site) -> list[Part]:
    """All parts for this environment; the development voice and writer only where no real one is named."""
    parts = [suite_part(site), _storage(site), _tasks(site), _runner(site), _scheduled_functions(site)]
    if site.product["F5_TTS_URL"].rstrip("/") == site.ports.url("voice"):
        parts.append(_voice(site))
    if site.product.get("OPENAI_BASE_URL", "").startswith(site.ports.url("writer")):
        parts.append(_writer(site))
    return parts


def _environment(site: Site) -> dict[str, str]:
    return dict(site.process) | dict(site.product)


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _answers(name: str, url: str, *, below_status: int = 300, timeout_seconds: float = 5.0) -> tuple[Check, ...]:
    def serves() -> bool:
        return http_answers(url, accept=lambda status, _body: status < below_status, timeout_seconds=timeout_seconds)

    return (Check(name, serves),)


def _storage(site: Site) -> Part:
    port, data_dir = site.ports.storage, site.state_dir / "storage"
    argv = ["--port", str(port), "--data-dir", str(data_dir), "--bucket", BUCKET]
    argv += ["--functions-url", site.ports.url("functions")]
    return Part(
        name="storage",
        argv=_module("local.storage_emulator", *argv),
        cwd=site.root,
        environment=_environment(site),
        checks=_answers("storage", site.ports.url("storage")),
        ports=(port,),
    )


def _tasks(site: Site) -> Part:
    argv = ["--grpc-port", str(site.ports.tasks_grpc), "--http-port", str(site.ports.tasks_http)]
    argv += ["--state", str(site.state_dir / "tasks"), "--queue-file", str(site.root / "terraform" / "queue.json")]
    argv += ["--project", PROJECT_ID, "--location", REGION]
    return Part(
        name="tasks",
        argv=_module("local.tasks_emulator", *argv),
        cwd=site.root,
        environment=_environment(site),
        checks=_answers("tasks", site.ports.url("tasks_http") + "/healthz"),
        ports=(site.ports.tasks_grpc, site.ports.tasks_http),
    )


def _runner(site: Site) -> Part:
    paths = [str(site.root), str(site.root / "functions")]
    return Part(
        name="gpu_runner",
        argv=runner_argv(site.ports.runner),
        cwd=site.root,
        environment=_environment(site) | {"PYTHONPATH": os.pathsep.join(paths)},
        checks=_answers("gpu_runner", site.ports.url("runner"), below_status=500),
        restarts=True,
        ports=(site.ports.runner,),
    )


def runner_argv(port: int) -> tuple[str, ...]:
    """As the runner's image does it: one process whose threads take a task each, no limit but the task's own."""
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    argv = [gunicorn, "--bind", f"{HOST}:{port}", "--workers", "1", "--threads", "8", "--timeout", "0"]
    return (*argv, "--graceful-timeout", "7", "gpu_runner.server:create_app()")


def _scheduled_functions(site: Site) -> Part:
    port, functions_dir = site.ports.scheduled, site.root / "functions"
    return Part(
        name="scheduled_functions",
        argv=_module("local.scheduled_functions", "--port", str(port), "--functions-dir", str(functions_dir)),
        cwd=site.root,
        environment=_environment(site),
        checks=_answers("scheduled_functions", site.ports.url("scheduled") + "/healthz", timeout_seconds=30),
        # It imports what it serves, and says at once why that cannot be imported.
        hopeless=(NOT_LOADED,),
        ready_timeout_seconds=120,
        restarts=True,
        ports=(port,),
    )


def _voice(site: Site) -> Part:
    return Part(
        name="voice",
        argv=_module("local.voice_server", "--port", str(site.ports.voice)),
        cwd=site.root,
        environment=_environment(site),
        checks=_answers("voice", site.ports.url("voice") + "/config"),
        ready_timeout_seconds=120,
        restarts=True,
        ports=(site.ports.voice,),
    )


def _writer(site: Site) -> Part:
    return Part(
        name="writer",
        argv=_module("local.writer_server", "--port", str(site.ports.writer)),
        cwd=site.root,
        environment=_environment(site),
        checks=_answers("writer", site.ports.url("writer") + "/v1/models", below_status=500),
        restarts=True,
        ports=(site.ports.writer,),
    )

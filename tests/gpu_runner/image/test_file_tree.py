"""The runner inside the image's file tree: the files that the Dockerfile copies, its working folder, its environment.

What is not here: Debian's packages and the Python environments, for which this machine's stand in.
"""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.addresses import ROOT
from tests.emulators import free_port
from tests.gpu_runner.image.dockerfile import assemble, read

# The runner's own tests that need nothing but the runner: no emulator, nothing of `local`. One of them makes a video.
TESTS = [
    *("test_composition_command.py", "test_encoders.py", "test_ffmpeg.py", "test_progress.py", "test_timeline.py"),
    "test_composition.py::test_each_stream_is_as_long_as_the_timeline_within_a_frame",
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of the image's file tree."""
    root = tmp_path_factory.mktemp("image")
    assemble(read(), root)
    (root / "tmp").mkdir()
    (root / "srv" / "LICENCE-OF-THE-VOICE").write_text("Apache-2.0\n")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(root / "srv")], check=True)
    return root


def image_environment(image: Path, **more: str) -> dict[str, str]:
    """The image's whole environment, with this machine's programs and the tree's paths."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {name: re.sub("^/(tmp|srv)", rf"{image}/\1", value) for name, value in read().environment().items()}
    return environment | {"PATH": programs} | more


def working_folder(image: Path) -> Path:
    return image / read().of_the_image("WORKDIR")[-1].lstrip("/")


def run_python(image: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=working_folder(image),
        env=image_environment(image, **more),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def modules(image: Path) -> list[str]:
    return [
        ".".join(path.relative_to(image / "srv").with_suffix("").parts)
        for path in sorted((image / "srv").rglob("*.py"))
        if "voice_image" not in path.parts  # other environments' programs
    ]


def test_every_module_of_the_runner_is_imported(image: Path) -> None:
    names = modules(image)

    done = run_python(image, "-c", f"import importlib\nfor name in {names}: importlib.import_module(name)")

    assert len(names) > 30
    assert done.returncode == 0, done.stderr


def test_nothing_is_imported_that_is_not_in_the_image(image: Path) -> None:
    done = run_python(image, "-c", "import gpu_runner.server, sys, json; print(json.dumps(sorted(sys.modules)))")

    assert done.returncode == 0, done.stderr
    assert '"local"' not in done.stdout
    assert '"functions"' not in done.stdout


def test_every_package_that_is_imported_comes_with_the_requirements(image: Path) -> None:
    packages = importlib.metadata.packages_distributions()
    installed = installed_by((ROOT / "gpu_runner" / "requirements.txt").read_text())

    imported = {
        name for path in (image / "srv").rglob("*.py") if "voice_image" not in path.parts for name in top_level(path)
    }

    foreign = imported - set(sys.stdlib_module_names) - {"contracts", "gpu_runner"}
    assert {"flask", "pydantic", "google"} <= foreign
    assert [name for name in sorted(foreign) if installed.isdisjoint(map(plain, packages[name]))] == []


def top_level(path: Path) -> Iterator[str]:
    """The first part of every imported module's name, of imports inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_by(requirements: str) -> set[str]:
    """The packages that these lines name, and those that they need in turn."""
    waiting = [plain(line.partition("=")[0]) for line in requirements.splitlines() if line[:1].isalpha()]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system
            continue
        waiting += [plain(re.split(r"[^\w.-]", need, maxsplit=1)[0]) for need in needs if "extra ==" not in need]
    return found


def test_the_runners_own_tests_pass_inside(image: Path, tmp_path: Path) -> None:
    """With the image's modules, and with no other folder of the repository on the path."""
    (tmp_path / "tests" / "gpu_runner").mkdir(parents=True)
    for name in ["media.py", "gpu_runner/dialogues.py", *(f"gpu_runner/{test.partition('::')[0]}" for test in TESTS)]:
        (tmp_path / "tests" / name).write_bytes((ROOT / "tests" / name).read_bytes())
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nfilterwarnings = error\ntimeout = 120\nmarkers =\n    attacks: what strangers try\n"
    )
    argv = ["-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    argv += ["-c", f"{tmp_path}/pytest.ini", *(f"{tmp_path}/tests/gpu_runner/{test}" for test in TESTS)]

    done = run_python(image, *argv, PYTHONPATH=f"{working_folder(image)}:{tmp_path}")

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


def test_the_images_command_serves_and_writes_nowhere_but_in_tmp(image: Path) -> None:
    before = files_outside_tmp(image)
    voice_port, port = free_port(), free_port()
    environment = image_environment(
        image,
        PORT=str(port),
        GOOGLE_CLOUD_PROJECT="demo-image",
        FIRESTORE_EMULATOR_HOST="127.0.0.1:9",
        STORAGE_EMULATOR_HOST="http://127.0.0.1:9",
        MEDIA_BUCKET="media",
        RUNNER_URL="https://runner.example",
        TASKS_SERVICE_ACCOUNT="tasks@example.com",
        F5_TTS_URL=f"http://127.0.0.1:{voice_port}/",
        VOICE_COMMAND=f"env PYTHONPATH={ROOT} {sys.executable} -m local.voice_server --port {voice_port}",
    )
    command = [word.replace("/tmp", f"{image}/tmp") for word in read().command()]
    with subprocess.Popen(
        command,
        cwd=working_folder(image),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as runner:
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            checks = requests.get(f"http://127.0.0.1:{port}/health", timeout=60).json()["checks"]
        finally:
            runner.terminate()
            printed, _ = runner.communicate(timeout=20)

    assert runner.returncode == 0
    assert checks["voiceServer"] == {"status": "healthy", "restarts": 0}
    assert checks["encoder"]["status"] in {"healthy", "unknown"}
    assert '"licence": "Apache-2.0"' in printed
    assert files_outside_tmp(image) == before


def test_the_build_waits_until_the_voice_serves(image: Path) -> None:
    port = free_port()
    text = (ROOT / "gpu_runner" / "cloudbuild.yaml").read_text().partition("- id: voice\n")[2]
    script = textwrap.dedent(text.partition("- |\n")[2].partition("  - id:")[0]).replace("/tmp", f"{image}/tmp")

    done = run_python(
        image,
        "-c",
        script,
        F5_TTS_URL=f"http://127.0.0.1:{port}/",
        VOICE_COMMAND=f"env PYTHONPATH={ROOT} {sys.executable} -m local.voice_server --port {port}",
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the voice serves\n")


def wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/ready", timeout=10).status_code == 200:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    pytest.fail("the runner is not ready after 150 s")


def files_outside_tmp(image: Path) -> list[str]:
    names = [path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()]
    return sorted(name for name in names if not name.startswith("tmp/"))

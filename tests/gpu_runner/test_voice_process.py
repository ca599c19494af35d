"""The voice server as the runner's child: the development voice under the real runner, and small programs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from contracts.environment import Environment
from gpu_runner import voice_process
from gpu_runner.voice_log import VoiceLog
from gpu_runner.voice_process import VoiceProcess, child_environment, licence_of, next_delay_seconds, size_of
from local.addresses import ROOT
from tests.emulators import free_port


def until(holds: Callable[[], bool], *, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


class Runner:
    """The runner under gunicorn, as the image starts it, with the development voice for F5-TTS."""

    def __init__(self, folder: Path, command: str | None) -> None:
        voice_port = free_port()
        self.url = f"http://127.0.0.1:{free_port()}"
        development_voice = f"env PYTHONPATH={ROOT} {sys.executable} -m local.voice_server --port {voice_port}"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'functions'}",
            "TMPDIR": str(folder),
            "GOOGLE_CLOUD_PROJECT": "demo-runner",
            "FIRESTORE_EMULATOR_HOST": "127.0.0.1:9",
            "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
            "MEDIA_BUCKET": "media",
            "RUNNER_URL": self.url,
            "TASKS_SERVICE_ACCOUNT": "tasks@example.com",
            "F5_TTS_URL": f"http://127.0.0.1:{voice_port}/",
            "VOICE_COMMAND": command or development_voice,
        }
        argv = [sys.executable, "-m", "gunicorn", "--workers", "1", "--threads", "4", "--graceful-timeout", "1"]
        argv += ["--no-control-socket", "--bind", self.url.removeprefix("http://"), "gpu_runner.server:create_app()"]
        self.process = subprocess.Popen(argv, cwd=folder, env=environment, start_new_session=True)

    def status_of(self, path: str) -> int | None:
        try:
            return requests.get(f"{self.url}{path}", timeout=10).status_code
        except requests.RequestException:
            return None

    def voice_check(self) -> dict[str, Any]:
        checks: dict[str, dict[str, Any]] = requests.get(f"{self.url}/health", timeout=60).json()["checks"]
        return checks["voiceServer"]

    def voice(self) -> psutil.Process:
        """The voice server's process, once there is one."""
        found: list[psutil.Process] = []

        def look() -> bool:
            family = psutil.Process(self.process.pid).children(recursive=True)
            found[:] = [process for process in family if "local.voice_server" in process.cmdline()]
            return bool(found)

        until(look)
        return found[0]

    def signal_all(self, number: signal.Signals) -> None:
        """The signal reaches gunicorn and its worker, which are a process group, and not the voice server."""
        os.killpg(self.process.pid, number)


@contextmanager
def running(folder: Path, command: str | None = None) -> Iterator[Runner]:
    runner = Runner(folder, command)
    try:
        yield runner
    finally:
        left = []
        if runner.process.poll() is None:
            left = psutil.Process(runner.process.pid).children(recursive=True)
            runner.signal_all(signal.SIGKILL)
        runner.process.wait()
        for process in left:
            if process.is_running():
                process.kill()


def test_the_runner_is_ready_when_its_voice_serves_and_again_after_the_voice_was_killed(tmp_path: Path) -> None:
    with running(tmp_path) as runner:
        until(lambda: runner.status_of("/live") == 200)
        assert runner.status_of("/ready") == 503
        until(lambda: runner.status_of("/ready") == 200)
        assert runner.voice_check() == {"status": "healthy", "restarts": 0}

        runner.voice().kill()

        until(lambda: runner.status_of("/ready") == 503)
        until(lambda: runner.status_of("/ready") == 200)
        assert runner.voice_check() == {"status": "healthy", "restarts": 1}
        assert len(list(tmp_path.glob("duologue-runner-*/voice-*"))) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"])
def test_no_voice_is_left_behind_by_a_runner_that_ends(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as runner:
        # One that still starts would end by itself, at the first line that nobody reads.
        until(lambda: runner.status_of("/ready") == 200)
        voice = runner.voice()

        runner.signal_all(number)

        assert runner.process.wait(timeout=20) == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        psutil.wait_procs([voice], timeout=10)
        assert not voice.is_running()


def test_a_runner_that_is_asked_to_end_ends_what_its_voice_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with running(tmp_path, f"sh -c 'sleep 1000 & echo $! > {pid_file}; wait'") as runner:
        grandchild = child_named_in(pid_file)

        runner.process.terminate()

        assert runner.process.wait(timeout=20) == 0
        assert has_ended(grandchild)


def child_named_in(pid_file: Path) -> psutil.Process:
    until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
    return psutil.Process(int(pid_file.read_text()))


def has_ended(process: psutil.Process) -> bool:
    """Whether it ends within some seconds; one whose parent has not asked for its exit code has ended, too."""
    psutil.wait_procs([process], timeout=5)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., VoiceProcess]]:
    """Starts a command in place of the voice server, with its folders in tmp_path."""
    processes = []

    def start(*argv: str) -> VoiceProcess:
        process = VoiceProcess(argv, environment=os.environ, parent_folder=tmp_path)
        processes.append(process)
        process.start()
        return process

    yield start
    for process in processes:
        process.stop()


def only_folder(parent: Path) -> Path:
    until(lambda: len(list(parent.glob("voice-*/gradio"))) == 1)
    return next(parent.glob("voice-*"))


def test_what_a_server_started_ends_with_it(started: Callable[..., VoiceProcess], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    process = started("sh", "-c", f"sleep 1000 & echo $! > {pid_file}; wait")
    grandchild = child_named_in(pid_file)

    process.stop()

    assert has_ended(grandchild)


def test_a_server_that_dies_early_is_waited_with_longer_each_time_up_to_a_bound() -> None:
    delays = [0.0]
    for _ in range(10):
        delays.append(next_delay_seconds(delays[-1]))

    assert delays == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_a_server_that_cannot_be_started_is_tried_again(
    started: Callable[..., VoiceProcess], capsys: pytest.CaptureFixture[str]
) -> None:
    process = started("/no/such/program")

    until(lambda: process.restarts >= 2)
    assert '"event": "voice_server_ended"' in capsys.readouterr().out


def test_a_server_whose_folder_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    parent = tmp_path / "later"
    process = VoiceProcess(["sleep", "1000"], environment=os.environ, parent_folder=parent)
    process.start()
    try:
        until(lambda: process.restarts >= 1)
        parent.mkdir()

        assert only_folder(parent).exists()
    finally:
        process.stop()


def test_a_server_that_does_no_work_any_more_can_be_had_anew(
    started: Callable[..., VoiceProcess], tmp_path: Path
) -> None:
    process = started("sleep", "1000")
    folder = only_folder(tmp_path)

    process.renew()

    until(lambda: not folder.exists() and only_folder(tmp_path) != folder)
    assert process.restarts == 1


def test_a_folder_is_measured_while_what_is_in_it_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "going").mkdir()
    (tmp_path / "staying").write_bytes(bytes(7))
    scan = os.scandir

    def scan_late(path: str) -> Any:
        if Path(path).name == "going":
            Path(path).rmdir()
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_late)

    assert size_of(tmp_path) == 7


def test_what_gradio_kept_goes_after_the_last_work_and_what_the_server_remembers_stays(
    started: Callable[..., VoiceProcess], tmp_path: Path
) -> None:
    process = started("sleep", "1000")
    folder = only_folder(tmp_path)
    kept = folder / "tmp1234.wav"
    kept.write_bytes(b"a reference that F5-TTS knows by its name")

    with process.of_work():
        with process.of_work():
            (folder / "gradio" / "upload").mkdir()
            (folder / "gradio" / "upload" / "audio.wav").write_bytes(b"sound")
        assert (folder / "gradio" / "upload").exists()

    assert list((folder / "gradio").iterdir()) == []
    assert kept.exists()
    assert process.restarts == 0


def test_a_server_whose_files_are_too_many_is_started_again_without_counting_as_a_failure(
    started: Callable[..., VoiceProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voice_process, "_LARGEST_FOLDER_BYTES", 10_000_000)
    process = started("sleep", "1000")
    folder = only_folder(tmp_path)

    with process.of_work():
        (folder / "tmp1234.wav").write_bytes(bytes(10_000_001))

    until(lambda: not folder.exists() and only_folder(tmp_path) != folder)
    assert process.restarts == 0


def test_the_server_gets_nothing_of_the_environment_but_what_it_needs() -> None:
    environment = {"PATH": "/bin", "LD_LIBRARY_PATH": "/driver", "HF_TOKEN": "t", "MEDIA_BUCKET": "m", "CUDA_X": "1"}

    child = child_environment(environment, Path("/scratch"))

    assert child == {
        "PATH": "/bin",
        "LD_LIBRARY_PATH": "/driver",
        "CUDA_X": "1",
        "TMPDIR": "/scratch",
        "GRADIO_TEMP_DIR": "/scratch/gradio",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }


# What F5-TTS prints for a line: utils_infer.preprocess_ref_audio_text and infer_process.
SPOKEN = ["ref_text   My secret recording. ", "gen_text 0 My secret line."]
FAILED = [
    "Traceback (most recent call last):",
    '  File "/opt/voice/lib/python3.11/site-packages/gradio/queueing.py", line 759, in process_events',
    "    response = await route_utils.call_process_api(",
    "ValueError: My secret line. is not a number",
]


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_keeps_a_server_from_starting_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    voice_log = VoiceLog()

    voice_log.take_output("model :  /models/hub/model.safetensors")
    voice_log.take_error("OSError: We could not find the file")

    told = lines_of(capsys)
    assert [line.get("text") for line in told if line["event"] == "voice_server_says"] == [
        "model :  /models/hub/model.safetensors",
        "OSError: We could not find the file",
    ]


def test_nothing_that_a_user_wrote_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    voice_log = VoiceLog()
    voice_log.keep_texts_out()

    for line in SPOKEN:
        voice_log.take_output(line)
    for line in [*FAILED, *SPOKEN]:
        voice_log.take_error(line)

    told = capsys.readouterr().out
    assert "secret" not in told
    assert [json.loads(line)["event"] for line in told.splitlines()] == ["voice_server_error"]


def test_an_exception_of_the_server_is_told_with_its_kind_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    voice_log = VoiceLog(texts_are_kept_out=True)

    for line in FAILED:
        voice_log.take_error(line)

    (told,) = lines_of(capsys)
    assert told["error"] == "ValueError"
    assert told["at"] == ["/opt/voice/lib/python3.11/site-packages/gradio/queueing.py:759 process_events"]


def test_texts_are_kept_out_from_the_first_work_on(
    started: Callable[..., VoiceProcess], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    go = tmp_path / "go"
    process = started("sh", "-c", f"echo starting; until [ -e {go} ]; do sleep 0.05; done; echo secret; exit 3")
    until(lambda: '"text": "starting"' in (seen := seen_so_far(capfd, tmp_path)) and bool(seen))

    with process.of_work():
        go.touch()
        until(lambda: process.restarts == 1)

    assert "secret" not in seen_so_far(capfd, tmp_path)


def seen_so_far(capfd: pytest.CaptureFixture[str], folder: Path) -> str:
    """All that was printed since the test began."""
    whole = folder / "printed.txt"
    with whole.open("a") as file:
        file.write(capfd.readouterr().out)
    return whole.read_text()


def test_the_voices_licence_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "licence"
    path.write_text("CC-BY-NC-4.0\nmore words\n")

    assert licence_of(Environment("demo-x", {"VOICE_LICENCE_FILE": str(path)})) == "CC-BY-NC-4.0"
    assert licence_of(Environment("demo-x", {})) == "unknown"


def test_the_machine_can_bind_a_process_to_its_parents_life() -> None:
    assert shutil.which("setpriv"), "setpriv comes with Debian's util-linux"

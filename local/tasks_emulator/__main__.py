"""`python -m local.tasks_emulator`: the emulator until SIGTERM or SIGINT."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from local.tasks_emulator.emulator import EmulatorSettings, ForbiddenProjectError, TasksEmulator
from local.tasks_emulator.queue_settings import QueueSettingsError
from local.tasks_emulator.task_store import StoreInUseError


def main() -> int:
    """0 after a stop by signal, 1 when the emulator cannot start; stderr then says why."""
    arguments = _parse_arguments()
    stop_asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop_asked.set())
    try:
        emulator = TasksEmulator(
            EmulatorSettings(
                grpc_port=arguments.grpc_port,
                http_port=arguments.http_port,
                state_folder=arguments.state,
                queue_file=arguments.queue_file,
                project=arguments.project,
                location=arguments.location,
            )
        )
    except (ForbiddenProjectError, QueueSettingsError, StoreInUseError, OSError) as error:
        print(f"The Cloud Tasks emulator cannot start: {error}", file=sys.stderr)
        return 1
    with emulator:
        stop_asked.wait()
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.tasks_emulator", description=__doc__)
    parser.add_argument("--grpc-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder for tasks and the signing key")
    parser.add_argument("--queue-file", type=Path, default=Path("terraform/queue.json"))
    parser.add_argument("--project", default="demo-duologue")
    parser.add_argument("--location", default="us-east4")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

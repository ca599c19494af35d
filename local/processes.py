"""The processes of the local cloud, found by the mark that all of them carry, and what they listen on."""

import contextlib
import http.client
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

# Every process of a local cloud carries these, and so do its children: that is how none is left behind, even when a
# child has left its session or its parent has died.
CLOUD_MARK = "DUOLOGUE_LOCAL_CLOUD"  # the repository root whose cloud this is
PART_MARK = "DUOLOGUE_LOCAL_PART"  # the part's name
SERVED_MARK = "DUOLOGUE_LOCAL_SERVED"  # the file that is there once the part has served


def marked_processes(root: Path, *, part: str | None = None) -> list[psutil.Process]:
    """Every live process of a local cloud of this repository, or of one part of it, the caller excepted."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            environment = process.environ()
            if environment.get(CLOUD_MARK) == str(root) and part in {None, environment.get(PART_MARK)}:
                found.append(process)
    return found


def orphans(root: Path, part: str, pid: int) -> list[psutil.Process]:
    """The part's processes that no longer descend from `pid`."""
    suspects = marked_processes(root, part=part)
    try:
        # Asked second, so that a process that begins meanwhile is among them.
        leader = psutil.Process(pid)
        family = {process.pid for process in leader.children(recursive=True)} | {pid}
    except psutil.Error:
        return []
    return [process for process in suspects if process.pid not in family]


def end_processes(processes: list[psutil.Process]) -> None:
    """None of the processes lives; they were not asked."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def end_leftovers(root: Path, *, saving_part: str, stop_timeout_seconds: float) -> int:
    """How many processes of a cloud whose supervisor is dead were ended.

    The one that leads `saving_part` is asked first, by SIGINT, and given time to save what it has in memory; unless it
    never served, since it would save what it had read so far in place of the whole.
    """
    left = marked_processes(root)
    for process in marked_processes(root, part=saving_part):
        with contextlib.suppress(psutil.Error, OSError):
            leads = os.getsid(process.pid) == process.pid and process.name().startswith("node")
            if leads and Path(process.environ().get(SERVED_MARK, "")).is_file():
                process.send_signal(signal.SIGINT)
                process.wait(stop_timeout_seconds)
    end_processes(marked_processes(root))
    return len(left)


def signal_family(pid: int, number: signal.Signals) -> None:
    """The signal reached the process, its session and all that descends from it, those too that lead a session."""
    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        family = []
    kill_group(pid, number)
    for process in family:
        with contextlib.suppress(psutil.Error):  # the group's signal may have ended it
            process.send_signal(number)


def kill_group(group: int, number: signal.Signals) -> None:
    """The signal reached every process of the group; a group that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def http_answers(url: str, *, accept: Callable[[int, bytes], bool], timeout_seconds: float = 5.0) -> bool:
    """Whether a GET is answered, and with a status and body that `accept` takes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        return accept(answer.status, answer.read(1_000_000))
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port_is_open(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def port_owner(port: int) -> str:
    """Who listens on the port, in words, as far as this user may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid is not None:
                command = " ".join(psutil.Process(connection.pid).cmdline())[:120]
                return f"process {connection.pid} ({command})"
    return "another program"

"""The local cloud as a whole: it serves, and it survives what its platform would survive."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import requests

from local.addresses import PROJECT_ID
from local.cloud import CloudBusyError, LocalCloud, take_lock


def eventually(claim: Callable[[], bool], *, seconds: float = 30) -> bool:
    """Whether the claim about other processes comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def documents_url(cloud: LocalCloud) -> str:
    return f"{cloud.ports.url('firestore')}/v1/projects/{PROJECT_ID}/databases/(default)/documents"


OWNER = {"Authorization": "Bearer owner"}  # the emulator's word for a caller whom the rules do not bind


def test_an_unknown_path_is_answered_by_a_function(cloud: LocalCloud) -> None:
    answer = requests.get(f"{cloud.base_url}/api/no-such-operation", timeout=60)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_running_cloud_keeps_a_second_one_away(cloud: LocalCloud) -> None:
    with pytest.raises(CloudBusyError):
        take_lock(cloud.root)


def test_tests_beside_a_running_cloud_end_at_once_and_say_so_once(cloud: LocalCloud) -> None:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "unknown_path or second_one",
    ]

    ended = subprocess.run(argv, cwd=cloud.root, capture_output=True, text=True, check=False, timeout=120)

    assert ended.returncode == 1
    assert ended.stdout.count("A local cloud is already running") == 1


def test_a_killed_runner_comes_back_by_itself(cloud: LocalCloud) -> None:
    starts = cloud.part_starts("gpu_runner")

    cloud.kill_part("gpu_runner", signal.SIGKILL)

    assert eventually(lambda: cloud.part_starts("gpu_runner") == starts + 1)
    cloud.wait_until_part_serves("gpu_runner")


def test_killed_functions_are_served_again_at_the_next_call(cloud: LocalCloud) -> None:
    requests.get(f"{cloud.base_url}/api/no-such-operation", timeout=60)

    cloud.kill_part("functions", signal.SIGKILL)

    assert eventually(
        lambda: requests.get(f"{cloud.base_url}/api/no-such-operation", timeout=60).status_code == 404, seconds=60
    )


def test_the_scheduled_functions_are_those_of_the_manifest_and_run(cloud: LocalCloud) -> None:
    health = requests.get(cloud.ports.url("scheduled") + "/healthz", timeout=60).json()

    results = {name: cloud.run_scheduled_function(name)[0] for name in health["functions"]}

    assert results
    assert set(results.values()) == {200}


def test_documents_survive_a_restart_of_the_suite(cloud: LocalCloud) -> None:
    url = documents_url(cloud) + "/notes/kept"
    requests.patch(
        url, json={"fields": {"text": {"stringValue": "kept"}}}, headers=OWNER, timeout=30
    ).raise_for_status()

    cloud.restart_part("firebase")

    answer = requests.get(url, headers=OWNER, timeout=30)
    assert answer.json()["fields"] == {"text": {"stringValue": "kept"}}


def test_clients_may_not_touch_the_database_themselves(cloud: LocalCloud) -> None:
    answer = requests.get(documents_url(cloud) + "/users/somebody", timeout=30)

    assert answer.status_code == 403


def test_an_object_survives_the_kill_of_the_storage(cloud: LocalCloud) -> None:
    bucket = cloud.env["MEDIA_BUCKET"]
    upload = f"{cloud.ports.url('storage')}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=notes/kept"
    requests.post(upload, data=b"kept", headers={"Content-Type": "text/plain"}, timeout=30).raise_for_status()

    cloud.kill_part("storage")
    cloud.restart_part("storage")

    assert requests.get(f"{cloud.ports.url('storage')}/{bucket}/notes/kept", timeout=30).content == b"kept"


def test_every_secret_that_a_function_declares_has_a_local_value(cloud: LocalCloud) -> None:
    import main

    declared = {secret for name in main.FUNCTIONS for secret in getattr(main, name).deployment.secrets}

    assert declared
    assert declared <= set(cloud.env)

"""What Cloud Tasks sends to a target, and who it says it is."""

import socket
from typing import Any

import pytest
import requests
from google.auth.transport.requests import Request
from google.cloud import tasks_v2
from google.oauth2 import id_token

from local.tasks_emulator.emulator import EmulatorSettings, TasksEmulator
from tests.local.tasks_emulator.emulated_cloud import ACCOUNT, QUEUE, Cloud, wait_until
from tests.local.tasks_emulator.http_target import HANG_UP, Received, Target

# What a target is sent.


def test_a_task_arrives_with_its_method_path_and_body(cloud: Cloud, target: Target) -> None:
    cloud.create(f"{target.url}/render?take=1 a", http_method=tasks_v2.HttpMethod.PUT, body=b"\x00{}")

    [request] = target.wait_for(1)
    assert (request.method, request.path, request.body) == ("PUT", "/render?take=1%20a", b"\x00{}")


def test_a_first_attempt_carries_cloud_tasks_headers(cloud: Cloud, target: Target) -> None:
    task = cloud.create(target.url, name="job-1")

    [request] = target.wait_for(1)
    expected = {
        "User-Agent": "Google-Cloud-Tasks",
        "Content-Type": "application/octet-stream",
        "X-CloudTasks-QueueName": "video-jobs",
        "X-CloudTasks-TaskName": "job-1",
        "X-CloudTasks-TaskRetryCount": "0",
        "X-CloudTasks-TaskExecutionCount": "0",
        "X-CloudTasks-TaskETA": f"{task.schedule_time.timestamp():.6f}",
    }
    named = {name: value for name, value in request.headers.items() if name in expected or "CloudTasks" in name}
    assert named == expected


def test_a_tasks_own_headers_are_kept_except_those_the_service_owns(cloud: Cloud, target: Target) -> None:
    headers = {
        "Content-Type": "application/json",
        "X-Trace": "t",
        "X-CloudTasks-TaskRetryCount": "9",
        "User-Agent": "x",
    }
    cloud.create(target.url, headers=headers)

    [request] = target.wait_for(1)
    seen = [request.headers[name] for name in headers]
    assert seen == ["application/json", "t", "0", "Google-Cloud-Tasks"]


@pytest.mark.parametrize(
    ("status", "execution_count", "reason"),
    [(404, "1", "NOT_FOUND(5): HTTP status code 404"), (503, "0", "UNAVAILABLE(14): HTTP status code 503")],
)
def test_a_retry_tells_why_and_counts_only_answers_other_than_5xx_as_executions(
    cloud: Cloud, target: Target, status: int, execution_count: str, reason: str
) -> None:
    target.statuses = [status]
    cloud.create(target.url)

    headers = target.wait_for(2)[1].headers
    seen = {name.removeprefix("X-CloudTasks-Task"): value for name, value in headers.items()}
    assert seen["RetryCount"] == "1"
    assert seen["ExecutionCount"] == execution_count
    assert seen["PreviousResponse"] == str(status)
    assert seen["RetryReason"] == reason


def test_a_target_that_hangs_up_is_retried_without_counting_an_execution(cloud: Cloud, target: Target) -> None:
    target.statuses = [HANG_UP]
    cloud.create(target.url)

    headers = target.wait_for(2)[1].headers
    assert headers["X-CloudTasks-TaskRetryCount"] == "1"
    assert headers["X-CloudTasks-TaskExecutionCount"] == "0"
    assert "X-CloudTasks-TaskPreviousResponse" not in headers


def test_a_refused_connection_is_retried(cloud: Cloud) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        cloud.create(f"http://127.0.0.1:{closed.getsockname()[1]}/", name="job-1")

        wait_until(lambda: cloud.client.get_task(name=f"{QUEUE}/tasks/job-1").dispatch_count >= 2)

    assert cloud.client.get_task(name=f"{QUEUE}/tasks/job-1").response_count == 0


def test_a_redirect_is_not_followed(cloud: Cloud, target: Target) -> None:
    target.statuses = [302]
    cloud.create(f"{target.url}/render")

    paths = [request.path for request in target.wait_for(2)]
    assert paths == ["/render", "/render"]


# Identity.


def verify(cloud: Cloud, request: Received, audience: str) -> Any:
    certs_url = f"http://127.0.0.1:{cloud.emulator.http_port}/certs"
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return id_token.verify_token(token, Request(), audience=audience, certs_url=certs_url)


def test_googles_library_verifies_the_oidc_token(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, oidc_token=tasks_v2.OidcToken(service_account_email=ACCOUNT, audience="https://runner"))

    claims = verify(cloud, target.wait_for(1)[0], "https://runner")
    assert (claims["iss"], claims["email"], claims["email_verified"]) == ("https://accounts.google.com", ACCOUNT, True)
    assert claims["exp"] - claims["iat"] == 3600


def test_the_oidc_audience_is_the_url_where_none_is_given(cloud: Cloud, target: Target) -> None:
    cloud.create(f"{target.url}/render?a=b", oidc_token=tasks_v2.OidcToken(service_account_email=ACCOUNT))

    claims = verify(cloud, target.wait_for(1)[0], f"{target.url}/render?a=b")
    assert claims["aud"] == f"{target.url}/render?a=b"


def test_googles_library_refuses_the_token_for_another_audience(cloud: Cloud, target: Target) -> None:
    cloud.create(target.url, oidc_token=tasks_v2.OidcToken(service_account_email=ACCOUNT, audience="https://runner"))
    [request] = target.wait_for(1)

    with pytest.raises(Exception, match="audience"):
        verify(cloud, request, "https://other")


def test_the_signing_key_is_kept_over_a_restart(settings: EmulatorSettings) -> None:
    certs = []
    for _ in range(2):
        with TasksEmulator(settings) as emulator:
            certs.append(requests.get(f"http://127.0.0.1:{emulator.http_port}/certs", timeout=5).json())

    assert certs[0] == certs[1]


@pytest.mark.usefixtures("cloud")
def test_the_signing_key_is_readable_by_its_owner_only(settings: EmulatorSettings) -> None:
    assert (settings.state_folder / "oidc_signing.pem").stat().st_mode & 0o777 == 0o600

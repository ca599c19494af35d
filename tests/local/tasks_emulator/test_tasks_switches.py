"""Faults that a test turns on, and what the Cloud Tasks emulator shows of itself."""

import json
import time
from datetime import timedelta

import pytest
from google.cloud import tasks_v2

from tests.local.tasks_emulator.emulated_cloud import ACCOUNT, Cloud, wait_until
from tests.local.tasks_emulator.http_target import Target

# Switches.


def test_with_deliver_twice_a_task_arrives_twice_and_is_finished(cloud: Cloud, target: Target) -> None:
    cloud.switch(deliverTwice=True)
    cloud.create(target.url, name="job-1")

    first, second = target.wait_for(2)
    cloud.wait_until_empty()

    assert first.headers["X-CloudTasks-TaskName"] == second.headers["X-CloudTasks-TaskName"]
    assert [entry["duplicate"] for entry in cloud.read("/log")["dispatches"]] == [False, True]


def test_with_a_delay_a_task_arrives_that_much_later(cloud: Cloud, target: Target) -> None:
    cloud.switch(delaySeconds=0.4)
    sent_at = time.monotonic()
    cloud.create(target.url)

    assert target.wait_for(1)[0].at - sent_at > 0.39


def test_lifting_the_delay_sends_what_it_held_back(cloud: Cloud, target: Target) -> None:
    cloud.switch(delaySeconds=60)
    cloud.create(target.url)

    cloud.switch(delaySeconds=0)

    assert len(target.wait_for(1)) == 1


def test_a_dropped_response_makes_a_retry_until_the_count_is_used_up(cloud: Cloud, target: Target) -> None:
    cloud.switch(dropResponses=2)
    cloud.create(target.url)

    last = target.wait_for(3)[2]
    cloud.wait_until_empty()

    assert last.headers["X-CloudTasks-TaskExecutionCount"] == "0"
    assert len(target.received) == 3
    assert cloud.read("/switches")["dropResponses"] == 0


def test_a_switch_leaves_the_others_as_they_are(cloud: Cloud) -> None:
    cloud.switch(deliverTwice=True)

    answer = cloud.switch(delaySeconds=1.5)

    assert answer.json() == {"deliverTwice": True, "delaySeconds": 1.5, "dropResponses": 0}


@pytest.mark.parametrize(
    "body", [{"deliver": True}, {"dropResponses": -1}, {"deliverTwice": 1}, {"delaySeconds": None}]
)
def test_an_unknown_switch_is_refused(cloud: Cloud, body: dict[str, object]) -> None:
    assert cloud.switch(**body).status_code == 400


# What it shows.


def test_a_retried_task_is_shown_with_its_attempts_and_last_status(cloud: Cloud, target: Target) -> None:
    target.statuses = [409]
    cloud.create(
        target.url,
        name="job-1",
        retry_config=tasks_v2.RetryConfig(min_backoff=timedelta(60), max_backoff=timedelta(60)),
    )
    wait_until(lambda: cloud.read("/tasks")["tasks"][0]["lastHttpStatus"] is not None)

    [task] = cloud.read("/tasks")["tasks"]
    shown = {key: task[key] for key in ("task", "attempts", "responses", "dispatching", "lastHttpStatus", "lastResult")}
    assert shown == {
        "task": "job-1",
        "attempts": 1,
        "responses": 1,
        "dispatching": False,
        "lastHttpStatus": 409,
        "lastResult": "ABORTED(10): HTTP status code 409",
    }


def test_it_reports_its_health(cloud: Cloud) -> None:
    assert cloud.read("/healthz") == {"status": "ok"}


def test_its_log_lines_name_events_and_neither_body_nor_token(
    cloud: Cloud, target: Target, capfd: pytest.CaptureFixture[str]
) -> None:
    target.statuses = [500]
    token = tasks_v2.OidcToken(service_account_email=ACCOUNT)
    cloud.create(f"{target.url}/?key=in-the-url", name="job-1", body=b"the dialogue", oidc_token=token)
    target.wait_for(2)
    cloud.wait_until_empty()

    printed = capfd.readouterr().out
    events = [line["event"] for line in map(json.loads, printed.splitlines()) if line.get("task") == "job-1"]
    assert events == ["task_created", "task_dispatched", "task_retried", "task_dispatched", "task_finished"]
    secrets = ["the dialogue", "in-the-url", "Bearer", "eyJ", ACCOUNT]
    assert [secret for secret in secrets if secret in printed] == []

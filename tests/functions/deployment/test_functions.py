"""Every deployed function, as the Firebase CLI hands it to Google, against what else is written about it."""

import json
from typing import Any

import pytest

import main
from gcp.deployment import REGION
from local.addresses import ROOT
from routes import NOT_FOUND_FUNCTION, ROUTES, Route, route_of, siblings
from tests.functions.deployment.conftest import GATEWAY, HOSTING, Deployment, Functions

HTTP = {route.function for route in ROUTES} | {NOT_FOUND_FUNCTION}


@pytest.fixture
def functions(deployment: Deployment, project: str) -> Functions:
    """A project's functions."""
    return deployment.functions[project]


def with_trigger(functions: Functions, trigger: str) -> Functions:
    return {name: each for name, each in functions.items() if trigger in each["endpoint"]}


@pytest.mark.attacks
def test_every_function_of_main_is_deployed_and_nothing_else(functions: Functions) -> None:
    assert sorted(functions) == sorted(main.FUNCTIONS)


def test_what_answers_http_is_the_route_table_and_the_answer_to_other_paths(functions: Functions) -> None:
    assert with_trigger(functions, "httpsTrigger").keys() == HTTP


@pytest.mark.attacks
def test_behind_hosting_everybody_may_call_what_answers_http_and_nothing_else(deployment: Deployment) -> None:
    functions = deployment.functions[HOSTING]

    assert {name for name, each in functions.items() if each["callers"] == ["allUsers"]} == HTTP
    assert [name for name in functions.keys() - HTTP if functions[name]["callers"] is not None] == []


@pytest.mark.attacks
def test_behind_a_gateway_only_the_gateway_may_call_what_answers_http(deployment: Deployment) -> None:
    functions = with_trigger(deployment.functions[GATEWAY], "httpsTrigger")

    gateway = f"serviceAccount:gateway@{GATEWAY}.iam.gserviceaccount.com"
    assert [name for name, each in functions.items() if each["callers"] != [gateway]] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.function)
def test_a_function_is_deployed_as_its_route_says(deployment: Deployment, route: Route) -> None:
    config = deployment.functions[HOSTING][route.function]["function"]["serviceConfig"]
    # The one that Hosting calls for a path also does its siblings' work.
    served = siblings(route) if siblings(route)[0] == route else (route,)

    assert config["availableMemory"] == f"{max(int(each.memory) for each in served)}Mi"
    assert config["timeoutSeconds"] == max(each.timeout_seconds for each in served)
    assert config["maxInstanceRequestConcurrency"] == min(each.concurrency for each in served)
    assert {each["secret"] for each in config["secretEnvironmentVariables"]} == {
        secret for each in served for secret in each.secrets
    }
    account = f"api-{route.entity}@{HOSTING}.iam.gserviceaccount.com"
    assert config["serviceAccountEmail"] == account


def test_code_gives_every_function_its_region_memory_cpu_concurrency_and_timeout(functions: Functions) -> None:
    wanted = ("availableMemoryMb", "cpu", "concurrency", "maxInstances", "timeoutSeconds", "serviceAccount")
    lacking = [
        f"{name}: {option}" for name, each in functions.items() for option in wanted if not each["endpoint"].get(option)
    ]

    assert lacking == []
    assert {each["endpoint"]["region"] for each in functions.values()} == {REGION}


def test_more_than_one_request_at_a_time_is_worked_on_with_a_whole_cpu(functions: Functions) -> None:
    short = [
        name for name, each in functions.items() if each["endpoint"]["concurrency"] > 1 and each["endpoint"]["cpu"] < 1
    ]

    assert short == []


def test_functions_that_wait_take_no_whole_cpu(functions: Functions) -> None:
    scheduled = [each["endpoint"] for each in with_trigger(functions, "scheduleTrigger").values()]

    assert {(each["cpu"], each["concurrency"]) for each in scheduled} == {(0.3333, 1)}


def test_every_event_is_delivered_again_after_a_failure(functions: Functions) -> None:
    triggers = with_trigger(functions, "eventTrigger")

    assert len(triggers) >= 10
    assert {each["function"]["eventTrigger"]["retryPolicy"] for each in triggers.values()} == {"RETRY_POLICY_RETRY"}


def test_what_the_clock_calls_runs_again_at_its_next_time_and_not_before(functions: Functions) -> None:
    jobs = {name: each["job"] for name, each in with_trigger(functions, "scheduleTrigger").items()}

    assert {name: job["schedule"] for name, job in jobs.items()} == {
        "repair_video_jobs": "* * * * *",
        "watch_identities": "* * * * *",
        "finish_deletions": "*/10 * * * *",
        "audit_ledgers": "30 3 * * *",
        "sweep_media": "30 4 * * *",
    }
    assert [name for name, job in jobs.items() if "retryConfig" in job] == []


def test_the_clock_and_the_events_call_as_the_triggers_own_account(functions: Functions, project: str) -> None:
    account = f"triggers@{project}.iam.gserviceaccount.com"
    not_http = {name: each for name, each in functions.items() if name not in HTTP}

    assert {each["function"]["serviceConfig"]["serviceAccountEmail"] for each in not_http.values()} == {account}
    jobs = [each["job"] for each in not_http.values() if each["job"]]
    assert {job["httpTarget"]["oidcToken"]["serviceAccountEmail"] for job in jobs} == {account}
    events = [each["function"]["eventTrigger"] for each in with_trigger(not_http, "eventTrigger").values()]
    assert {event["serviceAccountEmail"] for event in events} == {account}


def test_storage_events_come_from_the_projects_own_bucket(functions: Functions, project: str) -> None:
    filters = [
        (each["attribute"], each["value"])
        for function in with_trigger(functions, "eventTrigger").values()
        for each in function["function"]["eventTrigger"]["eventFilters"]
        if "storage" in function["function"]["eventTrigger"]["eventType"]
    ]

    assert set(filters) == {("bucket", f"{project}.firebasestorage.app")}


def test_hosting_rewrites_to_functions_that_exist_where_they_run(
    deployment: Deployment, firebase_json: dict[str, Any]
) -> None:
    rewritten = [rewrite["function"] for rewrite in firebase_json["hosting"]["rewrites"]]
    deployed = deployment.functions[HOSTING]

    assert {each["region"] for each in rewritten} == {REGION}
    assert {each["functionId"] for each in rewritten} <= with_trigger(deployed, "httpsTrigger").keys()
    assert len(rewritten) == len({route.path for route in ROUTES}) + 1


@pytest.mark.attacks
def test_the_api_document_describes_exactly_the_functions_that_answer_http(functions: Functions) -> None:
    document = json.loads((ROOT / "docs/site/api/openapi.json").read_text())
    described = {
        operation["operationId"]: (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert described.keys() | {NOT_FOUND_FUNCTION} == with_trigger(functions, "httpsTrigger").keys()
    assert described == {name: (route_of(name).method, route_of(name).path) for name in described}

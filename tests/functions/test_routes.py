"""The route table against everything that is made from it."""

import inspect
from pathlib import Path

import pytest

import main
from local.addresses import ROOT
from local.routes import expected_files, hosting_rewrites
from routes import NOT_FOUND_FUNCTION, ROUTES, Memory, route_of, siblings


@pytest.mark.attacks
@pytest.mark.parametrize("path", list(expected_files()), ids=lambda path: path.name)
def test_generated_files_are_as_the_table_says(path: Path) -> None:
    assert path.read_text() == expected_files()[path], "run make routes"


@pytest.mark.attacks
def test_every_http_function_has_exactly_one_route() -> None:
    http = [
        name
        for name, function in inspect.getmembers(main, inspect.isfunction)
        if getattr(getattr(function, "__firebase_endpoint__", None), "httpsTrigger", None) is not None
    ]

    assert sorted(http) == sorted([route.function for route in ROUTES] + [NOT_FOUND_FUNCTION])


def test_every_exported_function_is_imported_by_main() -> None:
    deployed = {name for name in vars(main) if hasattr(getattr(main, name), "__firebase_endpoint__")}

    assert deployed == set(main.__all__)


def test_names_stay_distinct_as_cloud_run_services() -> None:
    services = [name.lower().replace("_", "-") for name in main.__all__]

    assert len(set(services)) == len(services)


def test_every_path_is_rewritten_once_and_the_rest_last() -> None:
    sources = [rewrite["source"] for rewrite in hosting_rewrites()]

    assert len(sources) == len(set(sources)) == len({route.path for route in ROUTES}) + 1
    assert sources[-1] == "/api/**"
    assert sources.index("/api/characters/complete") < sources.index("/api/characters/*")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.function)
def test_the_named_function_of_a_path_can_do_what_its_siblings_can(route: object) -> None:
    served = siblings(route_of(route.function))  # type: ignore[attr-defined]  # parametrised over Route
    named = getattr(main, served[0].function).__firebase_endpoint__

    assert {secret["key"] for secret in named.secretEnvironmentVariables} == {
        secret for each in served for secret in each.secrets
    }
    assert named.availableMemoryMb == max(int(each.memory) for each in served)
    assert named.timeoutSeconds == max(each.timeout_seconds for each in served)
    assert named.concurrency == min(each.concurrency for each in served)


def test_functions_of_one_path_share_a_service_account() -> None:
    accounts = {
        (route.path, getattr(main, route.function).__firebase_endpoint__.serviceAccountEmail) for route in ROUTES
    }

    assert len(accounts) == len({route.path for route in ROUTES})


def test_three_memory_classes_are_in_use() -> None:
    assert {route.memory for route in ROUTES} == set(Memory)


def test_no_more_requests_are_sent_to_an_instance_than_its_server_has_threads() -> None:
    variables = dict(
        line.split("=", 1)
        for line in (ROOT / "functions" / ".env").read_text().splitlines()
        if line and not line.startswith("#")
    )

    most = max(getattr(main, name).__firebase_endpoint__.concurrency or 1 for name in main.__all__)

    assert most <= int(variables["THREADS"])

"""The route table against everything that is made from it."""

import importlib
from pathlib import Path

import pytest

import main
from gcp.deployment import CalledBy, Deployment
from local.addresses import ROOT
from local.routes import expected_files, hosting_rewrites
from routes import NOT_FOUND_FUNCTION, ROUTES, Memory, route_of, siblings

FUNCTIONS = ROOT / "functions"
MODULES = [
    path.relative_to(FUNCTIONS).with_suffix("").as_posix().replace("/", ".")
    for path in FUNCTIONS.glob("*/*.py")
    if path.stem != "__init__"
]


@pytest.mark.attacks
@pytest.mark.parametrize("path", list(expected_files()), ids=lambda path: path.name)
def test_generated_files_are_as_the_table_says(path: Path) -> None:
    assert path.read_text() == expected_files()[path], "run make routes"


@pytest.mark.attacks
def test_every_http_function_has_exactly_one_route() -> None:
    http = [name for name in main.FUNCTIONS if getattr(main, name).deployment.called_by is CalledBy.HTTPS]

    assert sorted(http) == sorted([route.function for route in ROUTES] + [NOT_FOUND_FUNCTION])


def test_every_function_that_has_a_deployment_is_in_the_table_of_contents() -> None:
    deployed = {
        f"{module}.{name}"
        for module in MODULES
        for name, each in vars(importlib.import_module(module)).items()
        if isinstance(getattr(each, "deployment", None), Deployment) and each.__name__ == name
    }

    assert deployed == {f"{module}.{name}" for name, module in main.FUNCTIONS.items()}


def test_names_stay_distinct_as_cloud_run_services() -> None:
    services = [name.lower().replace("_", "-") for name in main.FUNCTIONS]

    assert len(set(services)) == len(services)


def test_every_path_is_rewritten_once_and_the_rest_last() -> None:
    sources = [rewrite["source"] for rewrite in hosting_rewrites()]

    assert len(sources) == len(set(sources)) == len({route.path for route in ROUTES}) + 1
    assert sources[-1] == "/api/**"
    assert sources.index("/api/characters/complete") < sources.index("/api/characters/*")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.function)
def test_the_named_function_of_a_path_can_do_what_its_siblings_can(route: object) -> None:
    served = siblings(route_of(route.function))  # type: ignore[attr-defined]  # parametrised over Route
    named = getattr(main, served[0].function).deployment

    assert set(named.secrets) == {secret for each in served for secret in each.secrets}
    assert named.memory_mib == max(int(each.memory) for each in served)
    assert named.timeout_seconds == max(each.timeout_seconds for each in served)
    assert named.concurrency == min(each.concurrency for each in served)


def test_functions_of_one_path_share_a_service_account() -> None:
    accounts = {(route.path, getattr(main, route.function).deployment.account) for route in ROUTES}

    assert len(accounts) == len({route.path for route in ROUTES})


def test_three_memory_classes_are_in_use() -> None:
    assert {route.memory for route in ROUTES} == set(Memory)


def test_no_more_requests_are_sent_to_an_instance_than_its_server_has_threads() -> None:
    variables = dict(
        line.split("=", 1)
        for line in (ROOT / "functions" / ".env").read_text().splitlines()
        if line and not line.startswith("#")
    )

    most = max(getattr(main, name).deployment.concurrency for name in main.FUNCTIONS)

    assert most <= int(variables["THREADS"])

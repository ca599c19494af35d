"""The accounts that functions run as: identities.json, which terraform's own tests hold against the plan."""

import json
import re
from pathlib import Path

import pytest

from gcp.deployment import REGION
from routes import NOT_FOUND_FUNCTION, ROUTES
from tests.terraform.offline import FOLDER

GRANTS: dict[str, list[str]] = json.loads((Path(__file__).with_name("identities.json")).read_text())["always"]
ENTITIES = sorted({route.entity for route in ROUTES})
SOURCES = {path.name: path.read_text() for path in FOLDER.glob("*.tf")}

# Nobody else than who is named in identities.tf, nothing that ends another's grant, no key that never ends.
FORBIDDEN = r"allUsers|allAuthenticatedUsers|invoker_iam_disabled|_iam_binding|_iam_policy|google_service_account_key"
# What would put a secret's value into the state.
SECRET_VALUES = r"google_secret_manager_secret_version|secret_data|google_firebase_web_app_config|google_apikeys_key"


def secrets_of(account: str) -> set[str]:
    given = "roles/secretmanager.secretAccessor on "
    return {grant.removeprefix(given) for grant in GRANTS[account] if grant.startswith(given)}


@pytest.mark.parametrize("entity", ENTITIES)
def test_an_entitys_account_reads_the_secrets_of_its_routes_and_no_others(entity: str) -> None:
    needed = {secret for route in ROUTES if route.entity == entity for secret in route.secrets}

    assert secrets_of(f"api-{entity}") == needed


def test_there_is_an_account_for_every_entity_and_no_other() -> None:
    accounts = {name for name in GRANTS if name.startswith("api-")}

    assert accounts == {f"api-{entity}" for entity in ENTITIES} | {f"api-{NOT_FOUND_FUNCTION.replace('_', '-')}"}


def test_the_account_of_unknown_paths_may_do_nothing() -> None:
    assert GRANTS["api-not-found"] == []


def test_only_the_triggers_and_the_runner_may_remove_media() -> None:
    removers = {
        name
        for name, grants in GRANTS.items()
        if any("mediaRemover" in each or "objectUser" in each for each in grants)
    }

    assert removers == {"triggers", "gpu-runner"}


def test_only_the_queues_account_may_call_the_runner_itself() -> None:
    callers = {name for name, grants in GRANTS.items() if "roles/run.invoker on gpu-runner" in grants}

    assert callers == {"tasks-invoker"}


def test_every_secret_of_a_route_has_a_container() -> None:
    source = SOURCES["secrets.tf"]
    made = re.search(r"^  secrets = toset\(\[(.*?)\]\)", source, re.MULTILINE)

    assert 'resource "google_secret_manager_secret" "secrets" {\n  for_each = local.secrets\n' in source
    assert made
    assert set(re.findall(r'"(\w+)"', made[1])) == {secret for route in ROUTES for secret in route.secrets}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_nothing_is_open_to_everybody(name: str) -> None:
    assert re.findall(FORBIDDEN, SOURCES[name]) == []


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_value_of_a_secret_comes_into_the_state(name: str) -> None:
    assert re.findall(SECRET_VALUES, SOURCES[name]) == []


def test_every_grant_is_in_the_table_of_outputs() -> None:
    made = re.findall(r'resource "(google_\w+_iam_member)" "(\w+)"', "\n".join(SOURCES.values()))

    assert [f"{kind}.{name}" for kind, name in made if f"{kind}.{name}" not in SOURCES["outputs.tf"]] == []


def test_the_region_is_the_functions() -> None:
    assert re.search(rf'variable "region" {{[^}}]*default\s*= "{REGION}"', SOURCES["variables.tf"])

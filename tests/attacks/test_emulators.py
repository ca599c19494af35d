"""A variable that leads to an emulator, and so past what Google checks, ends a process of a real project."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import firebase_admin
import google.cloud.firestore
import google.cloud.storage
import google.cloud.tasks_v2
import jwt
import openai
import pytest

from contracts.environment import _EMULATOR_VARIABLES, ConfigurationError, checked_project_id
from gcp import clients
from gcp.settings import read_settings, settings
from gpu_runner import server
from local.addresses import ROOT
from routes import ROUTES, Access, Route
from tests.attacks.conftest import Ask, Canary

pytestmark = pytest.mark.attacks

REAL_PROJECT = "duologue-prod"
# What a deployment has besides, so that nothing else is missing.
DEPLOYED = {
    "GOOGLE_CLOUD_PROJECT": REAL_PROJECT,
    "MEDIA_BUCKET": "media",
    "JWT_SECRET": "s" * 40,
    "ADDRESS_HASH_KEY": "a" * 40,
    "WEB_API_KEY": "key",
    "OPENAI_API_KEY": "key",
    "RUNNER_URL": "https://runner.example",
    "TASKS_SERVICE_ACCOUNT": "tasks@duologue-prod.iam.gserviceaccount.com",
}
CLIENTS = (clients.firestore, clients.media_bucket, clients.tasks, clients.firebase_app, clients.openai)


@pytest.fixture
def real_project(product: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The environment of a deployment, with no emulator."""
    clients.firestore()  # the test's own, which the fixture before closes
    for name in (*_EMULATOR_VARIABLES, "GCLOUD_PROJECT", "FIREBASE_CONFIG"):
        product.delenv(name, raising=False)
    for name, value in DEPLOYED.items():
        product.setenv(name, value)
    settings.cache_clear()
    yield product
    settings.cache_clear()


def unsigned_id_token() -> str:
    """What Firebase's own library takes for good while the Auth emulator's variable is set, wherever that leads."""
    claims = {
        "iss": f"https://securetoken.google.com/{REAL_PROJECT}",
        "aud": REAL_PROJECT,
        "sub": "ann",
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
        "auth_time": 1_700_000_000,
        "firebase": {"sign_in_provider": "password"},
    }
    return jwt.encode(claims, "", algorithm="none")


KNOWS_ITS_CALLER = [route for route in ROUTES if route.access is Access.USER and "{" not in route.path]


@pytest.mark.parametrize("name", _EMULATOR_VARIABLES)
@pytest.mark.parametrize("route", KNOWS_ITS_CALLER, ids=lambda route: route.function)
def test_an_operation_of_a_real_project_does_nothing_while_an_emulator_is_named(
    ask: Ask, real_project: pytest.MonkeyPatch, canary: Canary, name: str, route: Route
) -> None:
    real_project.setenv(name, canary.url if name.endswith("URL") else canary.host)
    settings.cache_clear()

    response = ask(route.method, route.path, headers={"Authorization": f"Bearer {unsigned_id_token()}"})

    assert response.status_code == 500
    assert name not in response.get_data(as_text=True)


@pytest.mark.parametrize("name", _EMULATOR_VARIABLES)
@pytest.mark.parametrize("make_client", CLIENTS, ids=lambda each: each.__name__)
def test_no_client_of_a_real_project_is_made_while_an_emulator_is_named(
    real_project: pytest.MonkeyPatch, canary: Canary, name: str, make_client: Any
) -> None:
    real_project.setenv(name, canary.host)
    settings.cache_clear()

    with pytest.raises(ConfigurationError, match=name):
        make_client.__wrapped__()


@pytest.mark.parametrize("name", _EMULATOR_VARIABLES)
def test_the_runner_of_a_real_project_does_not_start_while_an_emulator_is_named(
    real_project: pytest.MonkeyPatch, canary: Canary, name: str
) -> None:
    real_project.setenv(name, canary.host)

    with pytest.raises(ConfigurationError, match=name):
        server.create_app()


@pytest.mark.parametrize(
    "project", ["duologue-demo-", "Demo-duologue", "demo", "demo_x", " demo-x", "xdemo-x", "DEMO-x"]
)
def test_only_a_project_whose_name_begins_so_is_a_demo(project: str) -> None:
    with pytest.raises(ConfigurationError, match="FIREBASE_AUTH_EMULATOR_HOST"):
        checked_project_id({"GOOGLE_CLOUD_PROJECT": project, "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"})


@pytest.mark.parametrize(
    "variables",
    [
        {"GCLOUD_PROJECT": REAL_PROJECT},
        {"FIREBASE_CONFIG": f'{{"projectId": "{REAL_PROJECT}"}}'},
        {"GOOGLE_CLOUD_PROJECT": "", "GCLOUD_PROJECT": REAL_PROJECT},
        {"GOOGLE_CLOUD_PROJECT": REAL_PROJECT, "GCLOUD_PROJECT": "demo-x"},
    ],
    ids=["GCLOUD_PROJECT", "FIREBASE_CONFIG", "an empty one", "both"],
)
@pytest.mark.parametrize("name", _EMULATOR_VARIABLES)
def test_however_a_real_project_is_named(variables: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings(variables | {name: "127.0.0.1:1"})


def sources_of(package: ModuleType) -> Iterator[Path]:
    for folder in package.__path__:
        yield from Path(folder).rglob("*.py")


# Of services that we do not use, so that there is no client to be led away: named here to be looked at when one is.
UNUSED = {"FIREBASE_DATABASE_EMULATOR_HOST", "FIREBASE_EMULATOR_HUB"}
LIBRARIES = (firebase_admin, google.cloud.firestore, google.cloud.storage, google.cloud.tasks_v2, openai)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda each: each.__name__)
def test_every_emulators_variable_that_a_library_reads_is_refused(library: ModuleType) -> None:
    pattern = re.compile(r"\b[A-Z_]*EMULATOR_H(?:OST|UB)\b|\bOPENAI_BASE_URL\b")
    read = {found for path in sources_of(library) for found in pattern.findall(path.read_text())}
    # Constants that hold such a name.
    read = {name.lstrip("_") for name in read if not name.startswith("_")}

    assert read <= {*_EMULATOR_VARIABLES, *UNUSED, "EMULATOR_HOST"}


def test_every_emulators_variable_that_we_read_is_refused() -> None:
    pattern = re.compile(r'"([A-Z_]*EMULATOR[A-Z_]*|OIDC_CERTS_URL|OPENAI_BASE_URL)"')
    sources = [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "gpu_runner").glob("*.py")]

    read = {name for path in sources for name in pattern.findall(path.read_text())}

    assert read == set(_EMULATOR_VARIABLES)

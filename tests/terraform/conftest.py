"""Terraform against the schemas of two releases of the providers; every test that asks for it is one of `deploy`."""

from collections.abc import Iterator

import pytest

from tests.terraform.offline import PROVIDER_VERSIONS, PYTHON, Terraform, offline_terraform


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "terraform" in getattr(item, "fixturenames", ()):
            item.add_marker("deploy")


@pytest.fixture(scope="session", params=PROVIDER_VERSIONS, ids=lambda version: f"providers {version}")
def terraform(request: pytest.FixtureRequest) -> Iterator[Terraform]:
    """A terraform that runs offline. Fails the test where its parts are missing."""
    if not PYTHON.exists():
        pytest.fail("There is no .venv-deploy: `make deploy-check` makes it.")
    with offline_terraform(request.param) as terraform:
        yield terraform

"""The whole local cloud for the tests that ask for it: started once, on fresh data."""

from collections.abc import Iterator

import pytest

from local.cloud import CloudBusyError, LocalCloud
from local.parts import CloudError

# The Firestore and storage emulators by themselves.
pytest_plugins = ["tests.emulators"]


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cloud" in getattr(item, "fixturenames", ()):
            item.add_marker("cloud")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running cloud with no data, on the fixed ports. Fails the test, with the reason, where none can be started.

    Ends the session where another one runs: every test that needs one would fail for the same reason.
    """
    folder = tmp_path_factory.mktemp("cloud")
    cloud = LocalCloud(folder / "state", logs_dir=folder / "logs")
    try:
        cloud.start()
    except CloudBusyError as error:
        pytest.exit(f"The tests need a local cloud of their own. {error}", returncode=1)
    except CloudError as error:
        pytest.fail(f"The tests need a local cloud of their own. {error}", pytrace=False)
    yield cloud
    cloud.stop()

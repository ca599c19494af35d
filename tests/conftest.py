"""The whole local cloud for the tests that ask for it: started once, on fresh data."""

from collections.abc import Iterator

import pytest

from local.cloud import CloudBusyError, LocalCloud
from local.parts import CloudError
from tests.product_logs import ProductLogs

# The Firestore and storage emulators by themselves.
pytest_plugins = ["tests.emulators"]


_product_logs = ProductLogs()
_product_logs.listen()


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cloud" in getattr(item, "fixturenames", ()):
            item.add_marker("cloud")
    # Last, when everything has been logged.
    items.sort(key=lambda item: item.path.name == "test_product_logs.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines, texts, leaks = _product_logs.line_count, _product_logs.secret_count, len(_product_logs.leaks)
    terminalreporter.write_line(
        f"{lines} lines of the product's log, held against {texts} private texts: {leaks} leaks"
    )


@pytest.fixture(scope="session")
def product_logs() -> ProductLogs:
    """What the product has logged in this run so far."""
    return _product_logs


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A running cloud with no data, on the fixed ports. Fails the test, with the reason, where none can be started.

    Ends the session where another one runs: every test that needs one would fail for the same reason.
    """
    folder = tmp_path_factory.mktemp("cloud")
    cloud = LocalCloud(folder / "state", logs_dir=folder / "logs")
    _product_logs.cloud_folders.append(folder / "logs")
    try:
        cloud.start()
    except CloudBusyError as error:
        pytest.exit(f"The tests need a local cloud of their own. {error}", returncode=1)
    except CloudError as error:
        pytest.fail(f"The tests need a local cloud of their own. {error}", pytrace=False)
    yield cloud
    cloud.stop()

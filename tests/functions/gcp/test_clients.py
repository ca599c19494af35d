import threading
from collections.abc import Iterator

import firebase_admin
import pytest

from gcp import clients
from gcp.settings import settings


@pytest.fixture(autouse=True)
def _no_apps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-test")
    for each in (settings, clients.firebase_app):
        each.cache_clear()
    yield
    for app in list(firebase_admin._apps.values()):
        firebase_admin.delete_app(app)
    for each in (settings, clients.firebase_app):
        each.cache_clear()


def test_first_requests_at_once_get_one_app() -> None:
    start, apps = threading.Barrier(16), []

    def ask() -> None:
        start.wait()
        apps.append(clients.firebase_app())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(apps) == 16
    assert len(set(map(id, apps))) == 1


def test_the_default_app_of_somebody_else_leaves_room_for_ours() -> None:
    firebase_admin.initialize_app(options={"projectId": "another"})

    assert clients.firebase_app().project_id == "demo-test"

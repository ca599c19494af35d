"""Every part that the specified operations talk to, and the things that the specification's examples speak of."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.accounts.conftest import FirebaseAuth
from tests.functions.characters.conftest import Forms, Send
from tests.functions.costs.conftest import auth, db, forms, render_queue, send, writer
from tests.functions.specification.world import World
from tests.functions.videos.conftest import RenderQueue

if TYPE_CHECKING:
    from google.cloud.firestore import Client

    from local.writer_server import Desk

__all__ = ["auth", "db", "forms", "render_queue", "send", "writer"]


@pytest.fixture
def world(
    *,
    db: "Client",
    auth: FirebaseAuth,
    call_api: Callable[..., Any],
    send: Send,
    forms: Forms,
    writer: "Desk",
    render_queue: RenderQueue,
) -> World:
    assert auth
    assert writer
    assert render_queue
    return World(db, call_api, send, forms)

"""The development writer in place of OpenAI."""

import threading
from collections.abc import Iterator

import pytest
from werkzeug.serving import make_server

from local.writer_server import Desk, build_app


@pytest.fixture
def writer(product: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A running writer that speaks OpenAI's protocol."""
    desk = Desk()
    server = make_server("127.0.0.1", 0, build_app(desk), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    product.setenv("OPENAI_API_KEY", "local-development-writer")
    product.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    yield desk
    server.shutdown()
    thread.join()
    server.server_close()

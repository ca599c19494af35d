"""What the operations that keep an Idempotency-Key work with."""

from tests.functions.characters.conftest import Forms, Send, forms, send
from tests.functions.scripts.conftest import writer
from tests.functions.videos.conftest import RenderQueue, render_queue

__all__ = ["Forms", "RenderQueue", "Send", "forms", "render_queue", "send", "writer"]

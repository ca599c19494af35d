"""All that any operation works with, on one database."""

from tests.functions.accounts.conftest import auth, db
from tests.functions.characters.conftest import forms, send
from tests.functions.scripts.conftest import writer
from tests.functions.videos.conftest import render_queue

__all__ = ["auth", "db", "forms", "render_queue", "send", "writer"]

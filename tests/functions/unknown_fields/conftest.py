"""Every part that the operations with a body talk to."""

from tests.functions.accounts.conftest import FirebaseAuth, auth, db
from tests.functions.characters.conftest import Forms, Send, forms, send
from tests.functions.scripts.conftest import writer

__all__ = ["FirebaseAuth", "Forms", "Send", "auth", "db", "forms", "send", "writer"]

"""The fixtures of characters serve here too."""

from tests.functions.characters.conftest import forms, send, write_character

__all__ = ["forms", "send", "write_character"]

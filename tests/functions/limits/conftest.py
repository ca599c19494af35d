"""What the operations that are limited per user work with."""

from tests.functions.scripts.conftest import writer

__all__ = ["writer"]

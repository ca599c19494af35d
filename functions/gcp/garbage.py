"""When Python looks for garbage: hardly ever while a process starts, as usual afterwards.

Modules leave no garbage when they are imported, and Python's own threshold would look for it a hundred times, which
took a fifth of a cold start. Afterwards what was imported is left out of all searches.
"""

import gc

_USUAL = gc.get_threshold()
_WHILE_STARTING = 50_000


def expect_imports() -> None:
    gc.set_threshold(_WHILE_STARTING)


def expect_requests() -> None:
    """To be called when the first one was answered; may be called after each."""
    if gc.get_threshold()[0] == _WHILE_STARTING:
        gc.freeze()
        gc.set_threshold(*_USUAL)

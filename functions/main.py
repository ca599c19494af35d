"""The deployment's table of contents: every function, by the module that has it.

A process serves one function and imports the module of that one only, when functions-framework asks for it by name.
"""

import importlib
from typing import TYPE_CHECKING, Any

import functions_framework

from gcp.garbage import expect_imports
from routes import NOT_FOUND_FUNCTION, ROUTES

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.exceptions import NotFound

expect_imports()

# What Firestore, Cloud Storage and the clock call.
_CALLED_BY_EVENTS = {
    "accounts.deletion_trigger": ("finish_deletions", "on_account_deletion_created"),
    "accounts.triggers": ("on_user_written", "watch_identities"),
    "activities.triggers": ("on_activity_created",),
    "backgrounds.triggers": ("on_background_deleted", "on_background_finalized", "on_background_written"),
    "characters.triggers": ("on_character_written", "on_stars_written"),
    "config.triggers": ("on_config_written",),
    "media.triggers": ("on_media_deletion_created", "sweep_media"),
    "scripts.triggers": ("on_script_written",),
    "tokens.triggers": ("audit_ledgers", "on_adjustment_created", "on_ledger_entry_created"),
    "videos.triggers": ("on_video_job_written", "repair_video_jobs"),
}

# The module of every function.
FUNCTIONS = {
    **{route.function: route.module for route in ROUTES},
    NOT_FOUND_FUNCTION: "gcp.not_found",
    **{name: module for module, names in _CALLED_BY_EVENTS.items() for name in names},
}


@functions_framework.errorhandler(404)  # type: ignore[untyped-decorator]  # the package says nothing of its types
def _answer_unrouted(_error: "NotFound") -> "Response":
    """What functions-framework finds no function for, such as a path with a line break, in the API's error shape."""
    from flask import request

    from gcp.endpoint import handle

    return handle(request, None)


def __getattr__(name: str) -> Any:
    if name not in FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(FUNCTIONS[name]), name)
    except AttributeError as error:
        # functions-framework would take it for a function that does not exist, and not tell why.
        raise ImportError(f"{FUNCTIONS[name]} cannot be imported") from error

"""The route table: the one place where a route is written.

From it come the Hosting rewrites, the OpenAPI document and each function's options. Hosting matches paths and not
methods, so a path's rewrite names the first function of that path, which answers the other methods through its
siblings' handlers.
"""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """Who may call."""

    ANYONE = "anyone"
    USER = "user"
    # A caller who may be signed in: a public answer, with more in it for its user.
    OPTIONAL_USER = "optional_user"


class Memory(StrEnum):
    """The memory classes, in MiB: answering from Firestore, talking to another service, decoding media or much text."""

    SMALL = "256"
    MEDIUM = "512"
    LARGE = "1024"


# What a function needs to know its caller: a user's first call opens the account, wherever it goes.
_JWT = ("ADDRESS_HASH_KEY", "JWT_SECRET")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation of the API: an exported function of its own."""

    method: str
    path: str
    module: str
    function: str
    access: Access = Access.USER
    memory: Memory = Memory.SMALL
    timeout_seconds: int = 30
    # As many as the server has threads (THREADS in functions/.env): Cloud Run must not send more than are worked on.
    concurrency: int = 16
    secrets: tuple[str, ...] = _JWT

    @property
    def entity(self) -> str:
        """The folder of the function, which also names the service account: one per entity, so one per path."""
        return self.module.partition(".")[0]

    def match(self, path: str) -> Mapping[str, str] | None:
        """The path's variables when it is of this route, else None."""
        found = _pattern(self.path).fullmatch(path)
        return found.groupdict() if found else None


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?")


ROUTES = (
    # accounts
    Route(
        method="POST",
        path="/api/signup",
        module="accounts.endpoints",
        function="signup",
        access=Access.ANYONE,
        memory=Memory.MEDIUM,
        secrets=(*_JWT, "WEB_API_KEY"),
    ),
    Route(
        method="POST",
        path="/api/login",
        module="accounts.endpoints",
        function="login",
        access=Access.ANYONE,
        memory=Memory.MEDIUM,
        secrets=(*_JWT, "WEB_API_KEY"),
    ),
    Route(method="GET", path="/api/me", module="accounts.endpoints", function="get_me"),
    Route(method="DELETE", path="/api/me", module="accounts.deletion_endpoints", function="delete_me"),
    Route(
        method="GET",
        path="/api/my-data",
        module="accounts.export_endpoints",
        function="get_my_data",
        # As list_my_scripts.
        memory=Memory.LARGE,
        concurrency=8,
    ),
    Route(method="POST", path="/api/refresh-token", module="accounts.endpoints", function="refresh_token"),
    # characters
    Route(
        method="GET",
        path="/api/characters",
        module="characters.endpoints",
        function="list_characters",
        access=Access.OPTIONAL_USER,
    ),
    Route(method="GET", path="/api/my-characters", module="characters.endpoints", function="list_my_characters"),
    Route(method="GET", path="/api/my-favorites", module="characters.endpoints", function="list_my_favorites"),
    Route(
        method="GET",
        path="/api/characters-combined",
        module="characters.endpoints",
        function="list_characters_combined",
    ),
    Route(
        method="POST",
        path="/api/characters/complete",
        module="characters.endpoints",
        function="create_character",
        memory=Memory.LARGE,
        timeout_seconds=60,
        concurrency=1,
    ),
    Route(
        method="PUT",
        path="/api/characters/{characterId}",
        module="characters.endpoints",
        function="update_character",
        memory=Memory.LARGE,
        timeout_seconds=60,
        concurrency=1,
    ),
    Route(
        method="DELETE",
        path="/api/characters/{characterId}",
        module="characters.endpoints",
        function="delete_character",
    ),
    Route(
        method="GET",
        path="/api/characters/{characterId}",
        module="characters.endpoints",
        function="get_character",
        access=Access.OPTIONAL_USER,
    ),
    Route(
        method="POST",
        path="/api/characters/{characterId}/star",
        module="characters.endpoints",
        function="star_character",
    ),
    Route(
        method="DELETE",
        path="/api/characters/{characterId}/star",
        module="characters.endpoints",
        function="unstar_character",
    ),
    # scripts
    Route(
        method="POST",
        path="/api/scripts/generate",
        module="scripts.endpoints",
        function="generate_script",
        memory=Memory.MEDIUM,
        # Two tries of the model take at most 45 s; Hosting gives up after 60.
        timeout_seconds=60,
        secrets=(*_JWT, "OPENAI_API_KEY"),
    ),
    Route(
        method="GET",
        path="/api/my-scripts",
        module="scripts.endpoints",
        function="list_my_scripts",
        # A page of the longest scripts takes up to 100 MiB while it is answered (docs/costs.md).
        memory=Memory.LARGE,
        concurrency=8,
    ),
    Route(method="PUT", path="/api/scripts/{scriptId}", module="scripts.endpoints", function="update_script"),
    Route(method="DELETE", path="/api/scripts/{scriptId}", module="scripts.endpoints", function="delete_script"),
    Route(method="GET", path="/api/scripts/{scriptId}", module="scripts.endpoints", function="get_script"),
    Route(
        method="GET",
        path="/api/scripts/{scriptId}/audio-status",
        module="scripts.endpoints",
        function="get_audio_status",
    ),
    # videos
    Route(
        method="POST",
        path="/api/scripts/{scriptId}/generate-video",
        module="videos.endpoints",
        function="generate_video",
        memory=Memory.MEDIUM,
    ),
    Route(
        method="GET",
        path="/api/scripts/{scriptId}/video-status",
        module="videos.endpoints",
        function="get_video_status",
    ),
    Route(
        method="GET",
        path="/api/scripts/{scriptId}/video-job",
        module="videos.endpoints",
        function="get_script_video_job",
    ),
    Route(method="GET", path="/api/video-jobs/{jobId}", module="videos.endpoints", function="get_video_job"),
    Route(
        method="POST",
        path="/api/video-jobs/{jobId}/cancel",
        module="videos.endpoints",
        function="cancel_video_job",
    ),
    Route(method="GET", path="/api/my-video-jobs", module="videos.endpoints", function="list_my_video_jobs"),
    # activities
    Route(
        method="GET",
        path="/api/my-activities",
        module="activities.endpoints",
        function="list_my_activities",
    ),
    Route(
        method="DELETE",
        path="/api/my-activities",
        module="activities.endpoints",
        function="clear_my_activities",
    ),
    Route(
        method="GET",
        path="/api/my-activity-stats",
        module="activities.endpoints",
        function="get_my_activity_stats",
    ),
    Route(
        method="GET",
        path="/api/my-activities-combined",
        module="activities.endpoints",
        function="list_my_activities_combined",
    ),
    # feedback
    Route(method="POST", path="/api/feedback", module="feedback.endpoints", function="create_feedback"),
    # backgrounds
    Route(method="GET", path="/api/backgrounds", module="backgrounds.endpoints", function="list_backgrounds"),
    # health
    Route(
        method="GET",
        path="/api/health",
        module="health.endpoints",
        function="get_health",
        access=Access.ANYONE,
        # The clients of all services.
        memory=Memory.MEDIUM,
        secrets=(),
    ),
    # media: paths that load by themselves in media elements
    Route(
        method="GET",
        path="/api/static/images/{ownerId}/{fileName}",
        module="media.endpoints",
        function="get_picture",
        access=Access.ANYONE,
        timeout_seconds=60,
        secrets=(),
    ),
    Route(
        method="GET",
        path="/api/static/audio_files/{ownerId}/{fileName}",
        module="media.endpoints",
        function="get_recording",
        access=Access.ANYONE,
    ),
    Route(
        method="GET",
        path="/api/videos/{ownerId}/{fileName}",
        module="media.endpoints",
        function="get_video",
        access=Access.ANYONE,
    ),
)

# Answers every path of the API that no route has, so that clients see our error shape and not Hosting's page.
NOT_FOUND_FUNCTION = "not_found"


def route_of(function: str) -> Route:
    """The route that a function serves. Raises KeyError when it has none."""
    return _by_function()[function]


def siblings(route: Route) -> tuple[Route, ...]:
    """All routes of a route's path, itself included; the first is the one that Hosting calls."""
    return _by_path()[route.path]


@functools.cache
def _by_function() -> Mapping[str, Route]:
    return {route.function: route for route in ROUTES}


@functools.cache
def _by_path() -> Mapping[str, tuple[Route, ...]]:
    return {
        path: tuple(route for route in ROUTES if route.path == path) for path in dict.fromkeys(r.path for r in ROUTES)
    }

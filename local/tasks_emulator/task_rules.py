"""What CreateTask accepts, and what it fills in."""

import re
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit, urlunsplit

from google.cloud import tasks_v2

from local.tasks_emulator.queue_settings import QueueSettingsError, complete_retry_config
from local.tasks_emulator.refusals import InvalidArgumentError, NotEmulatedError
from local.tasks_emulator.resource_names import TASK

MAX_TASK_SIZE_BYTES = 100 * 1024  # docstring of CloudTasksClient.create_task
MAX_HEADERS_SIZE_BYTES = 80 * 1024  # this and the next four: docstrings of types HttpRequest and Task
MAX_URL_LENGTH = 2083
MIN_DISPATCH_DEADLINE = timedelta(seconds=15)
MAX_DISPATCH_DEADLINE = timedelta(minutes=30)
DEFAULT_DISPATCH_DEADLINE = timedelta(minutes=10)
MAX_SCHEDULE_AHEAD = timedelta(days=30)  # quotas page
METHODS_WITH_BODY = (tasks_v2.HttpMethod.POST, tasks_v2.HttpMethod.PUT, tasks_v2.HttpMethod.PATCH)
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z\-]+")
# Anything printable in latin-1: what HTTP/1.1 can carry without smuggling in a line.
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


def complete_task(
    task: tasks_v2.Task, *, queue_name: str, min_dispatch_deadline: timedelta = MIN_DISPATCH_DEADLINE
) -> tasks_v2.Task:
    """The task as it is kept: only its input fields, with a name, its times and its default method and deadline.

    Raises InvalidArgumentError for what the service refuses too, NotEmulatedError for what only the service can do.
    """
    if len(tasks_v2.Task.serialize(task)) > MAX_TASK_SIZE_BYTES:
        raise InvalidArgumentError(f"The task is larger than {MAX_TASK_SIZE_BYTES} bytes.")
    if "app_engine_http_request" in task:
        raise NotEmulatedError("App Engine tasks are not emulated.")
    now = datetime.now(UTC)
    complete = tasks_v2.Task(
        name=_complete_name(task.name, queue_name=queue_name),
        http_request=_complete_request(task.http_request),
        schedule_time=_complete_schedule_time(task, now=now),
        create_time=now.replace(microsecond=0),
        dispatch_deadline=_complete_deadline(task, minimum=min_dispatch_deadline),
    )
    if "retry_config" in task:
        try:
            complete.retry_config = complete_retry_config(task.retry_config)
        except QueueSettingsError as error:
            raise InvalidArgumentError(str(error)) from error
    return complete


def encode_url(url: str) -> str:
    """The URL with every character escaped that a request line cannot carry; escapes that are there stay."""
    parts = urlsplit(url)
    return urlunsplit(
        (
            parts.scheme,
            parts.netloc,
            quote(parts.path, safe="%/:=&~+!$,;'@()*"),
            quote(parts.query, safe="%/:=&~+!$,;'@()*?"),
            "",
        )
    )


def _complete_name(name: str, *, queue_name: str) -> str:
    if not name:
        # The service's own ids are long runs of digits.
        return f"{queue_name}/tasks/{secrets.randbelow(9 * 10**19) + 10**19}"
    match = TASK.fullmatch(name)
    if match is None or match["queue"] != queue_name:
        raise InvalidArgumentError(
            f"Task name must be {queue_name}/tasks/TASK_ID; TASK_ID has 1 to 500 letters, digits, hyphens, underscores."
        )
    return name


def _complete_request(request: tasks_v2.HttpRequest) -> tasks_v2.HttpRequest:
    _check_url(request.url)
    _check_headers(dict(request.headers))
    if "oauth_token" in request:
        raise NotEmulatedError("OAuth tokens are not emulated; use an OIDC token.")
    if "oidc_token" in request and "@" not in request.oidc_token.service_account_email:
        raise InvalidArgumentError("OidcToken.service_account_email must be a service account's e-mail.")
    if request.http_method not in tuple(tasks_v2.HttpMethod):
        raise InvalidArgumentError("HttpRequest.http_method is unknown.")
    complete = tasks_v2.HttpRequest(request)
    complete.http_method = tasks_v2.HttpMethod(request.http_method or tasks_v2.HttpMethod.POST)
    if request.body and complete.http_method not in METHODS_WITH_BODY:
        raise InvalidArgumentError("HttpRequest.body is allowed with POST, PUT and PATCH only.")
    return complete


def _check_url(url: str) -> None:
    if not re.match(r"https?://[^/?#]", url):
        raise InvalidArgumentError("HttpRequest.url is required and must begin with http:// or https://.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidArgumentError("HttpRequest.url is no URL.") from error
    if not parts.hostname or not re.fullmatch(r"[\x21-\x7e]+", parts.netloc) or port == 0:
        raise InvalidArgumentError("HttpRequest.url has no valid host.")
    if len(encode_url(url)) > MAX_URL_LENGTH:
        raise InvalidArgumentError(f"HttpRequest.url is longer than {MAX_URL_LENGTH} characters.")


def _check_headers(headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise InvalidArgumentError("HttpRequest.headers has a name or a value that HTTP does not allow.")
    if sum(len(name) + len(value) for name, value in headers.items()) >= MAX_HEADERS_SIZE_BYTES:
        raise InvalidArgumentError(f"HttpRequest.headers must be smaller than {MAX_HEADERS_SIZE_BYTES} bytes.")


def _complete_schedule_time(task: tasks_v2.Task, *, now: datetime) -> datetime:
    if "schedule_time" not in task or task.schedule_time <= now:
        return now
    if task.schedule_time > now + MAX_SCHEDULE_AHEAD:
        raise InvalidArgumentError(f"Task.schedule_time is more than {MAX_SCHEDULE_AHEAD.days} days ahead.")
    schedule_time: datetime = task.schedule_time
    return schedule_time


def _complete_deadline(task: tasks_v2.Task, *, minimum: timedelta) -> timedelta:
    if "dispatch_deadline" not in task:
        return DEFAULT_DISPATCH_DEADLINE
    deadline: timedelta = task.dispatch_deadline
    if not minimum <= deadline <= MAX_DISPATCH_DEADLINE:
        raise InvalidArgumentError(
            f"Task.dispatch_deadline must be between {minimum.total_seconds():g}s"
            f" and {MAX_DISPATCH_DEADLINE.total_seconds():g}s."
        )
    return deadline

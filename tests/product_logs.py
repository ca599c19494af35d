"""Listens to every line that the product logs during a test run, and to the secrets that pass through it meanwhile.

In this process each line is held against what is no one's business by its form (tokens, signatures, addresses) and
against the texts of the requests and answers around it. The local cloud's parts log into files, which are held against
everything that the tests sent to it and got from it. tests/test_product_logs.py, which runs last, tells what was found.
"""

import json
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import requests
from flask import Request, Response

from contracts import log
from gcp import endpoint

# What is told by its form. Service accounts are the deployment's own names and no person's address.
SECRET_FORMS = {
    "token": re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}"),
    "authorization": re.compile(r"\bBearer [\w.-]{8,}"),
    "signature": re.compile(r"[?&](?:X-Goog-)?[Ss]ignature="),
    "address": re.compile(r"[\w.+-]+@(?![\w.-]*gserviceaccount\.com)[\w-]+\.[\w.-]+"),
}
# The fields of bodies and answers whose values are a person's own, or a secret.
_PRIVATE_FIELDS = frozenset(
    {"password", "email", "token", "firebaseToken", "prompt", "originalPrompt", "text", "message", "refText"}
)
# A shorter text could stand in a line by chance.
_SHORTEST = 12
_REMEMBERED = 300
# Of the local cloud's parts those that run the product; the others are Google's emulators and development servers.
_PRODUCT_LOGS = ("firebase.log", "gpu_runner.log", "scheduled_functions.log")
# Hosting's emulator writes each request's path there; a deployment keeps none of media's (terraform/logging.tf).
_HOSTINGS_OWN = re.compile(r"\[hosting\] |i  hosting: ")


class Leak(NamedTuple):
    """A line of the log that holds what it must not."""

    kind: str
    line: str


class ProductLogs(logging.Handler):
    """What was logged, by the product and by the libraries in it, and what of it should not have been."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.line_count = 0
        self.secret_count = 0
        self.leaks: list[Leak] = []
        self.cloud_folders: list[Path] = []
        self._recent: deque[str] = deque(maxlen=_REMEMBERED)
        self._sent_to_cloud: set[str] = set()
        self._of_request = threading.local()

    def listen(self) -> None:
        """From now on until the process ends."""
        logging.getLogger().addHandler(self)
        log.write = self._writing(log.write)
        endpoint.handle = self._handling(endpoint.handle)
        requests.Session.send = self._sending(requests.Session.send)  # type: ignore[method-assign]

    def emit(self, record: logging.LogRecord) -> None:
        """A library's line."""
        self.leaks += leaks_of(record.getMessage(), self._recent)

    def cloud_leaks(self) -> list[Leak]:
        """What the log files of the local clouds of this run hold that they must not."""
        found = []
        for path in (folder / name for folder in self.cloud_folders for name in _PRODUCT_LOGS):
            text = path.read_text(errors="replace") if path.exists() else ""
            lines = [line for line in text.splitlines() if not _HOSTINGS_OWN.match(line)]
            self.line_count += len(lines)
            found += [leak for line in lines for leak in leaks_of(line, self._sent_to_cloud)]
        return found

    def _writing(self, write: Callable[..., None]) -> Callable[..., None]:
        def listened(severity: log.Severity, event: str, **fields: object) -> None:
            line = json.dumps({"event": event, **fields}, default=str)
            self.line_count += 1
            self.leaks += leaks_of(line, self._recent)
            getattr(self._of_request, "lines", []).append(line)
            write(severity, event, **fields)

        return listened

    def _handling(self, handle: Callable[..., Response]) -> Callable[..., Response]:
        def listened(request: Request, named: Any) -> Response:
            self._of_request.lines = []
            response = handle(request, named)
            secrets = [*private_texts(_parsed(request.get_data())), *private_texts(_parsed(response.get_data()))]
            secrets += [text for text in [request.headers.get("Authorization", "")] if len(text) >= _SHORTEST]
            self.leaks += [leak for line in self._of_request.lines for leak in leaks_of(line, secrets)]
            self._of_request.lines = []
            self._remember(secrets)
            return response

        return listened

    def _sending(self, send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
        def listened(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            response = send(session, request, **options)
            if "/api/" in str(request.url) and not options.get("stream"):
                secrets = [*private_texts(_parsed(request.body)), *private_texts(_parsed(response.content))]
                self._sent_to_cloud.update(secrets)
                self.secret_count += len(secrets)
            return response

        return listened

    def _remember(self, secrets: list[str]) -> None:
        self.secret_count += len(secrets)
        self._recent.extend(text for text in secrets if text not in self._recent)


def leaks_of(line: str, secrets: "deque[str] | list[str] | set[str]") -> list[Leak]:
    """What of the line is a secret by its form, or one of these texts."""
    found = [Leak(kind, line) for kind, form in SECRET_FORMS.items() if form.search(line)]
    return found + [Leak("text", line) for secret in secrets if secret in line]


def private_texts(content: Any) -> Iterator[str]:
    """The texts of a JSON document that are private, as they would stand in a line of JSON."""
    if isinstance(content, list):
        for each in content:
            yield from private_texts(each)
    elif isinstance(content, dict):
        for name, value in content.items():
            if name in _PRIVATE_FIELDS and isinstance(value, str):
                if len(value) >= _SHORTEST:
                    yield json.dumps(value)[1:-1]
            elif name not in {"detail", "error"}:
                # A refusal says which field was wrong in our own words, under names such as "message".
                yield from private_texts(value)


def _parsed(body: Any) -> Any:
    try:
        return json.loads(body or b"null")
    except (ValueError, TypeError, RecursionError):
        return None

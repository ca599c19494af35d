"""What becomes of the commits of a request whose process ends, or whose answers get lost."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from google.api_core.exceptions import Aborted
from google.cloud.firestore import Transaction
from google.cloud.storage import Blob


class KilledError(BaseException):
    """Not an Exception: nobody handles the end of its own process."""


@contextmanager
def killed_at_commit(number: int, *, after: bool) -> Iterator[None]:
    """The process ends before or after this commit of the request inside; nothing more of it reaches the database."""
    begin, commit, rollback = Transaction._begin, Transaction._commit, Transaction._rollback
    numbers = itertools.count(1)
    is_dead = False

    def commit_or_die(transaction: Transaction) -> Any:
        nonlocal is_dead
        if next(numbers) < number:
            return commit(transaction)
        is_dead = True
        if after:
            commit(transaction)
        else:
            # As the database does by itself with a transaction of which it hears no more.
            rollback(transaction)
        raise KilledError

    def begin_alive(transaction: Transaction, retry_id: bytes | None = None) -> None:
        if is_dead:
            raise KilledError
        begin(transaction, retry_id=retry_id)

    def rollback_alive(transaction: Transaction) -> None:
        if is_dead:
            raise KilledError
        rollback(transaction)

    with (
        patch.object(Transaction, "_begin", begin_alive),
        patch.object(Transaction, "_commit", commit_or_die),
        patch.object(Transaction, "_rollback", rollback_alive),
        pytest.raises(KilledError),
    ):
        yield


@contextmanager
def killed_after_upload(number: int) -> Iterator[None]:
    """The process ends after this upload of the request inside."""
    upload = Blob.upload_from_string
    numbers = itertools.count(1)

    def upload_and_die(blob: Blob, *args: Any, **options: Any) -> None:
        upload(blob, *args, **options)
        if next(numbers) == number:
            raise KilledError

    with patch.object(Blob, "upload_from_string", upload_and_die), pytest.raises(KilledError):
        yield


@contextmanager
def unheard_commit(number: int) -> Iterator[None]:
    """This commit of the request inside is made, and its answer is lost: the client library runs it again."""
    commit = Transaction._commit
    numbers = itertools.count(1)

    def commit_unheard(transaction: Transaction) -> Any:
        results = commit(transaction)
        if next(numbers) == number:
            raise Aborted("the answer was lost")  # type: ignore[no-untyped-call]  # the package leaves it so
        return results

    with patch.object(Transaction, "_commit", commit_unheard):
        yield


@contextmanager
def counted_commits() -> Iterator[list[int]]:
    """A list that gets one entry for each commit inside."""
    commit = Transaction._commit
    made: list[int] = []

    def commit_counted(transaction: Transaction) -> Any:
        made.append(len(made) + 1)
        return commit(transaction)

    with patch.object(Transaction, "_commit", commit_counted):
        yield made

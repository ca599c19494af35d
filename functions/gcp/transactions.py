"""Firestore transactions, with contention told apart from defects."""

import itertools
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from gcp.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

Result = TypeVar("Result")

# Firestore's own default is 5; a burst of a user's own requests on one user document needs more.
_MAX_ATTEMPTS = 10
# Enough for one of five contenders to get ahead; all attempts together stay far below a function's timeout.
_LONGEST_STAGGER_SECONDS = 0.5


def transact(db: "Client", body: Callable[["Transaction"], Result]) -> Result:
    """What `body` returned in the transaction that was committed; it may run several times, reads before writes.

    Raises Unavailable when others kept changing the same documents.
    """
    # Deferred: gRPC; whoever calls this has the client already.
    from google.api_core.exceptions import Aborted, DeadlineExceeded
    from google.cloud.firestore import transactional

    attempts = itertools.count()

    def staggered(transaction: "Transaction") -> Result:
        # Those who met at the same documents would meet there again: the library lets all of them try again at once.
        if attempt := next(attempts):
            time.sleep(random.uniform(0, min(_LONGEST_STAGGER_SECONDS, 0.1 * 2**attempt)))
        return body(transaction)

    try:
        result: Result = transactional(staggered)(db.transaction(max_attempts=_MAX_ATTEMPTS))
    except (Aborted, DeadlineExceeded) as error:
        raise Unavailable("The database is busy with this item; try again.") from error
    except ValueError as error:
        # How the library says that every attempt met contention, and what hides that a transaction did not even begin.
        if not any(text in str(error) for text in ("Failed to commit transaction", "cannot be rolled back")):
            raise
        raise Unavailable("The database is busy with this item; try again.") from error
    return result

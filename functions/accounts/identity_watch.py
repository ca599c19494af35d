"""What Firebase Auth decides about a user reaches the user's document within a minute, and so the API and the rules.

Disabling, deleting and a new password happen at Firebase Auth, which tells nobody. Asking it at every request would
cost each of them a call over the network, so it is asked here about everyone who may hold a token that is still good.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from accounts.bearer import UNWATCHED
from accounts.enrolment import changes_of_identity
from accounts.identity import read_identities
from accounts.users import read_user
from contracts import log

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentSnapshot

# A run comes every minute; a change is to be seen within one, whenever it happens.
PASSES = 2
PAUSE = timedelta(seconds=30)
_PAGE = 100  # as many as Firebase Auth tells in one call


def watch(db: "Client", *, clock: Callable[[], datetime], pause: Callable[[float], None]) -> None:
    """The documents of all who may hold a good token are as Firebase Auth says, at two moments half a minute apart."""
    started_at = clock()
    for number in range(PASSES):
        if number:
            pause(max(0.0, (started_at + number * PAUSE - clock()).total_seconds()))
        copy_identities(db, clock())


def copy_identities(db: "Client", now: datetime) -> None:
    """The documents of all who may hold a good token are as Firebase Auth says now. May run twice at once."""
    for page in _pages(db, now - UNWATCHED):
        identities = read_identities([snapshot.id for snapshot in page])
        for snapshot in page:
            try:
                user = read_user(snapshot.id, snapshot.to_dict() or {})
            except ValidationError:
                # An admin's slip, which must not end the watch over everybody else.
                continue
            if changes := changes_of_identity(user, identities.get(user.id)):
                _write(snapshot, changes)


def _pages(db: "Client", ended_before: datetime) -> "Iterator[Sequence[DocumentSnapshot[Any]]]":
    """The users whose last token ends later, a hundred at a time."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import FieldFilter

    users = db.collection("users").where(filter=FieldFilter("accessUntil", ">", ended_before))
    # Who gets a new token meanwhile moves backwards in this order, and so is seen twice rather than never.
    rest = users.order_by("accessUntil").limit(_PAGE)
    page: Sequence[DocumentSnapshot[Any]] = rest.get()
    while page:
        yield page
        page = rest.start_after(page[-1]).get() if len(page) == _PAGE else ()


def _write(snapshot: "DocumentSnapshot[Any]", changes: dict[str, Any]) -> None:
    """The changes are written, unless the document has gone meanwhile."""
    # Deferred: as above.
    from google.api_core.exceptions import NotFound

    try:
        snapshot.reference.update(changes)
    except NotFound:
        return
    log.info("identity_followed", user_id=snapshot.id, fields=sorted(changes))

"""Which background a video gets."""

import hashlib
from typing import TYPE_CHECKING

from backgrounds.store import choose_listed, find_listed
from contracts.job_snapshot import Background
from gcp.errors import Unavailable, ValidationFailed

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction


def find_background(
    db: "Client", name: str | None, job_id: str, *, transaction: "Transaction | None" = None
) -> Background:
    """The listed background of that name, or without a name one that the job's id chooses, so that videos differ.

    Read in the transaction that writes the job's snapshot: whoever removes the copy later finds the snapshot then.

    Raises ValidationFailed for a name that is not listed, and Unavailable when none is.
    """
    if name is None:
        chosen = choose_listed(db, hashlib.sha256(job_id.encode()).hexdigest()[:32], transaction=transaction)
        if chosen is None:
            raise Unavailable("There are no background videos yet.")
    else:
        chosen = find_listed(db, name, transaction=transaction)
        if chosen is None:
            raise ValidationFailed.of("backgroundVideo", "There is no background video of this name.")
    assert chosen.object_name is not None
    assert chosen.duration_seconds is not None
    return Background(name=chosen.name, object_name=chosen.object_name, duration_seconds=chosen.duration_seconds)

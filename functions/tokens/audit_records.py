"""A user's documents as of one moment, for the audit.

They are read in a read-only transaction: it locks nothing, and sees each of our transactions whole or not at all. So a
user who starts a video, or whose video is settled, while being audited gives no false alarm.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tokens.audit_rules import Fields, Records

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentSnapshot, Transaction

# Every id that a job ever had. What an admin wrote into an entry instead might be no id at all.
_JOB_ID = re.compile(r"[0-9a-f]{32}")
_AT_ONCE = 300


def read_records(db: "Client", user_id: str) -> Records:
    """What is stored of this user, who may have no document. Raises GoogleAPIError."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import transactional

    def read(transaction: "Transaction") -> Records:
        return _read(db, transaction, user_id)

    records: Records = transactional(read)(db.transaction(read_only=True))
    return records


def _read(db: "Client", transaction: "Transaction", user_id: str) -> Records:
    from google.cloud.firestore import FieldFilter

    user = db.document("users", user_id).get(transaction=transaction)
    entries = _fields(db.collection("users", user_id, "ledger").stream(transaction=transaction))
    owned = FieldFilter("userId", "==", user_id)
    holds = _fields(db.collection("holds").where(filter=owned).stream(transaction=transaction))
    jobs = _fields(db.collection("videoJobs").where(filter=owned).stream(transaction=transaction))
    named = {str(fields.get("jobId")) for fields in entries.values()}
    # What bears another user's name, or none that can be read, is found by its id.
    ids = {each for each in {*holds, *jobs, *named} if _JOB_ID.fullmatch(each)}
    holds |= _read_by_id(db, transaction, "holds", ids - holds.keys())
    jobs |= _read_by_id(db, transaction, "videoJobs", ids - jobs.keys())
    return Records(
        user_id=user_id,
        user=user.to_dict(),
        user_written_at=user.update_time if user.exists else None,
        entries=entries,
        holds=holds,
        jobs=jobs,
    )


def _read_by_id(db: "Client", transaction: "Transaction", collection: str, ids: Iterable[str]) -> dict[str, Fields]:
    references = [db.document(collection, each) for each in sorted(ids)]
    found: dict[str, Fields] = {}
    for start in range(0, len(references), _AT_ONCE):
        found |= _fields(db.get_all(references[start : start + _AT_ONCE], transaction=transaction))
    return found


def _fields(documents: "Iterable[DocumentSnapshot[Any]]") -> dict[str, Fields]:
    return {each.id: each.to_dict() or {} for each in documents if each.exists}

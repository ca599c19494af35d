"""The documents `config/platform`, which admins edit, and `config/effective`, which functions read."""

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from config.edit import README, STATUS, checked, readme
from config.platform import PlatformConfig
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

Outcome = Literal["nothing", "in_force", "refused"]


def check_platform(db: "Client", now: datetime) -> Outcome:
    """What `config/platform` says is in force when it is sound, and the document says whether it is.

    Writes only what differs, so that it may be repeated and its own write leads to no other.
    """
    platform_reference, effective_reference = db.document("config", "platform"), db.document("config", "effective")

    def check(transaction: "Transaction") -> Outcome:
        fields = platform_reference.get(transaction=transaction).to_dict()
        effective = effective_reference.get(transaction=transaction).to_dict()
        config, problems = checked(fields or {})
        changed = not problems and effective != config.to_document()
        if changed:
            transaction.set(effective_reference, config.to_document())
        outcome: Outcome = "refused" if problems else "in_force"
        status = {"state": outcome, "problems": problems}
        told = (fields or {}).get(STATUS)
        is_told = isinstance(told, dict) and all(told.get(name) == value for name, value in status.items())
        if fields is not None and (changed or not is_told):
            transaction.update(platform_reference, {STATUS: status | {"checkedAt": now}})
        return outcome if changed or not is_told else "nothing"

    return transact(db, check)


def write_missing_platform(db: "Client") -> None:
    """Admins find `config/platform` with every default and its explanation; one that is there is left alone."""
    if db.project in _found:
        return
    # Deferred: triggers only, which have Firestore anyway.
    from google.api_core.exceptions import AlreadyExists

    reference = db.document("config", "platform")
    if not reference.get().exists:
        with suppress(AlreadyExists):
            reference.create(PlatformConfig().to_document() | {README: readme()})
    _found.add(db.project)


# Where this process has seen the document: one look per process is enough.
_found: set[str] = set()

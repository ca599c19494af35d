"""Switches that admins set by hand in the console, and what becomes of one that is no boolean.

Whoever reads such a switch takes it for set (gcp.models.Switch). The trigger on its document puts a boolean there, and
says beside it what was wrong, in `hiddenProblem` for the switch `hidden`; the next good edit takes that away.

Events come twice, late and in any order. So an event counts only where it tells of the slip that the document still
has, or, of a good edit, of the very problem that is still told; once the document is mended there is nothing to do.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contracts import log
from gcp.models import is_set
from gcp.transactions import transact

if TYPE_CHECKING:
    from google.cloud.firestore import Client, Transaction

Fields = Mapping[str, Any]
_MOST_LETTERS = 40
_NO_VALUE = "no value"


def may_need_mending(name: str, before: Fields | None, after: Fields) -> bool:
    """Whether this write made the switch something else than a boolean, or is the good edit after that."""
    if isinstance(after.get(name), bool):
        return _is_good_edit(name, before or {}, after)
    return before is None or _told(before.get(name)) != _told(after.get(name))


def mend_switch(db: "Client", path: str, name: str, *, before: Fields | None, after: Fields, now: datetime) -> None:
    """The document at `path` has a boolean there again, and beside it what was wrong with the edit, and only then."""
    # Deferred: gRPC; whoever calls this has the client already.
    from google.cloud.firestore import DELETE_FIELD

    reference = db.document(path)
    before = before or {}

    def in_transaction(transaction: "Transaction") -> bool:
        stored = reference.get(transaction=transaction).to_dict()
        # A deleted account's document has no switches.
        if stored is None or stored.get("deletedAt"):
            return False
        value, problem = stored.get(name), _problem_of(name, stored)
        if isinstance(value, bool):
            if _is_good_edit(name, before, after) and problem == _problem_of(name, after):
                transaction.update(reference, {f"{name}Problem": DELETE_FIELD})
            return False
        if _told(value) != _told(after.get(name)):
            # The event of the edit that the document has now is still to come, and tells what was there before it.
            return False
        had = before.get(name)
        # One slip upon another: what was no boolean before either counted as set, and stays that.
        put = value is not None and had is not None and is_set(had)
        told = f"Put back to {_told(put)} on {now:%Y-%m-%d %H:%M UTC}: {name} is true or false (boolean)"
        transaction.update(reference, {name: put, f"{name}Problem": f"{told}, not {_told(value)}."})
        return True

    if transact(db, in_transaction):
        log.info("switch_mended", document=path, field=name)


def _is_good_edit(name: str, before: Fields, after: Fields) -> bool:
    """Whether a boolean was changed for the other one, and what was wrong before is still told."""
    had, has = before.get(name), after.get(name)
    is_changed = isinstance(had, bool) and isinstance(has, bool) and had is not has
    return is_changed and _problem_of(name, after) is not None


def _problem_of(name: str, fields: Fields) -> object:
    return fields.get(f"{name}Problem")


def _told(value: object) -> str:
    """What an admin typed, as the console shows it."""
    if value is None:
        return _NO_VALUE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return f'"{value[:_MOST_LETTERS]}"' if isinstance(value, str) else "a value of another type"

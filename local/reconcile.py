"""Holds every user's balance, ledger, holds and jobs against each other, and repairs what is certain.

    make reconcile                          the running local cloud
    make reconcile PROJECT=my-project       a deployment, with application default credentials
    make reconcile DRY_RUN=1                reports only

Exits with 1 when something still disagrees, or could not be read. What each kind of disagreement means is in
docs/operations.md.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from google.cloud.firestore import Client

from local.addresses import ROOT
from local.operating import OperatingError, firestore_outages, open_firestore

# As the deployment has it; what follows imports from there.
sys.path.insert(0, str(ROOT / "functions"))

from tokens.audit import Clock, Finding, Place, audit_pages

_USERS_A_LINE = 500


def reconcile(db: Client, clock: Clock, *, repair: bool, announce: Callable[[str], None]) -> bool:
    """Everything was checked, and every disagreement announced; whether all agrees now."""
    users, jobs, found, repaired, unread = 0, 0, 0, 0, 0
    for audited in audit_pages(db, Place(), clock, repair=repair):
        for finding in audited.findings:
            announce(_shown(finding))
        for user_id in audited.unread:
            announce(f"  not checked: users/{user_id} (the log says why)")
        before = users
        users, jobs = users + audited.users, jobs + audited.jobs
        found += len(audited.findings)
        repaired += sum(each.is_repaired for each in audited.findings)
        unread += len(audited.unread)
        if users // _USERS_A_LINE > before // _USERS_A_LINE:
            announce(f"{users:,} users checked")
    left = found - repaired
    announce(f"Users {users:,}, jobs {jobs:,}: disagreements {found:,}, repaired {repaired:,}, left {left:,}.")
    if unread:
        announce(f"Users that could not be checked: {unread:,}.")
    if left:
        announce('What to do about each is in docs/operations.md, "Reconcile".')
    return not left and not unread


def _shown(finding: Finding) -> str:
    kind, documents, repair = finding.disagreement
    became = "repaired" if finding.is_repaired else "can be repaired" if repair else "not repaired"
    return f"  {kind} ({became}): {' '.join(documents)}"


def main() -> int:
    repair = not os.environ.get("DRY_RUN")
    try:
        db = open_firestore(os.environ.get("PROJECT"))
        how = "and repairing what is certain" if repair else "and repairing nothing"
        print(f"Checking every user and job, {how}.")
        with firestore_outages():
            agrees = reconcile(db, lambda: datetime.now(UTC), repair=repair, announce=print)
    except OperatingError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())

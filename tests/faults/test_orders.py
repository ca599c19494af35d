"""All orders in which what happens to a job can come, and come again: the same price for the same end in each.

Enumerated and not drawn: a random machine over such events let a trigger pass that charges twice, because it seldom
came that far. After each sequence everything is delivered until nothing is due.
"""

import itertools
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from accounts.users import User
from contracts.video_job import JobStatus
from tests.faults.invariants import Documents, read_documents, unrest, unsound
from tests.faults.life import SCRIPTS, USER, Life, count_entry, count_log, deliver, forget_listed_media
from tests.functions.conftest import make_user
from tests.functions.videos.conftest import RenderQueue, background_video, render_queue, write_script
from tokens.audit import audit_user

if TYPE_CHECKING:
    from google.cloud.firestore import Client

__all__ = ["background_video", "make_user", "render_queue", "write_script"]
pytestmark = pytest.mark.timeout(1800)

KINDS = ("start", "runner", "trigger", "minute", "cancel")
# The deliveries that write something: with the job's creation the log begins, with its end the money moves and the log
# ends, and the log's first entry, which both of them write, is counted. That a runner took the job up is told to the
# function that hears of the creation, with the same effect; the ledger's entries of a job are told to one that leaves
# them alone.
DELIVERIES = ("created", "ended", "counted")
ENDS = {JobStatus.COMPLETED: "captured", JobStatus.FAILED: "released", JobStatus.CANCELLED: "released"}

Restore = Callable[[Documents], None]


@pytest.fixture
def restore(db: "Client") -> Restore:
    """A function that makes these the only documents there are."""

    def make(documents: Documents) -> None:
        batch = db.batch()
        for path in read_documents(db).keys() - documents.keys():
            batch.delete(db.document(path))
        for path, fields in documents.items():
            batch.set(db.document(path), dict(fields))
        batch.commit()

    return make


@pytest.fixture
def beginning(
    db: "Client", make_user: Callable[..., User], write_script: Callable[..., str], render_queue: RenderQueue
) -> Documents:
    """A user with one token and two scripts."""
    assert render_queue
    make_user(USER, tokens=1)
    for script_id in SCRIPTS:
        write_script(USER, script_id=script_id)
    return read_documents(db)


def orders_of(kinds: tuple[str, ...], longest: int) -> list[tuple[str, ...]]:
    """All of them, of every length from 1 on."""
    return [order for length in range(1, longest + 1) for order in itertools.product(kinds, repeat=length)]


def what_became(documents: Documents) -> Counter[str]:
    """How the jobs ended, and their holds."""
    fields = {"videoJobs": "status", "holds": "state"}
    return Counter(
        str(found[fields[collection]])
        for path, found in documents.items()
        if (collection := path.partition("/")[0]) in fields
    )


def test_all_orders_of_what_happens_to_a_job(
    db: "Client", beginning: Documents, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    orders = orders_of(KINDS, 4)
    for number, order in enumerate(orders):
        restore(beginning)
        life = Life(db)
        for kind in order:
            life.happens(kind)
        found = unsound(read_documents(db))
        # Every other one ends without a runner.
        life.comes_to_rest(renders=number % 2 == 0)
        documents = read_documents(db)
        found += life.broken + unsound(documents) + unrest(documents)
        found += [str(each) for each in audit_user(db, USER, datetime.now(UTC) + timedelta(days=1), repair=False)]
        seen.update(life.seen + what_became(documents))
        # The first that shows a defect is one of the shortest that do.
        assert [f"{' '.join(order)}: {problem}" for problem in found] == []
    with capsys.disabled():
        sys.stdout.write(f"\n{len(orders)} orders of {len(KINDS)} kinds of event: {dict(sorted(seen.items()))}\n")

    assert len(orders) == 5 + 25 + 125 + 625
    came_about = {*ENDS, *ENDS.values(), "InsufficientTokens", "JobUnfinished", "JobEnded", "LeaseLostError"}
    assert came_about - seen.keys() == set()


# A failed job and a cancelled one differ in a word of the log, which short orders show.
@pytest.mark.parametrize(
    ("status", "longest", "count"),
    [(JobStatus.COMPLETED, 6, 1092), (JobStatus.FAILED, 4, 120), (JobStatus.CANCELLED, 4, 120)],
)
def test_all_orders_of_the_deliveries_of_a_job(
    db: "Client",
    beginning: Documents,
    restore: Restore,
    capsys: pytest.CaptureFixture[str],
    *,
    status: JobStatus,
    longest: int,
    count: int,
) -> None:
    restore(beginning)
    created, claimed, ended = Life(db).ends(status)
    undelivered = read_documents(db)
    deliver_one = {
        "created": lambda: deliver(created),
        "claimed": lambda: deliver(claimed),
        "ended": lambda: deliver(ended),
        "counted": lambda: count_entry(f"{created.job_id}_video_generation_started"),
    }
    seen: Counter[str] = Counter()
    orders = orders_of(DELIVERIES, longest)
    for order in orders:
        restore(undelivered)
        for delivery in order:
            deliver_one[delivery]()
        for delivery in ("claimed", "ended", "created"):
            if delivery not in order:
                deliver_one[delivery]()
        count_log(db)
        forget_listed_media(db)
        documents = read_documents(db)
        assert [f"{' '.join(order)}: {problem}" for problem in unsound(documents) + unrest(documents)] == []
        seen.update(what_became(documents))
    with capsys.disabled():
        sys.stdout.write(f"\n{len(orders)} orders of {len(DELIVERIES)} deliveries: {dict(sorted(seen.items()))}\n")

    assert len(orders) == count
    assert seen == {status: count, ENDS[status]: count}

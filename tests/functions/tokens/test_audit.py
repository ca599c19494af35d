"""Each way in which a user's books and jobs can disagree, planted on the emulator, is found by name and documents."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import pytest
from google.cloud.firestore import DELETE_FIELD

from contracts.video_job import DEADLINE, JobStatus, VideoJob
from tests.functions.conftest import MakeUser
from tests.functions.costs.counting import count_calls
from tests.functions.tokens.conftest import Account
from tokens.audit import Place, audit_pages, audit_user
from tokens.audit_records import read_records
from tokens.audit_rules import Kind, check_user
from videos.jobs import settle_job

if TYPE_CHECKING:
    from google.cloud.firestore import Client

JOB = "1" * 32
USER, ENTRY, HOLD, VIDEO_JOB = "users/ann", f"users/ann/ledger/{JOB}", f"holds/{JOB}", f"videoJobs/{JOB}"
ENDED = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]
FINISHED = timedelta(hours=1)


class Books(Account):
    """The user ann, with videos in any state."""

    def job(self, status: JobStatus, *, job_id: str = JOB, is_settled: bool = True, price: int = 1) -> None:
        """A job as it is when it has come so far, with what followed from it."""
        began = datetime.now(UTC)
        job = VideoJob(
            job_id=job_id,
            script_id="5" * 32,
            user_id="ann",
            title="Tea",
            status=status,
            price_tokens=price,
            background_video="sea.mp4",
            created_at=began,
            completed_at=began if status.is_terminal else None,
            deadline_at=began + DEADLINE,
        )
        self.hold(job_id, price)
        self.db.document("videoJobs", job_id).set(job.to_document())
        if status.is_terminal and is_settled:
            assert settle_job(self.db, job_id, began)

    def audit(self, *, repair: bool = False, later: timedelta = FINISHED) -> list[tuple[Kind, tuple[str, ...], bool]]:
        """What is told so much later: kind, documents, and whether it was repaired."""
        found = audit_user(self.db, "ann", datetime.now(UTC) + later, repair=repair)
        return [(each.disagreement.kind, each.disagreement.documents, each.is_repaired) for each in found]

    def copy(self, source: str, target: str, **changes: Any) -> Self:
        fields = self.db.document(source).get().to_dict() or {}
        self.db.document(target).set(fields | changes)
        return self

    def update(self, path: str, **fields: Any) -> Self:
        self.db.document(path).update(fields)
        return self

    def delete(self, path: str) -> Self:
        self.db.document(path).delete()
        return self


@pytest.fixture
def books(ann: Account) -> Books:
    return Books(ann.db, ann._deliver_written)


Plant = Callable[[Books], object]


def completed(books: Books) -> None:
    books.job(JobStatus.COMPLETED)


def failed(books: Books) -> None:
    books.job(JobStatus.FAILED)


def queued(books: Books) -> None:
    books.job(JobStatus.QUEUED)


def rendering(books: Books) -> None:
    books.job(JobStatus.IN_PROGRESS)


def ended(books: Books) -> None:
    books.job(JobStatus.COMPLETED, is_settled=False)


def nothing(_books: Books) -> None:
    pass


def release_too(books: Books) -> None:
    """A capture and a release: the hold is given back twice."""
    books.copy(f"{ENTRY}_capture", f"{ENTRY}_release", kind="release", tokens=0, held=-1)
    books.update(USER, held=-1)


def charge_more(books: Books) -> None:
    books.update(f"{ENTRY}_capture", tokens=-2, held=-1)
    books.update(USER, tokens=18, ledgerTokens=18)


def hold_more(books: Books) -> None:
    books.update(f"{ENTRY}_hold", held=3)
    books.update(USER, held=3)


def put_in_the_place_of_the_capture(books: Books) -> None:
    """The hold is released, and the balance is as if nothing had been made."""
    books.copy(f"{ENTRY}_capture", f"{ENTRY}_release", kind="release", tokens=0)
    books.delete(f"{ENTRY}_capture")
    books.update(HOLD, state="released")
    books.update(USER, tokens=20, ledgerTokens=20)


PLANTS: list[tuple[Kind, Plant, Plant, set[tuple[str, ...]]]] = [
    (Kind.MALFORMED_USER, completed, lambda books: books.update(USER, createdAt="today"), {(USER,)}),
    (
        Kind.MALFORMED_ENTRY,
        completed,
        lambda books: books.update(f"{ENTRY}_capture", balanceAfter="19"),
        {(f"{ENTRY}_capture",)},
    ),
    (Kind.MALFORMED_ENTRY, queued, lambda books: books.update(f"{ENTRY}_hold", jobId=None), {(f"{ENTRY}_hold",)}),
    (Kind.MALFORMED_HOLD, completed, lambda books: books.update(HOLD, state="gone"), {(HOLD,)}),
    (Kind.MALFORMED_HOLD, queued, lambda books: books.update(HOLD, priceTokens="1"), {(HOLD,)}),
    (Kind.MALFORMED_HOLD, queued, lambda books: books.update(HOLD, userId=5), {(HOLD,)}),
    (Kind.MALFORMED_JOB, completed, lambda books: books.update(VIDEO_JOB, status="done"), {(VIDEO_JOB,)}),
    (Kind.MALFORMED_JOB, queued, lambda books: books.update(VIDEO_JOB, priceTokens="1"), {(VIDEO_JOB,)}),
    (Kind.MALFORMED_JOB, queued, lambda books: books.update(VIDEO_JOB, userId=5), {(VIDEO_JOB,)}),
    (Kind.BALANCE_IS_NOT_THE_SUM, completed, lambda books: books.update(USER, tokens=20), {(USER,)}),
    (Kind.BALANCE_IS_NOT_THE_SUM, completed, lambda books: books.update(USER, ledgerTokens=20), {(USER,)}),
    (Kind.BALANCE_IS_NOT_THE_SUM, completed, lambda books: books.update(USER, tokens="many"), {(USER,)}),
    (Kind.BALANCE_IS_NOT_THE_SUM, nothing, lambda books: books.update(USER, ledgerTokens=DELETE_FIELD), {(USER,)}),
    (Kind.HELD_IS_NOT_THE_SUM, queued, lambda books: books.update(USER, held=0), {(USER,)}),
    (Kind.HELD_IS_NOT_THE_SUM, nothing, lambda books: books.update(USER, held=3), {(USER,)}),
    (
        Kind.HELD_IS_NOT_THE_OPEN_HOLDS,
        queued,
        lambda books: books.copy(f"{ENTRY}_hold", "users/ann/ledger/mine", kind="grant", jobId=None).update(
            USER, held=2
        ),
        {(USER, HOLD)},
    ),
    (
        Kind.BALANCE_BELOW_HELD,
        queued,
        lambda books: books.update("users/ann/ledger/initial_grant", tokens=0).update(USER, tokens=0, ledgerTokens=0),
        {(USER,)},
    ),
    (
        Kind.COMPLETED_NOT_CHARGED,
        completed,
        put_in_the_place_of_the_capture,
        {(VIDEO_JOB, HOLD, f"{ENTRY}_release")},
    ),
    (
        Kind.CHARGED_TWICE,
        completed,
        lambda books: books.copy(f"{ENTRY}_capture", "users/ann/ledger/again").update(
            USER, tokens=18, ledgerTokens=18, held=-1
        ),
        {(HOLD, f"{ENTRY}_capture", "users/ann/ledger/again")},
    ),
    (Kind.CHARGED_WRONG_PRICE, completed, charge_more, {(HOLD, f"{ENTRY}_capture")}),
    (
        Kind.CHARGED_WRONG_PRICE,
        completed,
        lambda books: books.update(VIDEO_JOB, priceTokens=2),
        {(VIDEO_JOB, HOLD)},
    ),
    (
        Kind.HELD_TWICE,
        queued,
        lambda books: books.copy(f"{ENTRY}_hold", "users/ann/ledger/again").update(USER, held=2),
        {(HOLD, f"{ENTRY}_hold", "users/ann/ledger/again")},
    ),
    (Kind.HELD_WRONG_PRICE, queued, hold_more, {(HOLD, f"{ENTRY}_hold")}),
    (Kind.HELD_WRONG_PRICE, queued, lambda books: books.update(VIDEO_JOB, priceTokens=2), {(VIDEO_JOB, HOLD)}),
    (
        Kind.RELEASED_TWICE,
        completed,
        release_too,
        {(HOLD, f"{ENTRY}_capture", f"{ENTRY}_release")},
    ),
    (
        Kind.UNFINISHED_OR_FAILED_BUT_CHARGED,
        completed,
        lambda books: books.update(VIDEO_JOB, status="failed"),
        {(VIDEO_JOB, HOLD, f"{ENTRY}_capture")},
    ),
    (
        Kind.UNFINISHED_OR_FAILED_BUT_CHARGED,
        completed,
        lambda books: books.update(VIDEO_JOB, status="in_progress"),
        {(VIDEO_JOB, HOLD, f"{ENTRY}_capture")},
    ),
    (
        Kind.SETTLED_BUT_UNFINISHED,
        failed,
        lambda books: books.update(VIDEO_JOB, status="in_progress"),
        {(VIDEO_JOB, HOLD, f"{ENTRY}_release")},
    ),
    (Kind.ENDED_WITH_OPEN_HOLD, ended, nothing, {(VIDEO_JOB, HOLD)}),
    (
        Kind.HOLD_IS_NOT_ITS_ENTRIES,
        failed,
        lambda books: books.delete(f"{ENTRY}_release").update(USER, held=1),
        {(HOLD, f"{ENTRY}_hold")},
    ),
    (
        Kind.HOLD_IS_NOT_ITS_ENTRIES,
        completed,
        lambda books: books.update(HOLD, state="held"),
        {(HOLD, f"{ENTRY}_capture", f"{ENTRY}_hold")},
    ),
    (Kind.HOLD_WITHOUT_JOB, queued, lambda books: books.delete(VIDEO_JOB), {(HOLD,)}),
    (Kind.HOLD_WITHOUT_JOB, completed, lambda books: books.update(VIDEO_JOB, userId="bob"), {(HOLD, VIDEO_JOB)}),
    (Kind.JOB_WITHOUT_HOLD, queued, lambda books: books.delete(HOLD), {(VIDEO_JOB, f"{ENTRY}_hold")}),
    (
        Kind.JOB_WITHOUT_HOLD,
        completed,
        lambda books: books.update(HOLD, userId="bob"),
        {(VIDEO_JOB, HOLD, f"{ENTRY}_capture", f"{ENTRY}_hold")},
    ),
    (
        Kind.ENTRY_WITHOUT_HOLD,
        completed,
        lambda books: books.delete(HOLD).delete(VIDEO_JOB),
        {(f"{ENTRY}_capture", f"{ENTRY}_hold")},
    ),
]
# What the trigger does when its event is not lost; nothing else is certain.
REPAIRED = {Kind.BALANCE_IS_NOT_THE_SUM, Kind.HELD_IS_NOT_THE_SUM, Kind.ENDED_WITH_OPEN_HOLD}


def test_every_kind_is_planted() -> None:
    assert {plant[0] for plant in PLANTS} == set(Kind)


@pytest.mark.parametrize(
    ("kind", "begin", "plant", "documents"), PLANTS, ids=[f"{number}-{plant[0]}" for number, plant in enumerate(PLANTS)]
)
def test_what_is_planted_is_found_by_its_kind_and_documents_and_repaired_where_that_is_certain(
    books: Books, kind: Kind, begin: Plant, plant: Plant, documents: set[tuple[str, ...]]
) -> None:
    begin(books)
    before = books.audit(later=timedelta())
    plant(books)

    found = books.audit()
    repaired = books.audit(repair=True)

    assert before == []
    assert found == [(kind, each, False) for each in documents]
    assert repaired == [(kind, each, kind in REPAIRED) for each in documents]
    assert books.audit() == ([] if kind in REPAIRED else found)


@pytest.mark.parametrize("status", list(JobStatus))
def test_books_of_every_state_agree(books: Books, status: JobStatus) -> None:
    books.job(status, price=3)
    books.job(JobStatus.QUEUED, job_id="2" * 32)
    books.deliver(books.edit(tokens=100))

    assert books.audit() == []


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_job_has_ten_minutes_for_its_settlement(books: Books, status: JobStatus) -> None:
    books.job(status, is_settled=False)

    early = books.audit(repair=True, later=timedelta(minutes=9))

    assert early == []
    assert books.audit(repair=True, later=timedelta(minutes=11)) == [
        (Kind.ENDED_WITH_OPEN_HOLD, (VIDEO_JOB, HOLD), True)
    ]
    books.assert_books_agree()
    assert books.amounts[0] == (19 if status is JobStatus.COMPLETED else 20)


def test_an_edit_has_ten_minutes_for_its_event(books: Books) -> None:
    books.edit(tokens=100)

    early = books.audit(repair=True, later=timedelta(minutes=9))

    assert early == []
    assert books.audit(repair=True, later=timedelta(minutes=11)) == [(Kind.BALANCE_IS_NOT_THE_SUM, (USER,), True)]
    assert books.amounts == (100, 100, 0)
    books.assert_books_agree()


def test_where_the_ledger_may_lack_something_the_balance_is_not_brought_to_its_sum(books: Books) -> None:
    books.job(JobStatus.COMPLETED)
    books.delete(f"{ENTRY}_capture")
    before = books.fields, books.entries

    found = books.audit(repair=True)

    assert [each[0] for each in found] == [
        Kind.COMPLETED_NOT_CHARGED,
        Kind.BALANCE_IS_NOT_THE_SUM,
        Kind.HELD_IS_NOT_THE_SUM,
    ]
    assert not any(is_repaired for _, _, is_repaired in found)
    assert (books.fields, books.entries) == before


def test_what_a_settlement_needs_first_is_repaired_with_it(books: Books) -> None:
    books.job(JobStatus.COMPLETED, is_settled=False)
    books.update(USER, held=0)

    found = books.audit(repair=True)

    assert [(kind, is_repaired) for kind, _, is_repaired in found] == [
        (Kind.ENDED_WITH_OPEN_HOLD, True),
        (Kind.HELD_IS_NOT_THE_SUM, True),
    ]
    assert books.amounts == (19, 19, 0)
    books.assert_books_agree()


def test_of_a_deleted_account_settled_holds_without_jobs_agree(books: Books) -> None:
    books.job(JobStatus.COMPLETED)
    books.job(JobStatus.FAILED, job_id="2" * 32)
    for job_id in (JOB, "2" * 32):
        books.delete(f"videoJobs/{job_id}")
    books.update(USER, deletedAt=datetime.now(UTC), name="", email="")

    assert books.audit() == []


def test_of_a_deleted_account_an_open_hold_without_a_job_is_found(books: Books) -> None:
    books.job(JobStatus.QUEUED)
    books.delete(VIDEO_JOB)
    books.update(USER, deletedAt=datetime.now(UTC), name="", email="")

    assert books.audit(repair=True) == [(Kind.HOLD_WITHOUT_JOB, (HOLD,), False)]


@pytest.mark.parametrize("is_deleted", [False, True], ids=["of a user", "of a deleted account"])
def test_the_hold_of_a_job_that_is_gone_is_given_back_when_no_job_lives_longer(
    books: Books, *, is_deleted: bool
) -> None:
    books.job(JobStatus.QUEUED)
    books.delete(VIDEO_JOB)
    if is_deleted:
        books.update(USER, deletedAt=datetime.now(UTC), name="", email="")
    made_at = books.db.document(HOLD).get().get("createdAt")

    snapshot = books.db.document("videoJobSnapshots", JOB)
    snapshot.set({"jobId": JOB})
    books.update(HOLD, createdAt=made_at - DEADLINE + timedelta(minutes=5))
    too_early = books.audit(repair=True, later=timedelta(0))
    books.update(HOLD, createdAt=made_at - DEADLINE - timedelta(days=1))

    assert too_early == [(Kind.HOLD_WITHOUT_JOB, (HOLD,), False)]
    assert books.audit(repair=True) == [(Kind.HOLD_WITHOUT_JOB, (HOLD,), True)]
    assert books.audit() == []
    assert books.amounts == (20, 20, 0)
    assert not snapshot.get().exists


def edit_the_price(books: Books) -> None:
    books.update(HOLD, priceTokens=5)


def capture_without_saying_so(books: Books) -> None:
    books.copy(f"{ENTRY}_hold", f"{ENTRY}_capture", kind="capture", tokens=-1, held=-1)


@pytest.mark.parametrize("edit", [edit_the_price, capture_without_saying_so])
def test_an_old_hold_without_a_job_that_its_entries_contradict_is_left_to_a_person(books: Books, edit: Plant) -> None:
    books.job(JobStatus.QUEUED)
    books.delete(VIDEO_JOB)
    books.update(HOLD, createdAt=datetime.now(UTC) - DEADLINE - timedelta(days=1))
    edit(books)

    assert (Kind.HOLD_WITHOUT_JOB, (HOLD,), False) in books.audit(repair=True)


def test_an_entry_of_no_finite_number_is_named(books: Books) -> None:
    books.copy("users/ann/ledger/initial_grant", "users/ann/ledger/odd", tokens=float("nan"))

    assert (Kind.MALFORMED_ENTRY, ("users/ann/ledger/odd",), False) in books.audit()


@pytest.mark.parametrize("event", ["start", "settle", "start and settle"])
def test_a_user_who_changes_between_two_reads_gives_no_false_alarm(
    books: Books, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    """Each read of the audit is followed by a change, which the next one would see if they were not of one moment."""
    books.job(JobStatus.COMPLETED, is_settled=event != "settle")
    calls = ("run_query", "batch_get_documents")
    real = {name: getattr(books.db._firestore_api, name) for name in calls}
    changes = []

    def change() -> None:
        changes.append(event)
        if event != "settle":
            status = JobStatus.QUEUED if event == "start" else JobStatus.COMPLETED
            books.job(status, job_id=f"{len(changes) + 10:032x}")
        elif len(changes) == 1:
            assert settle_job(books.db, JOB, datetime.now(UTC))

    def watched(name: str) -> Callable[..., Any]:
        def read_and_change(*arguments: Any, **named: Any) -> Any:
            answer = list(real[name](*arguments, **named))
            with monkeypatch.context() as undone:
                for each in calls:
                    undone.setattr(books.db._firestore_api, each, real[each])
                change()
            return iter(answer)

        return read_and_change

    with monkeypatch.context() as watching:
        for name in calls:
            watching.setattr(books.db._firestore_api, name, watched(name))
        records = read_records(books.db, "ann")

    assert len(changes) == 4
    assert check_user(records, datetime.now(UTC)) == []
    assert list(records.jobs) == [JOB]
    assert books.audit() == []


def test_all_users_are_audited_and_the_jobs_and_holds_of_nobody(
    books: Books, db: "Client", make_user: MakeUser
) -> None:
    for number in range(230):
        db.document("users", f"user{number:03}").set(books.fields | {"held": 1 if number == 229 else 0})
        db.document("users", f"user{number:03}", "ledger", "grant").set(
            db.document("users/ann/ledger/initial_grant").get().to_dict() or {}
        )
    make_user("bob")
    books.job(JobStatus.COMPLETED)
    books.copy(VIDEO_JOB, f"videoJobs/{'3' * 32}", jobId="3" * 32, userId="nobody")
    books.copy(VIDEO_JOB, f"videoJobs/{'4' * 32}", jobId="4" * 32, userId=5)
    books.copy(VIDEO_JOB, f"videoJobs/{'5' * 32}", jobId="5" * 32, userId=["ann"])
    books.copy(HOLD, f"holds/{'6' * 32}", jobId="6" * 32, userId="noone", state="held")
    books.copy(HOLD, f"holds/{'7' * 32}", jobId="7" * 32, userId=None, state="held")
    books.copy(HOLD, f"holds/{'8' * 32}", jobId="8" * 32, userId={"id": "ann"}, state="held")

    pages = list(audit_pages(db, Place(), lambda: datetime.now(UTC) + FINISHED, repair=False))

    found = {
        (each.disagreement.kind, each.disagreement.documents[0], each.user_id)
        for page in pages
        for each in page.findings
    }
    assert found == {
        (Kind.HELD_IS_NOT_THE_SUM, "users/user229", "user229"),
        (Kind.JOB_WITHOUT_HOLD, f"videoJobs/{'3' * 32}", "nobody"),
        (Kind.MALFORMED_JOB, f"videoJobs/{'4' * 32}", ""),
        (Kind.MALFORMED_JOB, f"videoJobs/{'5' * 32}", ""),
        (Kind.HOLD_WITHOUT_JOB, f"holds/{'6' * 32}", "noone"),
        (Kind.MALFORMED_HOLD, f"holds/{'7' * 32}", ""),
        (Kind.MALFORMED_HOLD, f"holds/{'8' * 32}", ""),
    }
    assert sum(page.users for page in pages) == 232
    assert [page.next.collection if page.next else None for page in pages] == [
        "users",
        "users",
        "videoJobs",
        "holds",
        None,
    ]


@pytest.mark.parametrize("status", ENDED)
def test_a_job_whose_user_an_admin_deleted_agrees_when_it_was_settled(books: Books, status: JobStatus) -> None:
    books.job(status, is_settled=False)
    books.delete(USER)
    assert settle_job(books.db, JOB, datetime.now(UTC))

    assert books.audit() == []


def test_the_audit_reads_as_much_as_the_manual_says(books: Books, db: "Client", make_user: MakeUser) -> None:
    counted = count_calls(db)
    reads = []

    def audit() -> None:
        before = counted.reads
        assert [page.findings for page in audit_pages(db, Place(), lambda: datetime.now(UTC), repair=True)] == [()] * 3
        reads.append(counted.reads - before)

    for number in range(2):
        books.job(JobStatus.COMPLETED, job_id=f"{number:032x}")
    audit()
    make_user("bob")
    audit()
    books.job(JobStatus.COMPLETED)
    audit()

    # Whose user is read for a page of jobs is read once for all of them.
    assert (reads[1] - reads[0], reads[2] - reads[1]) == (5, 6)

"""What must be true of a user's money and of every job of theirs, and what of it is not.

Pure rules over the user's documents as of one moment (tokens.audit_records). A disagreement names its documents; one
whose repair is certain says which. What every kind means and what to do is in docs/operations.md.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from accounts.users import User
from contracts.video_job import JobStatus, VideoJob
from tokens.balance import is_whole_number
from tokens.ledger import Hold, LedgerEntry
from tokens.orphaned_hold import is_orphaned

Fields = Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)

# The trigger of an ended job, or of an admin's edit, and the minute function have not had their time before.
PATIENCE = timedelta(minutes=10)


class Kind(StrEnum):
    """In what way documents disagree."""

    MALFORMED_USER = "malformed_user"
    MALFORMED_ENTRY = "malformed_entry"
    MALFORMED_HOLD = "malformed_hold"
    MALFORMED_JOB = "malformed_job"
    BALANCE_IS_NOT_THE_SUM = "balance_is_not_the_sum"
    HELD_IS_NOT_THE_SUM = "held_is_not_the_sum"
    HELD_IS_NOT_THE_OPEN_HOLDS = "held_is_not_the_open_holds"
    BALANCE_BELOW_HELD = "balance_below_held"
    COMPLETED_NOT_CHARGED = "completed_not_charged"
    CHARGED_TWICE = "charged_twice"
    CHARGED_WRONG_PRICE = "charged_wrong_price"
    HELD_TWICE = "held_twice"
    HELD_WRONG_PRICE = "held_wrong_price"
    RELEASED_TWICE = "released_twice"
    UNFINISHED_OR_FAILED_BUT_CHARGED = "unfinished_or_failed_but_charged"
    SETTLED_BUT_UNFINISHED = "settled_but_unfinished"
    ENDED_WITH_OPEN_HOLD = "ended_with_open_hold"
    HOLD_IS_NOT_ITS_ENTRIES = "hold_is_not_its_entries"
    HOLD_WITHOUT_JOB = "hold_without_job"
    JOB_WITHOUT_HOLD = "job_without_hold"
    ENTRY_WITHOUT_HOLD = "entry_without_hold"


class Repair(NamedTuple):
    """What certainly puts a disagreement right: of a user, of an ended job, or of the hold of a job that is gone."""

    by: Literal["reconcile_user", "settle_job", "release_hold"]
    of: str


class Disagreement(NamedTuple):
    kind: Kind
    documents: tuple[str, ...]
    repair: Repair | None = None


@dataclass(frozen=True)
class Records:
    """All that the audit reads of one user, by the documents' ids.

    `user` is None where there is no document, and `user_written_at` when it was written last. The ledger goes on
    without: the next sign-in makes the document again from its sums. Holds and jobs are the user's own, and those that
    have the id of one of the user's holds, jobs or entries.
    """

    user_id: str
    user: Fields | None
    user_written_at: datetime | None
    entries: Mapping[str, Fields]
    holds: Mapping[str, Fields]
    jobs: Mapping[str, Fields]

    @property
    def own_jobs(self) -> list[str]:
        return [job_id for job_id, fields in self.jobs.items() if fields.get("userId") == self.user_id]


@dataclass(frozen=True)
class _Parsed:
    """The records that are what they should be, and the jobs of which one is not: that alone is told of them."""

    entries: dict[str, LedgerEntry]
    holds: dict[str, Hold]
    jobs: dict[str, VideoJob]
    damaged: frozenset[str]


def check_user(records: Records, now: datetime) -> list[Disagreement]:
    """All that disagrees in the user's documents as of now."""
    parsed, malformed = _parse(records)
    job_ids = {*parsed.holds, *records.own_jobs, *(entry.job_id for entry in parsed.entries.values() if entry.job_id)}
    of_jobs = [
        disagreement
        for job_id in sorted(job_ids - parsed.damaged)
        for disagreement in _check_job(records, parsed, job_id, now)
    ]
    found = [*malformed, *of_jobs]
    if _is_certain(found):
        # It would follow from what is found already; by itself it says that some document should not be there.
        found += _check_open_holds(records, parsed)
    if records.user is not None:
        found += _check_books(records, records.user, now, are_whole=_is_certain(found))
    return found


def _is_certain(found: Iterable[Disagreement]) -> bool:
    """Whether all that was found is put right without a doubt."""
    return all(each.repair for each in found)


def _parse(records: Records) -> tuple[_Parsed, list[Disagreement]]:
    entries = {each: _read(LedgerEntry, fields, strict=True) for each, fields in records.entries.items()}
    holds = {each: _read(Hold, fields, strict=True) for each, fields in records.holds.items()}
    jobs = {each: _read(VideoJob, fields) for each, fields in records.jobs.items()}
    bad_entries = [each for each, entry in entries.items() if entry is None or not _is_complete(entry)]
    bad_holds = [each for each, hold in holds.items() if hold is None or hold.job_id != each or hold.price_tokens < 0]
    bad_jobs = [
        each
        for each, job in jobs.items()
        # A model of both deployments is lenient: it would take a text for a number.
        if job is None or job.job_id != each or not is_whole_number(records.jobs[each].get("priceTokens"))
    ]
    malformed = [
        *(Disagreement(Kind.MALFORMED_ENTRY, (_entry(records, each),)) for each in bad_entries),
        *(Disagreement(Kind.MALFORMED_HOLD, (_hold(each),)) for each in bad_holds),
        *(Disagreement(Kind.MALFORMED_JOB, (_job(each),)) for each in bad_jobs),
    ]
    if records.user is not None and _read(User, {**records.user, "id": records.user_id}) is None:
        malformed.append(Disagreement(Kind.MALFORMED_USER, (_user(records),)))
    parsed = _Parsed(
        entries={each: entry for each, entry in entries.items() if entry is not None and each not in bad_entries},
        holds={each: hold for each, hold in holds.items() if hold is not None and each not in bad_holds},
        jobs={each: job for each, job in jobs.items() if job is not None and each not in bad_jobs},
        damaged=frozenset({*bad_holds, *bad_jobs, *(each.rpartition("_")[0] for each in bad_entries)}),
    )
    return parsed, malformed


def _read(model: type[Model], fields: Fields, *, strict: bool | None = None) -> Model | None:
    try:
        return model.model_validate(dict(fields), strict=strict)
    except ValidationError:
        return None


def _is_complete(entry: LedgerEntry) -> bool:
    """Whether a video's entry says whose it is."""
    return entry.kind in {"grant", "adjustment"} or bool(entry.job_id)


def _check_books(records: Records, user: Fields, now: datetime, *, are_whole: bool) -> Iterator[Disagreement]:
    """The document has the sums of its ledger. Where that may lack something, its sums are no reason to repair."""
    tokens, held = (_sum(records, field) for field in ("tokens", "held"))
    is_deleted = bool(user.get("deletedAt"))
    # A deleted account has no balance that anybody sees or edits, and reconciliation leaves it alone.
    repair = Repair("reconcile_user", records.user_id) if are_whole and not is_deleted else None
    in_books = _is(user.get("ledgerTokens"), tokens)
    is_fresh = records.user_written_at is not None and records.user_written_at > now - PATIENCE
    may_be_an_edit = is_deleted or (in_books and is_fresh)
    if not in_books or not (_is(user.get("tokens"), tokens) or may_be_an_edit):
        yield Disagreement(Kind.BALANCE_IS_NOT_THE_SUM, (_user(records),), repair)
    if not _is(user.get("held"), held):
        yield Disagreement(Kind.HELD_IS_NOT_THE_SUM, (_user(records),), repair)
    if are_whole and not 0 <= held <= tokens:
        yield Disagreement(Kind.BALANCE_BELOW_HELD, (_user(records),))


def _check_open_holds(records: Records, parsed: _Parsed) -> Iterator[Disagreement]:
    is_open = {
        job_id: hold
        for job_id, hold in parsed.holds.items()
        if hold.state == "held" and hold.user_id == records.user_id
    }
    if sum(hold.price_tokens for hold in is_open.values()) != _sum(records, "held"):
        yield Disagreement(Kind.HELD_IS_NOT_THE_OPEN_HOLDS, (_user(records), *map(_hold, is_open)))


def _check_job(records: Records, parsed: _Parsed, job_id: str, now: datetime) -> Iterator[Disagreement]:
    """The job, its hold and its entries, of which one at least is the user's."""
    job, hold = parsed.jobs.get(job_id), parsed.holds.get(job_id)
    entries = {each: entry for each, entry in parsed.entries.items() if entry.job_id == job_id}
    in_ledger = tuple(_entry(records, each) for each in entries)
    is_own_job = job is not None and job.user_id == records.user_id
    if hold is None or hold.user_id != records.user_id:
        others = (_hold(job_id),) if hold else ()
        if is_own_job:
            yield Disagreement(Kind.JOB_WITHOUT_HOLD, (_job(job_id), *others, *in_ledger))
        elif entries:
            yield Disagreement(Kind.ENTRY_WITHOUT_HOLD, (*in_ledger, *others))
        return
    if job is None or not is_own_job:
        # With an account its jobs go; the ledger and the settled holds stay. What cost nothing may lack its job anyway.
        is_gone = records.user is None or bool(records.user.get("deletedAt"))
        if job is not None or hold.state == "held" or (hold.state == "captured" and not is_gone):
            agrees = _is_as_its_entries(hold, entries) and not any(_check_entries(records, hold, None, entries))
            is_certain = job_id not in records.jobs and is_orphaned(hold, now) and agrees
            repair = Repair("release_hold", job_id) if is_certain else None
            yield Disagreement(Kind.HOLD_WITHOUT_JOB, (_hold(job_id), *((_job(job_id),) if job else ())), repair)
            return
    found = [
        *_check_entries(records, hold, job, entries),
        *(_check_charge(records, hold, job, entries, now) if job else ()),
    ]
    yield from found
    if not found and not _is_as_its_entries(hold, entries):
        yield Disagreement(Kind.HOLD_IS_NOT_ITS_ENTRIES, (_hold(job_id), *in_ledger))


def _check_entries(
    records: Records, hold: Hold, job: VideoJob | None, entries: Mapping[str, LedgerEntry]
) -> Iterator[Disagreement]:
    """Each movement of the hold's price was made once at the most, and of that price."""
    held, captured, released = (_of_kind(entries, kind) for kind in ("hold", "capture", "release"))

    def report(kind: Kind, ids: Mapping[str, LedgerEntry]) -> Disagreement:
        return Disagreement(kind, (_hold(hold.job_id), *(_entry(records, each) for each in ids)))

    if len(held) > 1:
        yield report(Kind.HELD_TWICE, held)
    if len(captured) > 1:
        yield report(Kind.CHARGED_TWICE, captured)
    if released and len(released) + len(captured) > 1:
        yield report(Kind.RELEASED_TWICE, captured | released)
    price = hold.price_tokens
    wrong = {each: entry for each, entry in captured.items() if (entry.tokens, entry.held) != (-price, -price)}
    if wrong:
        yield report(Kind.CHARGED_WRONG_PRICE, wrong)
    wrong = {each: entry for each, entry in held.items() if (entry.tokens, entry.held) != (0, price)}
    wrong |= {each: entry for each, entry in released.items() if (entry.tokens, entry.held) != (0, -price)}
    if wrong:
        yield report(Kind.HELD_WRONG_PRICE, wrong)
    if job is not None and job.price_tokens != price:
        kind = Kind.CHARGED_WRONG_PRICE if captured else Kind.HELD_WRONG_PRICE
        yield Disagreement(kind, (_job(hold.job_id), _hold(hold.job_id)))


def _check_charge(
    records: Records, hold: Hold, job: VideoJob, entries: Mapping[str, LedgerEntry], now: datetime
) -> Iterator[Disagreement]:
    """A completed job is paid, every other one is not, and an ended one's hold is settled."""
    captured, released = (_of_kind(entries, kind) for kind in ("capture", "release"))
    documents = (_job(job.job_id), _hold(job.job_id), *(_entry(records, each) for each in captured | released))
    if hold.state == "held" and not captured and not released:
        is_due = job.completed_at is None or job.completed_at <= now - PATIENCE
        if job.status.is_terminal and is_due:
            yield Disagreement(Kind.ENDED_WITH_OPEN_HOLD, documents, Repair("settle_job", job.job_id))
    elif job.status is JobStatus.COMPLETED:
        if not captured:
            yield Disagreement(Kind.COMPLETED_NOT_CHARGED, documents)
    elif captured or hold.state == "captured":
        yield Disagreement(Kind.UNFINISHED_OR_FAILED_BUT_CHARGED, documents)
    elif not job.status.is_terminal:
        yield Disagreement(Kind.SETTLED_BUT_UNFINISHED, documents)


def _is_as_its_entries(hold: Hold, entries: Mapping[str, LedgerEntry]) -> bool:
    """Whether the ledger has what the hold's state says, no more and no less."""
    settlement = {"held": [], "captured": ["capture"], "released": ["release"]}[hold.state]
    return sorted(entry.kind for entry in entries.values()) == sorted(["hold", *settlement])


def _of_kind(entries: Mapping[str, LedgerEntry], kind: str) -> dict[str, LedgerEntry]:
    return {each: entry for each, entry in entries.items() if entry.kind == kind}


def _sum(records: Records, field: str) -> int:
    """As Firestore adds up: what is no number counts as nothing. Here, what is no finite one neither."""
    amounts = (fields.get(field) for fields in records.entries.values())
    numbers = (each for each in amounts if isinstance(each, int | float) and not isinstance(each, bool))
    return int(sum(each for each in numbers if math.isfinite(each)))


def _is(stored: object, value: int) -> bool:
    return is_whole_number(stored) and stored == value


def _user(records: Records) -> str:
    return f"users/{records.user_id}"


def _entry(records: Records, entry_id: str) -> str:
    return f"users/{records.user_id}/ledger/{entry_id}"


def _hold(job_id: str) -> str:
    return f"holds/{job_id}"


def _job(job_id: str) -> str:
    return f"videoJobs/{job_id}"

"""What must be true of the documents and objects, read plainly: nothing here is the product's, so it shares no mistake.

`unsound` holds at every moment, between any two commits: money. `unrest` holds when nothing is due any more: every
event was delivered, every task ended, every clock has run. Both return what is wrong, in sentences, and [] when all
is well.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from google.cloud.firestore_v1._helpers import decode_dict
from google.cloud.firestore_v1.types import Document, RunQueryRequest, StructuredQuery

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

Fields = dict[str, Any]
# All documents of a database by their paths, at any depth.
Documents = Mapping[str, Fields]

_ENDED = {"completed", "failed", "cancelled"}
_OURS = ("recordings/", "images/", "lines/", "videos/", "library/")
_GIVEN_UP = {"ATTEMPTS_USED_UP", "DEADLINE_EXCEEDED"}
# What is in the log of every ended job, once each.
_SAID_OF = {
    "completed": ["tokens_deducted", "video_generation_completed", "video_generation_started"],
    "failed": ["video_generation_failed", "video_generation_started"],
    "cancelled": ["video_generation_failed", "video_generation_started"],
}


def assert_sound(db: "Client") -> None:
    """The money is right, whatever is still under way."""
    found = unsound(read_documents(db))
    assert not found, "\n".join(found)


def assert_at_rest(db: "Client", bucket: "Bucket | None" = None, *, swept: bool = False) -> None:
    """Everything is right and nothing is left to do. `swept`: objects that no document names were removed as well."""
    found = at_rest_problems(db, bucket, swept=swept)
    assert not found, "\n".join(found)


def at_rest_problems(db: "Client", bucket: "Bucket | None" = None, *, swept: bool = False) -> list[str]:
    documents = read_documents(db)
    objects = None if bucket is None else [blob.name for blob in bucket.list_blobs()]
    return unsound(documents) + unrest(documents, objects, swept=swept)


def read_documents(db: "Client") -> Documents:
    """All documents, of all collections at once, by one query that no wrapped connection of the client sees."""
    anything = StructuredQuery(from_=[StructuredQuery.CollectionSelector(all_descendants=True)])
    root = f"{db._database_string}/documents"
    api = db._firestore_api
    while hasattr(api, "unwatched"):
        api = api.unwatched
    answers = api.run_query(request=RunQueryRequest(parent=root, structured_query=anything), metadata=db._rpc_metadata)
    return {
        each.document.name.removeprefix(f"{root}/"): read_fields(each.document, db)
        for each in answers
        if each.document.name
    }


def read_fields(document: Document, db: "Client") -> Fields:
    """What a document holds, as it comes over the wire."""
    # The package's own types allow for vectors and references, of which there are none.
    return cast("Fields", decode_dict(document.fields, db))


def unsound(documents: Documents) -> list[str]:
    """What is wrong with the money at any moment. An admin's edit that is not entered yet is not taken for wrong."""
    wrong: list[str] = []
    holds = dict(_within(documents, "holds"))
    for user_id, user in _within(documents, "users"):
        wrong += [f"users/{user_id}: {each}" for each in _wrong_balance(user, _ledger(documents, user_id))]
        promised = sum(
            each["priceTokens"] for each in holds.values() if (each["userId"], each["state"]) == (user_id, "held")
        )
        if user["held"] != promised:
            wrong.append(f"users/{user_id}: {user['held']} held, and the open holds are of {promised}")
    jobs = dict(_within(documents, "videoJobs"))
    for job_id, hold in holds.items():
        entries = [each for each in _ledger(documents, hold["userId"]) if each.get("jobId") == job_id]
        wrong += [f"holds/{job_id}: {each}" for each in _wrong_hold(hold, entries, jobs.get(job_id))]
    wrong += [f"videoJobs/{job_id}: has no hold" for job_id in jobs if job_id not in holds]
    for path, entry in documents.items():
        if "/ledger/" in path and entry.get("jobId") and entry["jobId"] not in holds:
            wrong.append(f"{path}: its job has no hold")
    return wrong


def _wrong_balance(user: Fields, ledger: list[Fields]) -> Iterator[str]:
    tokens, held, copied = user["tokens"], user["held"], user["ledgerTokens"]
    if tokens < 0:
        yield f"has {tokens} tokens"
    if not 0 <= held <= tokens:
        yield f"{held} of {tokens} tokens are held"
    if copied != sum(each["tokens"] for each in ledger):
        yield f"ledgerTokens is {copied}, and the ledger adds up to {sum(each['tokens'] for each in ledger)}"
    if held != sum(each["held"] for each in ledger):
        yield f"{held} held, and the ledger holds {sum(each['held'] for each in ledger)}"


def _wrong_hold(hold: Fields, entries: list[Fields], job: Fields | None) -> Iterator[str]:
    """`entries` are the ledger's of its job, which is None when it is no longer there."""
    price, state = hold["priceTokens"], hold["state"]
    amounts = {
        "hold": (0, price),
        "capture": (-price, -price),
        "release": (0, -price),
    }
    expected = {"held": ["hold"], "captured": ["capture", "hold"], "released": ["hold", "release"]}[state]
    if sorted(each["kind"] for each in entries) != expected:
        yield f"is {state}, and the ledger says {sorted(each['kind'] for each in entries)}"
    for each in entries:
        if (each["tokens"], each["held"]) != amounts[each["kind"]]:
            yield f"a {each['kind']} of {each['tokens']} tokens and {each['held']} held, at a price of {price}"
    if job is None:
        if state == "held":
            yield "is open, and its job is gone"
        return
    if (job["userId"], job["priceTokens"]) != (hold["userId"], price):
        yield "is of another user or price than its job"
    pays = {"completed": "captured", "failed": "released", "cancelled": "released"}.get(job["status"])
    if state not in {"held", pays}:
        yield f"is {state}, and its job {job['status']}"


def unrest(documents: Documents, objects: Collection[str] | None = None, *, swept: bool = False) -> list[str]:
    """What is left undone, or was done twice. Only with the bucket's objects is media looked at."""
    wrong: list[str] = []
    for user_id, user in _within(documents, "users"):
        if user["tokens"] != user["ledgerTokens"]:
            wrong.append(f"users/{user_id}: {user['tokens']} tokens, and {user['ledgerTokens']} by the ledger")
        if user.get("deletedAt"):
            wrong += _left_of_account(documents, objects or (), user_id)
        elif not user.get("activitiesClearedAt"):
            wrong += _wrong_log(documents, user_id)
    wrong += [f"holds/{job_id}: still open" for job_id, hold in _within(documents, "holds") if hold["state"] == "held"]
    wrong += _restless_jobs(documents)
    wrong += _wrong_letters(documents)
    for collection in ("videoJobSnapshots", "mediaDeletions", "accountDeletions"):
        wrong += [f"{collection}/{each}: still there" for each, _ in _within(documents, collection)]
    if objects is not None:
        wrong += _wrong_media(documents, objects, swept=swept)
    return wrong


def _wrong_log(documents: Documents, user_id: str) -> Iterator[str]:
    """Of each job is told once what became of it, and nothing more is told; the statistics count what is there."""
    log = dict(_within(documents, f"users/{user_id}/activities"))
    own = [(job_id, job) for job_id, job in _within(documents, "videoJobs") if job["userId"] == user_id]
    told: Counter[str] = Counter()
    for job_id, job in own:
        said = sorted(entry["type"] for each, entry in log.items() if each.startswith(job_id))
        told.update(said)
        if said != _SAID_OF.get(job["status"], said):
            yield f"videoJobs/{job_id}: is {job['status']}, and the log says {said}"
    by_type = Counter(entry["type"] for entry in log.values())
    for type_, count in by_type.items():
        if (type_.startswith("video_") or type_ == "tokens_deducted") and count != told[type_]:
            yield f"users/{user_id}: {count} times {type_} in the log, and {told[type_]} by the jobs"
    stats = documents.get(f"activityStats/{user_id}", {})
    if stats.get("totalActivities", 0) != len(log):
        yield f"users/{user_id}: {stats.get('totalActivities', 0)} activities are counted, and {len(log)} in the log"


def _restless_jobs(documents: Documents) -> Iterator[str]:
    """A job has ended and nobody looks at it again, and the video of a completed one is its script's."""
    for job_id, job in _within(documents, "videoJobs"):
        if job["status"] not in _ENDED:
            yield f"videoJobs/{job_id}: still {job['status']}"
        if job.get("checkAt") is not None:
            yield f"videoJobs/{job_id}: still to be looked at, {job['checkAt']}"
        script = documents.get(f"scripts/{job['scriptId']}", {})
        if job["status"] == "completed" and script.get("videoJobId") == job_id:
            shown, made = script.get("video") or {}, job.get("video") or {}
            if shown.get("objectName") != made.get("objectName"):
                yield f"videoJobs/{job_id}: is completed, and its script shows {shown.get('objectName')}"


def _wrong_letters(documents: Documents) -> Iterator[str]:
    """Who was given up has a dead letter, and nobody else; it says the same as the job."""
    jobs = dict(_within(documents, "videoJobs"))
    letters = dict(_within(documents, "deadLetters"))
    for job_id, job in jobs.items():
        if job.get("errorCode") in _GIVEN_UP and job_id not in letters:
            yield f"videoJobs/{job_id}: failed with {job['errorCode']}, and has no dead letter"
    for job_id, letter in letters.items():
        same = ("jobId", "userId", "scriptId", "backgroundVideo", "errorCode", "attempts")
        job = jobs.get(job_id, {})
        differing = [name for name in same if letter.get(name) != job.get(name)]
        if job.get("status") != "failed" or differing:
            yield f"deadLetters/{job_id}: its job is {job.get('status')} and has another {differing}"


def _left_of_account(documents: Documents, objects: Collection[str], user_id: str) -> Iterator[str]:
    """A deleted account has its ledger, adjustments and holds, and nothing else."""
    kept = {f"users/{user_id}"}
    for path, fields in documents.items():
        is_below = path.startswith(f"users/{user_id}/") and path.split("/")[2] not in {"ledger", "adjustments"}
        is_owned = user_id in {fields.get("userId"), fields.get("ownerId")} and not path.startswith("holds/")
        is_named = path in {f"stars/{user_id}", f"activityStats/{user_id}"}
        if path not in kept and (is_below or is_owned or is_named):
            yield f"{path}: outlived its account"
    for name in objects:
        if name.split("/")[1] == user_id:
            yield f"{name}: outlived its account"


def _wrong_media(documents: Documents, objects: Collection[str], *, swept: bool) -> Iterator[str]:
    """What is shown can be loaded, and a cancelled job has left no video. Of a swept bucket every object is named."""
    for path, fields in documents.items():
        if path.split("/")[0] in {"characters", "scripts", "videoJobs"}:
            for name in _names(fields):
                if name not in objects:
                    yield f"{path}: names {name}, which is gone"
    for job_id, job in _within(documents, "videoJobs"):
        left = [name for name in objects if name.startswith(f"videos/{job['userId']}/{job_id}_")]
        if job["status"] == "cancelled" and left:
            yield f"videoJobs/{job_id}: was cancelled, and left {left}"
    if swept:
        named = {name for fields in documents.values() for name in _names(fields)}
        for name in objects:
            if name.startswith(_OURS) and name not in named:
                yield f"{name}: nothing names it"


def _names(value: object) -> Iterator[str]:
    """Every object of the bucket that a document names, wherever in it."""
    if isinstance(value, str) and value.startswith(_OURS):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _names(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _names(each)


def _ledger(documents: Documents, user_id: str) -> list[Fields]:
    return [fields for _, fields in _within(documents, f"users/{user_id}/ledger")]


def _within(documents: Documents, collection: str) -> Iterator[tuple[str, Fields]]:
    """The collection's own documents by their ids, and none below them."""
    for path, fields in documents.items():
        parent, _, document_id = path.rpartition("/")
        if parent == collection:
            yield document_id, fields

"""An account that is deleted: what goes, what stays, and that it makes no difference where the work was broken off."""

import functools
import itertools
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from accounts.deletion import (
    continue_account_deletion,
    continue_due_account_deletions,
    remove_firebase_user,
    request_account_deletion,
)
from accounts.deletion_trigger import on_account_deletion_created
from characters.character import Character, Recording, VoiceConfig
from contracts.dead_letter import dead_letter_of
from contracts.job_snapshot import Background, JobSnapshot, Line, Speaker
from contracts.media_paths import line_object, picture_object, recording_object, video_object
from contracts.video_job import DEADLINE, JobStatus, VideoFile, VideoJob
from gcp import clients
from gcp.errors import Unauthenticated
from gcp.settings import settings
from local.addresses import ROOT
from media.removal import remove_due_media
from scripts.script import DialogueLine, Script
from tests.functions.accounts.conftest import FirebaseAuth
from tests.functions.conftest import CallApi, DeliverCreated, MakeUser
from tests.functions.killed import empty_database, everything, killed_after
from tokens.ledger import Hold, LedgerEntry
from videos.jobs import start_job
from videos.triggers import on_video_job_written

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.storage import Bucket

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER, DAY_LATER = NOW + timedelta(minutes=10), NOW + timedelta(hours=25)
DONE_JOB, RUNNING_JOB, BOBS_JOB = "1" * 32, "2" * 32, "3" * 32
FAILED_JOBS = {"ann": "4" * 32, "bob": "5" * 32}
# What Bob's running video needs of Ann's character, and what nobody needs.
NEEDED = {recording_object("ann", "a" * 32), picture_object("ann", "b" * 32)}
ANNS = NEEDED | {
    recording_object("ann", "f" * 32),
    line_object("ann", "c" * 64),
    video_object("ann", DONE_JOB, 1),
}
BOBS = {recording_object("bob", "d" * 32), line_object("bob", "c" * 64)}


class Identities:
    """Firebase Auth, as far as it is asked to forget somebody."""

    def __init__(self) -> None:
        self.known = {"ann", "bob"}

    def remove(self, user_id: str) -> bool:
        was_known = user_id in self.known
        self.known.discard(user_id)
        return was_known


@pytest.fixture
def identities() -> Identities:
    return Identities()


@pytest.fixture
def deployed_bucket(product: pytest.MonkeyPatch, bucket: "Bucket") -> "Bucket":
    """The bucket, as the one of the product's settings."""
    product.setenv("MEDIA_BUCKET", bucket.name)
    settings.cache_clear()
    clients.media_bucket.cache_clear()
    return bucket


def user(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name.title(),
        "email": f"{name}@example.com",
        "tokens": 20,
        "ledgerTokens": 20,
        "held": 1,
        "isVerified": True,
        "subscription": "free",
        "createdAt": NOW,
        "updatedAt": NOW,
        **fields,
    }


def character(owner_id: str, recording: str, picture: str, *, starred: int) -> dict[str, Any]:
    made = Character(
        id="-",
        display_name="Ada",
        config=VoiceConfig(),
        recording=Recording(object_name=recording, duration_seconds=8.0),
        images={"0": picture},
        next_image_key=1,
        output_prefix="ada",
        owner_id=owner_id,
        owner_name=owner_id.title(),
        starred=starred,
        created_at=NOW,
        updated_at=NOW,
    )
    return {name: value for name, value in made.to_document().items() if name != "id"}


def script(owner_id: str, line: str) -> dict[str, Any]:
    made = Script(
        id="-",
        owner_id=owner_id,
        selected_characters=("ada", "ben"),
        original_prompt="Two friends talk about tea.",
        dialogue=(DialogueLine(speaker="ada", text="Tea?", audio_object=line),),
        created_at=NOW,
        updated_at=NOW,
    )
    return {name: value for name, value in made.to_document().items() if name != "id"}


def job(job_id: str, user_id: str, status: JobStatus) -> VideoJob:
    ended = NOW if status.is_terminal else None
    video = VideoFile(object_name=video_object(user_id, job_id, 1), duration_seconds=9.0, size_bytes=5)
    return VideoJob(
        job_id=job_id,
        script_id="5" * 32,
        user_id=user_id,
        title="Tea",
        status=status,
        price_tokens=1,
        background_video="sea.mp4",
        created_at=NOW,
        deadline_at=NOW + DEADLINE,
        completed_at=ended,
        video=video if ended else None,
    )


def snapshot(job_id: str, user_id: str) -> dict[str, Any]:
    """Of a video in which Ann's public character speaks."""
    recording, picture = sorted(NEEDED, reverse=True)
    speaker = Speaker(
        character_id="ada",
        display_name="Ada",
        recording=recording,
        ref_text="Words.",
        pictures=(picture,),
        speed=1.0,
        nfe_steps=32,
        cross_fade_duration=0.15,
        remove_silences=True,
    )
    made = JobSnapshot(
        job_id=job_id,
        user_id=user_id,
        lines=(Line(speaker="ada", text="Tea?"),),
        speakers=(speaker,),
        background=Background(name="sea.mp4", object_name="backgrounds/sea.mp4", duration_seconds=9.0),
    )
    return made.to_document()


def entry(kind: Any, tokens: int, held: int, **fields: Any) -> dict[str, Any]:
    return LedgerEntry(
        kind=kind, tokens=tokens, held=held, balance_after=20, held_after=held, created_at=NOW, **fields
    ).to_document()


def world() -> dict[str, dict[str, Any]]:
    """The documents of Ann, with everything that a user may own, and of Bob, in whose video Ann's character speaks."""
    recording, picture = sorted(NEEDED, reverse=True)
    bobs_recording = recording_object("bob", "d" * 32)
    documents: dict[str, dict[str, Any]] = {
        "characters/ada": character("ann", recording, picture, starred=2),
        "characters/ben": character("bob", bobs_recording, picture_object("bob", "d" * 32), starred=2),
        "stars/ann": {"characters": {"ada": NOW, "ben": NOW, "gone": NOW}, "updatedAt": NOW},
        "stars/bob": {"characters": {"ada": NOW, "ben": NOW}, "updatedAt": NOW},
        "holds/" + DONE_JOB: Hold(
            job_id=DONE_JOB, user_id="ann", price_tokens=1, state="captured", created_at=NOW, settled_at=NOW
        ).to_document(),
        "users/ann/adjustments/a1": {"delta": 5, "reason": "Sorry, Ann", "status": "applied", "appliedAt": NOW},
        "users/ann/ledger/adjustment_a1": entry("adjustment", 5, 0, reason="Sorry, Ann"),
    }
    jobs = [
        job(DONE_JOB, "ann", JobStatus.COMPLETED),
        job(RUNNING_JOB, "ann", JobStatus.IN_PROGRESS),
        job(BOBS_JOB, "bob", JobStatus.IN_PROGRESS),
    ]
    for each in jobs:
        documents[f"videoJobs/{each.job_id}"] = each.to_document()
    for name, job_id in (("ann", RUNNING_JOB), ("bob", BOBS_JOB)):
        documents |= {
            f"users/{name}": user(name),
            f"users/{name}/ledger/initial_grant": entry("grant", 20, 0),
            f"users/{name}/ledger/{job_id}_hold": entry("hold", 0, 1, job_id=job_id),
            f"users/{name}/activities/x_user_signed_up": {"type": "user_signed_up", "message": "Hi", "timestamp": NOW},
            f"activityStats/{name}": {"totalActivities": 1},
            f"scripts/{name[0] * 32}": script(name, line_object(name, "c" * 64)),
            f"videoJobSnapshots/{job_id}": snapshot(job_id, name),
            f"holds/{job_id}": Hold(job_id=job_id, user_id=name, price_tokens=1, created_at=NOW).to_document(),
            f"deadLetters/{FAILED_JOBS[name]}": dead_letter_of(
                job(FAILED_JOBS[name], name, JobStatus.FAILED), code="ATTEMPTS_USED_UP", reason="a crash", now=NOW
            ).to_document(),
            f"feedback/{name}": {"userId": name, "message": "Nice.", "createdAt": NOW},
            f"idempotency/{name}": {"userId": name, "state": "done"},
        }
    return documents


def build(db: "Client", bucket: "Bucket") -> None:
    batch = db.batch()
    for path, fields in world().items():
        batch.set(db.document(path), fields)
    batch.commit()
    present = {blob.name for blob in bucket.list_blobs()}
    for name in (ANNS | BOBS) - present:
        bucket.blob(name).upload_from_string(b"sound")


def sweep(db: "Client", bucket: "Bucket", identities: Identities, now: datetime = NOW) -> None:
    continue_account_deletion(db, bucket, "ann", remove_identity=identities.remove, now=now)


def delete_ann(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    """The whole deletion with every event delivered, and the clock's turns until it has ended."""
    request_account_deletion(db, "ann", NOW)
    sweep(db, bucket, identities)
    remove_due_media(db, bucket, LATER)
    continue_due_account_deletions(db, bucket, remove_identity=identities.remove, now=DAY_LATER)


def fields_of(db: "Client", path: str) -> dict[str, Any] | None:
    fields: dict[str, Any] | None = db.document(path).get().to_dict()
    return fields


def test_of_the_account_only_its_books_stay(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    build(db, bucket)

    delete_ann(db, bucket, identities)

    documents, _ = everything(db, bucket)
    anns = {path for path, fields in documents.items() if "ann" in path.lower() or "'ann'" in repr(fields).lower()}
    assert anns == {
        "users/ann",
        "users/ann/adjustments/a1",
        "users/ann/ledger/adjustment_a1",
        "users/ann/ledger/initial_grant",
        f"users/ann/ledger/{RUNNING_JOB}_hold",
        f"users/ann/ledger/{RUNNING_JOB}_release",
        f"holds/{DONE_JOB}",
        f"holds/{RUNNING_JOB}",
        # Until Bob's video is ready.
        "mediaDeletions/ada",
    }
    assert identities.known == {"bob"}


def collections(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[::2])


def test_every_collection_that_there_is_was_thought_of() -> None:
    places = (ROOT / "ARCHITECTURE.md").read_text().partition("## Names in Firestore")[2]
    names = re.findall(r"`([^`]+/[^`]+)`", "".join(re.findall(r"^\| (`.*?) \|", places, re.MULTILINE)))
    named = {collections(name) for name in names if " " not in name or "{" in name}
    nobodys = {"audits", "backgrounds", "config", "runnerReports"}
    # Of an address or a user by a hash only, or what the deletion itself works with.
    left_alone = {"grants", "rateLimits", "mediaDeletions", "accountDeletions"}

    assert len(named) > 15
    assert named - {(each,) for each in nobodys | left_alone} == {collections(path) for path in world()}


def test_the_books_hold_no_personal_data_and_no_promise(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    build(db, bucket)

    delete_ann(db, bucket, identities)

    assert fields_of(db, "users/ann") == {
        "name": "",
        "email": "",
        "tokens": 20,
        "ledgerTokens": 20,
        "held": 0,
        "createdAt": NOW,
        "updatedAt": NOW,
        "deletedAt": NOW,
    }
    documents, _ = everything(db, bucket)
    assert "Sorry" not in repr([fields for path, fields in documents.items() if path.startswith("users/ann")])
    assert documents[f"holds/{RUNNING_JOB}"]["state"] == "released"
    assert sum(fields["held"] for path, fields in documents.items() if path.startswith("users/ann/ledger")) == 0


def test_nothing_of_another_user_is_touched(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    build(db, bucket)
    untouched = {
        path
        for path in world()
        if "bob" in path or BOBS_JOB in path or FAILED_JOBS["bob"] in path or path == "scripts/" + "b" * 32
    }
    before, _ = everything(db, bucket)

    delete_ann(db, bucket, identities)

    after, objects = everything(db, bucket)
    assert len(untouched) == 13
    assert {path: after[path] for path in untouched} == {path: before[path] for path in untouched}
    assert set(objects) >= BOBS
    assert after["characters/ben"] == before["characters/ben"] | {"starred": 1}


def test_another_users_running_video_keeps_what_it_needs_until_it_ends(
    db: "Client", deployed_bucket: "Bucket", identities: Identities
) -> None:
    bucket = deployed_bucket
    build(db, bucket)
    running = job(BOBS_JOB, "bob", JobStatus.IN_PROGRESS)
    ended = running.model_copy(update={"status": JobStatus.FAILED, "completed_at": NOW, "check_at": NOW})

    delete_ann(db, bucket, identities)
    _, while_running = everything(db, bucket)
    db.document("videoJobs", BOBS_JOB).set(ended.to_document())
    on_video_job_written.handler({"jobId": BOBS_JOB}, running.to_document(), ended.to_document())

    documents, objects = everything(db, bucket)
    assert set(while_running) == NEEDED | BOBS
    assert set(objects) == BOBS
    assert "mediaDeletions/ada" not in documents


def test_killed_after_any_call_and_delivered_again_the_same_is_left(bucket: "Bucket", db: "Client") -> None:
    assert db
    outcomes = []
    for calls in itertools.count():
        database, identities = empty_database(), Identities()
        build(database, bucket)
        request_account_deletion(database, "ann", NOW)

        was_killed = killed_after(calls, database, bucket, functools.partial(sweep, database, bucket, identities))
        sweep(database, bucket, identities)
        remove_due_media(database, bucket, LATER)
        continue_due_account_deletions(database, bucket, remove_identity=identities.remove, now=DAY_LATER)

        outcomes.append((everything(database, bucket), identities.known))
        database.close()  # type: ignore[no-untyped-call]  # the package leaves it so
        if not was_killed:
            break
    assert len(outcomes) > 30
    assert [index for index, outcome in enumerate(outcomes) if outcome != outcomes[-1]] == []
    (documents, objects), known = outcomes[-1]
    assert not any(path.startswith("accountDeletions") for path in documents)
    assert (set(objects), known) == (NEEDED | BOBS, {"bob"})


def test_what_a_late_request_wrote_goes_two_minutes_later_and_again_after_a_day(
    db: "Client", bucket: "Bucket", identities: Identities
) -> None:
    build(db, bucket)
    request_account_deletion(db, "ann", NOW)
    sweep(db, bucket, identities)
    look = functools.partial(continue_due_account_deletions, db, bucket, remove_identity=identities.remove)
    soon, sooner = NOW + timedelta(minutes=2), NOW + timedelta(minutes=4)

    db.document("scripts", "9" * 32).set(script("ann", line_object("ann", "c" * 64)))
    assert (look(now=soon), fields_of(db, "scripts/" + "9" * 32)) == (1, None)
    # It found something, so that it looks once more: the deletion of a script makes an activity, for instance.
    assert fields_of(db, "accountDeletions/ann") == {"lastFoundAt": soon, "checkAt": sooner}

    # Nothing is found now; only an event that is a day late may still write.
    last = soon + timedelta(hours=25)
    assert look(now=sooner) == 1
    assert fields_of(db, "accountDeletions/ann") == {"lastFoundAt": soon, "checkAt": last}
    assert look(now=last) == 1
    assert fields_of(db, "accountDeletions/ann") is None


def test_a_sweep_that_found_nothing_keeps_what_another_one_found_meanwhile(
    db: "Client", bucket: "Bucket", identities: Identities
) -> None:
    build(db, bucket)
    request_account_deletion(db, "ann", NOW)
    sweep(db, bucket, identities)
    later = NOW + timedelta(minutes=2)

    def sweep_meanwhile(user_id: str) -> bool:
        """The last step of a sweep, which has looked for scripts before."""
        db.document("scripts", "9" * 32).set(script("ann", line_object("ann", "c" * 64)))
        continue_account_deletion(db, bucket, user_id, remove_identity=identities.remove, now=later)
        return False

    continue_account_deletion(db, bucket, "ann", remove_identity=sweep_meanwhile, now=later)

    expected = {"lastFoundAt": later, "checkAt": later + timedelta(minutes=2)}
    assert fields_of(db, "accountDeletions/ann") == expected


def test_a_lost_event_is_made_up_for_by_the_clock(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    build(db, bucket)
    request_account_deletion(db, "ann", NOW)

    early = continue_due_account_deletions(db, bucket, remove_identity=identities.remove, now=NOW)
    due = continue_due_account_deletions(db, bucket, remove_identity=identities.remove, now=LATER)

    assert (early, due) == (0, 1)
    assert identities.known == {"bob"}


def test_an_account_whose_sweep_fails_keeps_no_other_from_its_turn(db: "Client", bucket: "Bucket") -> None:
    build(db, bucket)
    for user_id in ("ann", "bob"):
        request_account_deletion(db, user_id, NOW)
    swept = []

    def remove(user_id: str) -> bool:
        swept.append(user_id)
        raise RuntimeError("Firebase Auth does not answer")

    continue_due_account_deletions(db, bucket, remove_identity=remove, now=LATER)

    assert sorted(swept) == ["ann", "bob"]
    assert (fields_of(db, "accountDeletions/ann") or {})["checkAt"] == LATER + timedelta(minutes=10)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda db: db.document("users", "ann").delete(), id="the user deleted"),
        pytest.param(lambda db: db.document("characters", "by hand").set({"ownerId": "ann"}), id="a character made"),
        pytest.param(lambda db: db.document("characters", "ada").update({"config": "quiet"}), id="a character damaged"),
    ],
)
def test_what_an_admin_did_by_hand_keeps_no_account_from_going(
    db: "Client", bucket: "Bucket", identities: Identities, edit: Callable[["Client"], None]
) -> None:
    build(db, bucket)
    request_account_deletion(db, "ann", NOW)
    edit(db)

    continue_due_account_deletions(db, bucket, remove_identity=identities.remove, now=LATER)

    documents, objects = everything(db, bucket)
    assert [path for path in documents if path.startswith("characters/")] == ["characters/ben"]
    assert (set(objects), identities.known) == (NEEDED | BOBS, {"bob"})


def test_an_account_that_nobody_deleted_is_not_swept(db: "Client", bucket: "Bucket", identities: Identities) -> None:
    build(db, bucket)
    db.document("accountDeletions", "ann").set({"lastFoundAt": NOW, "checkAt": NOW})
    before = everything(db, bucket)

    sweep(db, bucket, identities)

    assert everything(db, bucket) == before
    assert identities.known == {"ann", "bob"}


def test_asking_twice_is_asking_once(db: "Client", bucket: "Bucket") -> None:
    build(db, bucket)
    request_account_deletion(db, "ann", NOW)
    before, _ = everything(db, bucket)

    request_account_deletion(db, "ann", LATER)

    assert everything(db, bucket)[0] == before


def test_a_deleted_account_starts_no_video(db: "Client", bucket: "Bucket") -> None:
    build(db, bucket)
    db.document("videoJobs", RUNNING_JOB).delete()
    request_account_deletion(db, "ann", NOW)

    with pytest.raises(Unauthenticated):
        start_job(
            db,
            job_id="8" * 32,
            user_id="ann",
            script_id="a" * 32,
            background_video=None,
            now=NOW,
        )


def test_after_deleting_the_account_its_token_is_refused(db: "Client", make_user: MakeUser, call_api: CallApi) -> None:
    make_user("ann")

    answer = call_api("DELETE", "/api/me", user_id="ann")

    assert (answer.status, answer.body["success"]) == (200, True)
    assert call_api("GET", "/api/me", user_id="ann").status == 401
    assert call_api("DELETE", "/api/me", user_id="ann").status == 401
    assert db.document("accountDeletions", "ann").get().exists


def test_the_address_is_free_again_and_gets_no_initial_tokens_twice(
    auth: FirebaseAuth, deployed_bucket: "Bucket", call_api: CallApi, deliver_created: DeliverCreated
) -> None:
    assert auth
    assert deployed_bucket
    body = {"name": "Ann", "email": "ann@example.com", "password": "securepassword123"}
    first = call_api("POST", "/api/signup", body=body).body
    bearer = {"Authorization": f"Bearer {first['token']}"}
    assert call_api("DELETE", "/api/me", headers=bearer).status == 200
    assert call_api("POST", "/api/login", body=body).status == 401

    deliver_created(on_account_deletion_created, f"accountDeletions/{first['user']['id']}")
    again = call_api("POST", "/api/signup", body=body)

    assert again.status == 200
    assert again.body["user"]["id"] != first["user"]["id"]
    assert (first["user"]["tokens"], again.body["user"]["tokens"]) == (20, 0)
    assert not remove_firebase_user(first["user"]["id"])

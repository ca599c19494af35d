import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from google.api_core.exceptions import PermissionDenied, RetryError, ServiceUnavailable
from google.auth.exceptions import RefreshError
from google.cloud.firestore import Client
from pydantic import ValidationError

from contracts.dead_letter import KEPT, DeadLetter
from contracts.media_deletion import PATIENCE, MediaDeletion
from contracts.video_job import LEASE, MAX_ATTEMPTS, JobStatus, StepName, StepStatus, VideoFile, VideoJob
from gpu_runner.errors import HopelessError, LeaseLostError, TransientError, attempts_used_up
from gpu_runner.jobs import Busy, Ended, Jobs
from gpu_runner.progress import Progress
from tests.functions.costs.counting import count_calls
from tests.functions.gcp.commits import killed_at_commit, unheard_commit
from tests.gpu_runner.jobs_fixtures import NOW, speaker, stored_job, write_job

VIDEO = VideoFile(object_name="videos/user1/x_1.mp4", duration_seconds=3.0, size_bytes=10)


def jobs_at(db: Client, now: datetime) -> Jobs:
    return Jobs(db, now=lambda: now)


def claimed(jobs: Jobs, job: VideoJob) -> VideoJob:
    claim = jobs.claim(job.job_id)
    assert isinstance(claim, VideoJob)
    return claim


def complete(jobs: Jobs, job: VideoJob) -> JobStatus:
    steps = Progress(lambda _steps, _current: None).steps
    return jobs.complete(job, steps=steps, video=VIDEO, encoder="libx264", audio_objects={})


def test_a_queued_job_is_claimed_with_a_lease_a_fence_and_one_attempt(db: Client) -> None:
    job = write_job(db)

    claimed(jobs_at(db, NOW), job)

    stored = stored_job(db, job.job_id)
    assert (stored.status, stored.fence, stored.attempts) == (JobStatus.IN_PROGRESS, 1, 1)
    assert stored.lease_until == NOW + LEASE
    assert stored.started_at == NOW


def test_a_second_delivery_finds_the_lease_taken_and_is_no_attempt(db: Client) -> None:
    job = write_job(db)
    claimed(jobs_at(db, NOW), job)

    claim = jobs_at(db, NOW + timedelta(seconds=1)).claim(job.job_id)

    assert isinstance(claim, Busy)
    assert stored_job(db, job.job_id).attempts == 1


def test_a_lease_that_ran_out_is_taken_over_with_a_higher_fence(db: Client) -> None:
    job = write_job(db)
    claimed(jobs_at(db, NOW), job)

    successor = claimed(jobs_at(db, NOW + LEASE), job)

    assert (successor.fence, successor.attempts) == (2, 2)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda jobs, job: jobs.extend_lease(job), id="heartbeat"),
        pytest.param(
            lambda jobs, job: jobs.write_progress(job, job.steps, StepName.AUDIO_VALIDATION),
            id="progress",
        ),
        pytest.param(lambda jobs, job: jobs.fail(job, HopelessError("X", "x"), job.steps), id="failure"),
        pytest.param(
            lambda jobs, job: jobs.give_up(job, attempts_used_up(), job.steps, trouble="a crash"), id="giving up"
        ),
        pytest.param(lambda jobs, job: jobs.give_back(job, attempt_counts=True), id="return"),
        pytest.param(lambda jobs, job: jobs.store_transcript(job, jobs.read_snapshot(job)), id="transcript"),
        pytest.param(complete, id="completion"),
    ],
)
def test_a_runner_that_lost_its_lease_writes_nothing(db: Client, write: Callable[[Jobs, VideoJob], object]) -> None:
    job = write_job(db)
    stale = claimed(jobs_at(db, NOW), job)
    claimed(jobs_at(db, NOW + LEASE), job)
    before = db.document("videoJobs", job.job_id).get()

    with pytest.raises(LeaseLostError):
        write(jobs_at(db, NOW + LEASE), stale)

    assert db.document("videoJobs", job.job_id).get().update_time == before.update_time


def test_a_lease_that_is_ours_is_checked_with_one_read_and_no_write(db: Client) -> None:
    job = write_job(db)
    claim = claimed(jobs_at(db, NOW), job)
    counted = count_calls(db)

    jobs_at(db, NOW).check_lease(claim)

    assert (counted.reads, counted.writes) == (1, 0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"fence": 2}, id="another runner has it"),
        pytest.param({"status": "cancelled"}, id="the job has ended"),
        pytest.param({"status": "nonsense"}, id="the document is damaged"),
        pytest.param(None, id="the job is gone"),
    ],
)
def test_a_lease_that_is_not_ours_is_lost(db: Client, change: dict[str, object] | None) -> None:
    job = write_job(db)
    claim = claimed(jobs_at(db, NOW), job)
    reference = db.document("videoJobs", job.job_id)
    if change is None:
        reference.delete()
    else:
        reference.update(change)

    with pytest.raises(LeaseLostError):
        jobs_at(db, NOW).check_lease(claim)


def test_a_lease_that_cannot_be_checked_is_an_outage(db: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = write_job(db)
    claim = claimed(jobs_at(db, NOW), job)

    def fail(*_: object, **__: object) -> None:
        raise ServiceUnavailable("down")  # type: ignore[no-untyped-call]  # the package leaves it so

    monkeypatch.setattr("google.cloud.firestore_v1.document.DocumentReference.get", fail)

    with pytest.raises(TransientError):
        jobs_at(db, NOW).check_lease(claim)


def test_a_completed_job_publishes_its_video_and_lines_with_the_script(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    audio = {("a", "Hello there, my friend."): "lines/user1/aa.wav"}

    jobs.complete(claim, steps=claim.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    script = db.document("scripts", "script1").get().to_dict()
    assert script is not None
    assert script["video"]["objectName"] == VIDEO.object_name
    assert [line["audioObject"] for line in script["dialogue"]] == ["lines/user1/aa.wav", None]
    assert stored_job(db, job.job_id).status is JobStatus.COMPLETED


def test_a_job_whose_script_was_deleted_ends_cancelled(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("scripts", "script1").delete()

    status = complete(jobs, claim)

    assert status is JobStatus.CANCELLED
    assert stored_job(db, job.job_id).video is None


DELETED_MEANWHILE = {
    "a character": ("characters/b", None),
    "the account": ("users/user1", {"deletedAt": NOW}),
}


@pytest.mark.parametrize("what", DELETED_MEANWHILE)
def test_a_job_of_which_something_was_deleted_meanwhile_ends_cancelled_though_the_event_was_lost(
    db: Client, what: str
) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    path, fields = DELETED_MEANWHILE[what]
    before = ["lines/user1/kept.wav", "videos/user1/before_1.mp4"]
    db.document("scripts", "script1").update({"mediaObjects": before})
    if fields is None:
        db.document(path).delete()
    else:
        db.document(path).set(fields)
    audio = {("a", "Hello there, my friend."): "lines/user1/new.wav", ("b", "Hi."): "lines/user1/kept.wav"}

    status = jobs.complete(claim, steps=claim.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    assert (status, stored_job(db, job.job_id).video) == (JobStatus.CANCELLED, None)
    assert (db.document("scripts", "script1").get().to_dict() or {})["video"] is None
    # What the script names stays with it.
    assert [each.object_names for each in listed_for_deletion(db)] == [("lines/user1/new.wav", VIDEO.object_name)]


def test_a_job_whose_users_document_is_missing_is_completed(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)

    assert not db.document("users", "user1").get().exists
    assert complete(jobs, claimed(jobs, job)) is JobStatus.COMPLETED


def listed_for_deletion(db: Client) -> list[MediaDeletion]:
    return [MediaDeletion.model_validate(each.to_dict()) for each in db.collection("mediaDeletions").stream()]


def test_lines_that_a_render_replaces_and_lines_that_were_edited_meanwhile_are_listed_for_deletion(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    dialogue = [
        {"speaker": "a", "text": "Hello there, my friend.", "audioObject": "lines/user1/old.wav"},
        {"speaker": "b", "text": "An edited line.", "audioObject": "lines/user1/kept.wav"},
    ]
    before = ["lines/user1/old.wav", "lines/user1/kept.wav", "videos/user1/before_1.mp4"]
    db.document("scripts", "script1").update({"dialogue": dialogue, "mediaObjects": before})
    audio = {("a", "Hello there, my friend."): "lines/user1/new.wav", ("b", "Its old text."): "lines/user1/edited.wav"}

    jobs.complete(claim, steps=claim.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    (deletion,) = listed_for_deletion(db)
    # The older video stays: its job still shows it.
    assert deletion.object_names == ("lines/user1/edited.wav", "lines/user1/old.wav")
    assert (deletion.owner_id, deletion.check_at) == ("user1", NOW + PATIENCE)


def test_the_lines_and_the_video_of_a_script_that_was_deleted_meanwhile_are_listed_for_deletion(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("scripts", "script1").delete()
    audio = {("a", "Hello there, my friend."): "lines/user1/new.wav"}

    jobs.complete(claim, steps=claim.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    assert [each.object_names for each in listed_for_deletion(db)] == [("lines/user1/new.wav", VIDEO.object_name)]


def test_a_render_of_the_same_lines_lists_nothing_for_deletion(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("scripts", "script1").update({"mediaObjects": ["lines/user1/aa.wav", "videos/user1/before_1.mp4"]})
    audio = {("a", "Hello there, my friend."): "lines/user1/aa.wav"}

    jobs.complete(claim, steps=claim.steps, video=VIDEO, encoder="libx264", audio_objects=audio)

    assert listed_for_deletion(db) == []


def test_a_completed_job_is_not_completed_again(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    complete(jobs, claim)

    with pytest.raises(LeaseLostError):
        complete(jobs, claim)


def test_a_task_that_comes_after_the_end_has_nothing_to_do(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    complete(jobs, claimed(jobs, job))

    assert jobs_at(db, NOW + LEASE).claim(job.job_id) == Ended("completed")


def test_a_completion_whose_answer_is_lost_stands_and_looks_like_a_lost_lease(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)

    with unheard_commit(1), pytest.raises(LeaseLostError):
        complete(jobs, claim)

    stored = stored_job(db, job.job_id)
    assert (stored.status, stored.video) == (JobStatus.COMPLETED, VIDEO)


def test_a_task_of_a_job_that_never_was_has_nothing_to_do(db: Client) -> None:
    assert jobs_at(db, NOW).claim("0" * 32) == Ended("unknown")


def test_a_job_that_used_up_its_attempts_is_failed_and_says_that_nothing_was_charged(db: Client) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS)

    claim = jobs_at(db, NOW).claim(job.job_id)

    stored = stored_job(db, job.job_id)
    assert isinstance(claim, Ended)
    assert (stored.status, stored.error_code) == (JobStatus.FAILED, "ATTEMPTS_USED_UP")
    assert "not charged" in (stored.error_message or "")


def dead_letters(db: Client) -> list[DeadLetter]:
    return [DeadLetter.model_validate(each.to_dict()) for each in db.collection("deadLetters").stream()]


GIVEN_UP: dict[str, tuple[Callable[[Jobs, VideoJob], object], str, datetime]] = {
    "its runner died": (
        lambda jobs, job: jobs_at(jobs._db, NOW + LEASE).claim(job.job_id),
        "the runner died",
        NOW + LEASE,
    ),
    "its last attempt failed": (
        lambda jobs, job: jobs.give_up(job, attempts_used_up(), job.steps, trouble="FFmpeg was interrupted"),
        "FFmpeg was interrupted",
        NOW,
    ),
}


@pytest.mark.parametrize("case", GIVEN_UP)
def test_a_job_that_is_given_up_leaves_a_dead_letter(db: Client, case: str) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS - 1)
    jobs = jobs_at(db, NOW)
    give_up, reason, failed_at = GIVEN_UP[case]

    give_up(jobs, claimed(jobs, job))

    (letter,) = dead_letters(db)
    assert (letter.job_id, letter.user_id, letter.script_id) == (job.job_id, "user1", "script1")
    assert (letter.error_code, letter.reason, letter.attempts) == ("ATTEMPTS_USED_UP", reason, MAX_ATTEMPTS)
    assert (letter.failed_at, letter.expire_at) == (failed_at, failed_at + KEPT)
    assert stored_job(db, job.job_id).status is JobStatus.FAILED


@pytest.mark.parametrize("case", GIVEN_UP)
def test_a_job_that_is_given_up_is_told_of_once(db: Client, capsys: pytest.CaptureFixture[str], case: str) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS - 1)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)

    GIVEN_UP[case][0](jobs, claim)
    jobs_at(db, NOW + LEASE).claim(job.job_id)

    (line,) = (json.loads(each) for each in capsys.readouterr().out.splitlines())
    told = {name: line[name] for name in ("event", "severity", "job_id", "code", "reason", "attempts")}
    assert told == {
        "event": "video_job_dead_lettered",
        "severity": "ERROR",
        "job_id": job.job_id,
        "code": "ATTEMPTS_USED_UP",
        "reason": GIVEN_UP[case][1],
        "attempts": MAX_ATTEMPTS,
    }


def test_a_dead_letter_holds_nothing_that_a_user_wrote(db: Client) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS)

    jobs_at(db, NOW).claim(job.job_id)

    written = repr(db.document("deadLetters", job.job_id).get().to_dict())
    assert [text for text in (job.title, "Hello there", "Good evening") if text in written] == []


@pytest.mark.parametrize("case", GIVEN_UP)
def test_a_process_that_dies_at_the_commit_has_neither_failed_the_job_nor_left_a_letter(
    db: Client, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    job = write_job(db, attempts=MAX_ATTEMPTS - 1)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)

    with killed_at_commit(1, after=False):
        GIVEN_UP[case][0](jobs, claim)

    assert (stored_job(db, job.job_id).status, dead_letters(db)) == (JobStatus.IN_PROGRESS, [])
    assert capsys.readouterr().out == ""


def test_a_hopeless_job_leaves_no_dead_letter(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)

    jobs.fail(claimed(jobs, job), HopelessError("VOICE_UNUSABLE", "The voice gave no usable sound."), job.steps)

    assert dead_letters(db) == []


def test_a_lease_that_was_given_back_is_free_at_once(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    jobs.give_back(claimed(jobs, job), attempt_counts=True)

    assert isinstance(jobs.claim(job.job_id), VideoJob)


@pytest.mark.parametrize(("attempt_counts", "attempts"), [(True, 2), (False, 1)])
def test_an_attempt_is_given_back_unless_it_counts(db: Client, *, attempt_counts: bool, attempts: int) -> None:
    job = write_job(db, attempts=1)
    jobs = jobs_at(db, NOW)

    jobs.give_back(claimed(jobs, job), attempt_counts=attempt_counts)

    assert stored_job(db, job.job_id).attempts == attempts


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda _jobs, _job: None, id="claim"),
        pytest.param(lambda jobs, job: jobs.extend_lease(job), id="heartbeat"),
        pytest.param(lambda jobs, job: jobs.give_back(job, attempt_counts=False), id="return"),
    ],
)
def test_a_job_near_its_deadline_is_looked_at_then(db: Client, write: Callable[[Jobs, VideoJob], object]) -> None:
    job = write_job(db)
    jobs = jobs_at(db, job.deadline_at - timedelta(seconds=20))

    write(jobs, claimed(jobs, job))

    assert stored_job(db, job.job_id).check_at == job.deadline_at


def test_the_progress_that_clients_see_does_not_go_back_in_a_second_attempt(db: Client) -> None:
    job = write_job(db, overall_progress=60.0)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)

    jobs.write_progress(claim, claim.steps, StepName.AUDIO_VALIDATION)

    assert stored_job(db, job.job_id).overall_progress == 60.0


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        pytest.param({"refText": ""}, "Heard words.", id="no words yet"),
        pytest.param({"refText": "Made up.", "refTextBy": "development"}, "Heard words.", id="another voice's words"),
        pytest.param({"refText": "Mine."}, "Mine.", id="its user's words"),
        pytest.param({"objectName": "recordings/user1/new.wav", "refText": ""}, "", id="another recording"),
    ],
)
def test_a_transcript_is_stored_with_the_character_that_lacks_it(
    db: Client, stored: dict[str, str], words: str
) -> None:
    job = write_job(db, speakers=(speaker("a", ref_text=""), speaker("b")))
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    db.document("characters", "a").update({f"recording.{name}": value for name, value in stored.items()})
    heard = speaker("a", ref_text="Heard words.", ref_text_by="f5-tts")

    jobs.store_transcript(claim, jobs.read_snapshot(claim).model_copy(update={"speakers": (heard, speaker("b"))}))

    character = db.document("characters", "a").get().to_dict() or {}
    assert character["recording"]["refText"] == words
    assert jobs.read_snapshot(claim).speakers[0] == heard


def test_the_words_that_a_voice_heard_are_stored_with_its_id(db: Client) -> None:
    job = write_job(db, speakers=(speaker("a", ref_text=""), speaker("b")))
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    heard = speaker("a", ref_text="Heard words.", ref_text_by="f5-tts")

    jobs.store_transcript(claim, jobs.read_snapshot(claim).model_copy(update={"speakers": (heard, speaker("b"))}))

    stored = [(db.document("characters", key).get().to_dict() or {})["recording"].get("refTextBy") for key in "ab"]
    assert stored == ["f5-tts", None]


def test_a_failed_job_is_failed_in_the_step_where_this_attempt_stood(db: Client) -> None:
    job = write_job(db)
    jobs = jobs_at(db, NOW)
    claim = claimed(jobs, job)
    progress = Progress(lambda _steps, _current: None)
    with progress.step(StepName.AUDIO_VALIDATION):
        pass

    jobs.fail(claim, HopelessError("VOICE_UNUSABLE", "The voice gave no usable sound."), progress.steps)

    stored = stored_job(db, job.job_id)
    assert [step.status for step in stored.steps][:3] == [StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.PENDING]
    assert stored.current_step is StepName.AUDIO_GENERATION
    assert stored.steps[1].error_message == "The voice gave no usable sound. You were not charged."


@pytest.mark.parametrize("fields", [None, {"version": 2}, {"version": 1, "lines": "none"}])
def test_a_snapshot_that_cannot_be_read_is_hopeless(db: Client, fields: dict[str, object] | None) -> None:
    job = write_job(db)
    reference = db.document("videoJobSnapshots", job.job_id)
    reference.delete()
    if fields is not None:
        reference.set(fields)

    with pytest.raises(HopelessError) as failure:
        jobs_at(db, NOW).read_snapshot(job)

    assert failure.value.code == "SNAPSHOT_UNREADABLE"


def test_a_document_that_is_no_job_is_not_claimed(db: Client) -> None:
    db.document("videoJobs", "0" * 32).set({"version": 1})

    with pytest.raises(ValidationError):
        jobs_at(db, NOW).claim("0" * 32)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (PermissionDenied, ("no",)),
        (RetryError, ("the deadline passed", TimeoutError())),
        (RefreshError, ("no token",)),
        (ValueError, ("Failed to commit transaction in 10 attempts.",)),
    ],
)
# When a transaction does not begin, the library raises an error of its attempt to roll it back.
@pytest.mark.parametrize("method", ["_begin", "_commit"])
def test_whatever_firestore_raises_is_transient(
    db: Client, monkeypatch: pytest.MonkeyPatch, method: str, kind: type[Exception], arguments: tuple[object, ...]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind(*arguments)

    job = write_job(db)
    monkeypatch.setattr(f"google.cloud.firestore_v1.transaction.Transaction.{method}", fail)

    with pytest.raises(TransientError):
        jobs_at(db, NOW).extend_lease(job)

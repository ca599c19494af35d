"""Defects of the jobs' lives: leases, fences, attempts, ends, and what a dead process leaves."""

from tests.faults.mutants.mutant import mutant

_JOBS = "functions/videos/jobs.py"
_MINUTE = "functions/videos/minute.py"
_RUNNER = "gpu_runner/jobs.py"
_VIDEOS = "tests/functions/videos"
_RUNNERS = "tests/gpu_runner/test_jobs.py"

JOBS = (
    mutant(
        "a lease without a fence",
        "a runner that lost its lease writes nothing",
        (_RUNNER, "current.status.is_terminal or current.fence != job.fence:", "current.status.is_terminal:"),
        by=f"{_RUNNERS}::test_a_runner_that_lost_its_lease_writes_nothing",
    ),
    mutant(
        "a claim that does not look at the lease",
        "one runner works on a job at a time",
        (_RUNNER, "if job.lease_until is not None and job.lease_until > now:", "if False:"),
        by="tests/faults/test_races.py::test_two_runners_on_one_job",
    ),
    mutant(
        "a claim in two steps",
        "one runner works on a job at a time",
        (
            _RUNNER,
            "            transaction.update(reference, changed)\n",
            "            reference.update(changed)\n",
        ),
        (
            _RUNNER,
            "fields = _read(reference, transaction)\n            if fields is None:\n                return Ended",
            "fields = _read(reference)\n            if fields is None:\n                return Ended",
        ),
        by="tests/faults/test_races.py::test_two_runners_on_one_job",
    ),
    mutant(
        "a cancellation that a runner does not notice in its writes",
        "an ended job stays as it is",
        (_RUNNER, "current.status.is_terminal or current.fence != job.fence:", "current.fence != job.fence:"),
        (
            "functions/contracts/video_job.py",
            '"fence": job.fence + 1, "leaseUntil"',
            '"fence": job.fence, "leaseUntil"',
        ),
        by="tests/faults/test_orders.py::test_all_orders_of_what_happens_to_a_job",
    ),
    mutant(
        "a cancellation of what is completed",
        "an ended job stays as it is",
        (
            _JOBS,
            "        if job is None or job.status.is_terminal:\n            return job\n",
            "        if job is None:\n            return job\n",
        ),
        by="tests/faults/test_orders.py::test_all_orders_of_what_happens_to_a_job",
    ),
    mutant(
        "a deadline that fails what is completed",
        "an ended job stays as it is",
        (
            _JOBS,
            "if job is None or job.status.is_terminal or now < job.deadline_at:",
            "if job is None or now < job.deadline_at:",
        ),
        (_MINUTE, "    if job.status.is_terminal:\n", "    if job.status.is_terminal and now < job.deadline_at:\n"),
        by="tests/faults/test_orders.py::test_all_orders_of_what_happens_to_a_job",
    ),
    mutant(
        "attempts that are counted in memory only",
        "at most three attempts",
        (
            _RUNNER,
            "            transaction.update(reference, changed)\n",
            '            transaction.update(reference, {key: changed[key] for key in changed if key != "attempts"})\n',
        ),
        by="tests/gpu_runner/test_jobs.py::test_a_queued_job_is_claimed_with_a_lease_a_fence_and_one_attempt",
    ),
    mutant(
        "a fourth attempt",
        "at most three attempts",
        (_RUNNER, "if job.attempts >= MAX_ATTEMPTS:", "if job.attempts > MAX_ATTEMPTS:"),
        by="tests/gpu_runner/test_jobs.py"
        "::test_a_job_that_used_up_its_attempts_is_failed_and_says_that_nothing_was_charged",
    ),
    mutant(
        "an interruption that counts as an attempt",
        "a lease given back on SIGTERM is no attempt",
        (
            _RUNNER,
            '"attempts": current.attempts if attempt_counts else max(0, current.attempts - 1),',
            '"attempts": current.attempts,',
        ),
        by="tests/gpu_runner/test_jobs.py::test_an_attempt_is_given_back_unless_it_counts",
    ),
    mutant(
        "SIGTERM that counts an attempt",
        "a lease given back on SIGTERM is no attempt",
        (
            "gpu_runner/server.py",
            "        error = ShutdownError()\n",
            "        error = TransientError('stopped', at_last=attempts_used_up())\n",
        ),
        by="tests/faults/test_sigterm.py::test_a_runner_that_speaks_gives_its_job_back",
    ),
    mutant(
        "SIGTERM that leaves the lease to run out",
        "on SIGTERM the lease is given back",
        (
            "gpu_runner/server.py",
            "        services.jobs.give_back(job, attempt_counts=False)",
            "        pass",
        ),
        by="tests/faults/test_sigterm.py::test_a_runner_that_speaks_gives_its_job_back",
    ),
    mutant(
        "a runner that hears of a cancellation at its next extension only",
        "a cancelled render stops within 5 seconds",
        ("gpu_runner/heartbeat.py", "                    self._look()\n", "                    pass\n"),
        by="tests/gpu_runner/test_heartbeat.py::test_a_lease_that_a_look_finds_lost_is_lost_at_once_and_not_extended",
    ),
    mutant(
        "a job given up without a dead letter",
        "what used up its attempts is kept in deadLetters",
        (
            _RUNNER,
            '        transaction.set(self._db.document("deadLetters", job.job_id), letter.to_document())\n',
            "        assert letter\n",
        ),
        by="tests/gpu_runner/test_jobs.py::test_a_job_that_is_given_up_leaves_a_dead_letter",
    ),
    mutant(
        "a dead letter in a transaction of its own",
        "what used up its attempts is kept in deadLetters",
        (
            _RUNNER,
            'transaction.set(self._db.document("deadLetters", job.job_id), letter.to_document())',
            'self._db.document("deadLetters", job.job_id).set(letter.to_document())',
        ),
        by="tests/gpu_runner/test_jobs.py"
        "::test_a_process_that_dies_at_the_commit_has_neither_failed_the_job_nor_left_a_letter",
    ),
    mutant(
        "an overdue job without a dead letter",
        "what passed its deadline is kept in deadLetters",
        (
            _JOBS,
            "        transaction.set(dead_letter_reference(db, job_id), letter.to_document())\n",
            "        assert letter\n",
        ),
        by="tests/functions/videos/test_retry.py::test_a_job_past_its_deadline_leaves_a_dead_letter",
    ),
    mutant(
        "a retry under a new id every time",
        "retrying twice makes one job",
        (
            "functions/contracts/dead_letter.py",
            'hashlib.sha256(f"retry:{job_id}".encode())',
            'hashlib.sha256(f"retry:{job_id}:{datetime.now()}".encode())',
        ),
        by="tests/functions/videos/test_retry.py::test_retrying_twice_makes_one_job",
    ),
    mutant(
        "a deadline that nobody looks at",
        "every job ends",
        (_MINUTE, "if now >= job.deadline_at:", "if False:"),
        by="tests/functions/videos/test_minute.py::test_a_job_past_its_deadline_fails_and_its_hold_is_released",
    ),
    mutant(
        "a queue that is believed to keep its tasks",
        "every job ends",
        (_MINUTE, " and has_render_task(job.job_id, job.enqueueing.attempt):", ":"),
        by="tests/faults/test_orders.py::test_all_orders_of_what_happens_to_a_job",
    ),
    mutant(
        "an intention that nobody fulfils",
        "every job ends",
        (_MINUTE, 'if planned.state == "pending":', "if False:"),
        by="tests/faults/test_crash_jobs.py::test_a_start_whose_answer_is_given_up",
    ),
    mutant(
        "an end whose event is lost is never settled",
        "an ended job's hold is settled",
        (
            _MINUTE,
            'return "settled" if settle_and_log(db, job.job_id, now) else "was_settled"',
            'return "was_settled"',
        ),
        by="tests/faults/test_crash_jobs.py::test_the_minute_function_on_a_job_whose_end_nobody_heard",
    ),
    mutant(
        "a settled job that is looked at for ever",
        "nothing is due for a settled job",
        (
            _JOBS,
            'hold.user_id)\n        transaction.update(job_reference(db, job_id), {"checkAt": None})\n',
            "hold.user_id)\n",
        ),
        by="tests/functions/videos/test_settlement.py::test_a_settled_job_is_not_looked_at_again",
    ),
    mutant(
        "a snapshot that outlives its job",
        "no snapshot is left",
        (
            _JOBS,
            "        transaction.delete(snapshot_reference(db, job_id))\n        write_settlement(",
            "        write_settlement(",
        ),
        by="tests/functions/videos/test_cancellation.py"
        "::test_a_cancelled_job_leaves_no_snapshot_and_is_not_looked_at_again",
    ),
    mutant(
        "a task that is created before the commit",
        "a task stands for a job that is there",
        (
            "functions/videos/endpoints.py",
            "    job = start_job(\n",
            "    __import__('videos.queue').queue.create_render_task(new_id, 1)\n    job = start_job(\n",
        ),
        by="tests/faults/test_races.py::test_a_start_that_is_refused_leaves_no_task",
    ),
    mutant(
        "a start whose key is not looked up first",
        "a repeated request starts one job",
        (
            _JOBS,
            "if key and (repeated := find_earlier(transaction, key, now)):",
            "if key and (repeated := None):",
        ),
        by="tests/functions/gcp/test_idempotent_operations.py"
        "::test_a_video_that_was_started_again_is_held_and_enqueued_once",
    ),
    mutant(
        "a cancellation that leaves the hold to the trigger",
        "a cancelled job's hold is released before the answer",
        ("functions/videos/cancellation.py", "    settle_and_log(db, job_id, now)\n", ""),
        by="tests/functions/videos/test_cancellation.py::test_a_cancelled_job_is_shown_as_failed_and_its_price_is_free",
    ),
    mutant(
        "a completion that does not look for its script",
        "deleting a script ends its unfinished job as cancelled",
        (
            _RUNNER,
            "is_wanted = script is not None and self._is_wanted(transaction, job)",
            "is_wanted = self._is_wanted(transaction, job)",
        ),
        (
            _RUNNER,
            "            transaction.update(script_reference, published)\n            return JobStatus.COMPLETED",
            "            return JobStatus.COMPLETED",
        ),
        by="tests/gpu_runner/test_jobs.py::test_a_job_whose_script_was_deleted_ends_cancelled",
    ),
    mutant(
        "a deleted script whose job renders on",
        "deleting a script ends its unfinished job as cancelled",
        (
            "functions/scripts/store.py",
            "        transaction.update(_job_reference(db, unfinished.job_id), cancelled)\n",
            "        assert cancelled\n",
        ),
        by="tests/functions/videos/test_deleted_during_render.py::test_deleting_the_script_cancels_its_video",
    ),
    mutant(
        "a deleted character whose jobs render on",
        "deleting a character ends its unfinished jobs as cancelled",
        (
            "functions/characters/triggers.py",
            '    if after is None:\n        _end_videos(params["characterId"])\n',
            "",
        ),
        by="tests/functions/videos/test_deleted_during_render.py"
        "::test_deleting_a_character_cancels_every_video_in_which_it_speaks_whoever_makes_it",
    ),
)

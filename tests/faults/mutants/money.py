"""Defects of the books: what is held, paid, released, granted and adjusted."""

from tests.faults.mutants.mutant import mutant

_JOBS = "functions/videos/jobs.py"
_LEDGER = "functions/tokens/ledger.py"
_VIDEOS = "tests/functions/videos"
_TOKENS = "tests/functions/tokens"

MONEY = (
    mutant(
        "a trigger that decrements blindly",
        "each job is charged once",
        (_JOBS, 'if hold is None or hold.state != "held":', "if hold is None:"),
        (
            _LEDGER,
            'transaction.create(entry_reference(db, hold.user_id, f"{hold.job_id}_{entry.kind}"), entry.to_document())',
            'transaction.set(entry_reference(db, hold.user_id, f"{hold.job_id}_{entry.kind}"), entry.to_document())',
        ),
        by="tests/faults/test_orders.py::test_all_orders_of_the_deliveries_of_a_job",
    ),
    mutant(
        "a capture that does not look at the hold's state",
        "each job is charged once",
        (_JOBS, 'if hold is None or hold.state != "held":', "if hold is None:"),
        by="tests/functions/videos/test_settlement.py"
        "::test_a_completed_job_is_captured_once_with_its_entry_and_activity",
    ),
    mutant(
        "a settlement before the job has ended",
        "only a completed job is charged",
        (
            _JOBS,
            "        if job is None or not job.status.is_terminal:\n            return None\n        hold = ",
            "        if job is None:\n            return None\n        hold = ",
        ),
        by="tests/functions/videos/test_settlement.py::test_an_unfinished_job_is_not_settled",
    ),
    mutant(
        "a failed job is charged",
        "a failed or cancelled job costs nothing",
        (_JOBS, "capture=job.status is JobStatus.COMPLETED,", "capture=job.status is not JobStatus.CANCELLED,"),
        by="tests/functions/videos/test_settlement.py::test_a_job_that_gave_no_video_costs_nothing",
    ),
    mutant(
        "a cancelled job is charged",
        "a failed or cancelled job costs nothing",
        (_JOBS, "capture=job.status is JobStatus.COMPLETED,", "capture=job.status is not JobStatus.FAILED,"),
        by="tests/faults/test_orders.py::test_all_orders_of_the_deliveries_of_a_job[cancelled-4-120]",
    ),
    mutant(
        "a hold that is not released",
        "held is the sum of the open holds",
        (
            _LEDGER,
            '"ledgerTokens": ledger_tokens - paid, "held": held - price,',
            '"ledgerTokens": ledger_tokens - paid,',
        ),
        by="tests/functions/videos/test_settlement.py::test_a_job_that_gave_no_video_costs_nothing",
    ),
    mutant(
        "a start that does not count what is held",
        "held is never more than the balance",
        (_JOBS, "if user.tokens - user.held < price:", "if user.tokens < price:"),
        by="tests/faults/test_orders.py::test_all_orders_of_what_happens_to_a_job",
    ),
    mutant(
        "a ledger entry in a transaction of its own",
        "the balance and its entries move together",
        (
            _LEDGER,
            'transaction.create(entry_reference(db, hold.user_id, f"{hold.job_id}_{entry.kind}"), entry.to_document())',
            'entry_reference(db, hold.user_id, f"{hold.job_id}_{entry.kind}").set(entry.to_document())',
        ),
        by="tests/faults/test_crash_jobs.py::test_the_minute_function_on_a_job_whose_end_nobody_heard",
    ),
    mutant(
        "a movement without its entry",
        "the balance is the sum of the ledger",
        (
            _LEDGER,
            'transaction.create(entry_reference(db, user_id, f"{job_id}_hold"), entry.to_document())',
            "assert entry",
        ),
        by="tests/functions/videos/test_start_job.py::test_a_started_job_holds_its_price_and_leaves_the_balance",
    ),
    mutant(
        "a capture that writes the balance that it read in the ledger",
        "an admin's edit beside a capture stays",
        (_LEDGER, 'fields["tokens"] = Increment(-paid)', 'fields["tokens"] = ledger_tokens - paid'),
        by=f"{_TOKENS}/test_reconciliation.py::test_a_movement_while_an_edit_is_pending_keeps_it_pending",
    ),
    mutant(
        "a job that costs what videos cost when it ends",
        "each job is charged its own price",
        (_LEDGER, "price = hold.price_tokens\n", "price = 1\n"),
        by="tests/functions/videos/test_price_and_limit.py::test_the_configured_price_is_held_and_paid",
    ),
    mutant(
        "an edit in the console that no entry tells of",
        "the balance is the sum of the ledger",
        ("functions/tokens/reconciliation.py", "    if reconciled.entry:\n        # No", "    if False:\n        # No"),
        by="tests/functions/tokens/test_reconciliation.py::test_an_edited_balance_is_in_the_ledger",
    ),
    mutant(
        "an adjustment that is applied at every delivery",
        "an adjustment counts once",
        (
            "functions/tokens/adjustments.py",
            'if fields is None or fields.get("status") in ("applied", "refused"):',
            "if fields is None:",
        ),
        (
            "functions/tokens/adjustments.py",
            "        if entry_at.get(transaction=transaction).exists:",
            "        if False:",
        ),
        ("functions/tokens/adjustments.py", "transaction.create(entry_at, ", "transaction.set(entry_at, "),
        by="tests/functions/tokens/test_adjustments.py::test_an_adjustment_delivered_three_times_is_applied_once",
    ),
    mutant(
        "initial tokens for every account of an address",
        "an address has its initial tokens once",
        (
            "functions/accounts/enrolment.py",
            "return None if reference.get(transaction=transaction).exists else reference",
            "return db.collection('grants').document()",
        ),
        by="tests/functions/accounts/test_enrolment.py"
        "::test_an_address_that_had_its_tokens_opens_an_account_without_any",
    ),
    mutant(
        "an entry of the log per delivery",
        "each job's activities are told once",
        (
            "functions/activities/activity.py",
            'return db.document("users", user_id, "activities", f"{plain_id(cause)}_{activity.type}")',
            'return db.collection("users", user_id, "activities").document()',
        ),
        by="tests/functions/videos/test_settlement.py::test_events_in_any_order_and_twice_charge_once",
    ),
    mutant(
        "an activity that is counted at every delivery",
        "the statistics count what is in the log",
        ("functions/activities/store.py", 'if fields is None or fields.get("counted"):', "if fields is None:"),
        by="tests/faults/test_orders.py::test_all_orders_of_the_deliveries_of_a_job",
    ),
    mutant(
        "an audit that is blind to a missing capture",
        "the audit reports each disagreement",
        (
            "functions/tokens/audit_rules.py",
            "        if not captured:\n            yield",
            "        if False:\n            yield",
        ),
        by="tests/functions/tokens/test_audit.py"
        "::test_what_is_planted_is_found_by_its_kind_and_documents_and_repaired_where_that_is_certain",
    ),
    mutant(
        "an audit that is blind to a second capture",
        "the audit reports each disagreement",
        ("functions/tokens/audit_rules.py", "if len(captured) > 1:", "if len(captured) > 2:"),
        by="tests/functions/tokens/test_audit.py"
        "::test_what_is_planted_is_found_by_its_kind_and_documents_and_repaired_where_that_is_certain",
    ),
    mutant(
        "an audit that puts a balance right where the ledger may lack something",
        "the audit repairs only what is certain",
        (
            "functions/tokens/audit_rules.py",
            'repair = Repair("reconcile_user", records.user_id) if are_whole and not is_deleted else None',
            'repair = Repair("reconcile_user", records.user_id) if not is_deleted else None',
        ),
        by="tests/functions/tokens/test_audit.py"
        "::test_where_the_ledger_may_lack_something_the_balance_is_not_brought_to_its_sum",
    ),
)

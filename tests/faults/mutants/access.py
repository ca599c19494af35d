"""Defects of limits, tokens and ownership: who may do what, and how often."""

from tests.faults.mutants.mutant import mutant

_SESSIONS = "functions/accounts/sessions.py"
_ENDPOINTS = "functions/videos/endpoints.py"
_NETWORK = "functions/gcp/front_door.py"

ACCESS = (
    mutant(
        "limits that each instance counts for itself",
        "counters survive instances",
        (
            "functions/limits/rate_limits.py",
            "            transaction.set(reference, window.to_document())\n",
            "            _here[reference._document_path] = window.to_document()\n",
        ),
        (
            "functions/limits/rate_limits.py",
            "found = {snapshot.reference: snapshot.to_dict() for snapshot in transaction.get_all(references)}",
            "found = {reference: _here.get(reference._document_path) for reference in references}",
        ),
        (
            "functions/limits/rate_limits.py",
            "class Limit(NamedTuple):\n",
            "_here: dict[str, dict[str, object]] = {}\n\n\nclass Limit(NamedTuple):\n",
        ),
        by="tests/functions/limits/test_rate_limits.py::test_the_document_tells_no_subject_and_when_it_may_go",
    ),
    mutant(
        "one more than the limit",
        "limits hold",
        ("functions/limits/rate_limits.py", "if current.spent >= limit.most:", "if current.spent > limit.most:"),
        by="tests/functions/limits/test_rate_limits.py::test_as_many_as_allowed_are_counted_and_the_next_is_refused",
    ),
    mutant(
        "one more unfinished job than allowed",
        "limits hold",
        (
            "functions/videos/jobs.py",
            "most=config.unfinished_jobs) >= config.unfinished_jobs:",
            "most=config.unfinished_jobs + 1) > config.unfinished_jobs:",
        ),
        by="tests/functions/videos/test_price_and_limit.py"
        "::test_one_more_than_the_allowed_unfinished_videos_is_refused",
    ),
    mutant(
        "the leftmost entry of X-Forwarded-For is believed",
        "only the hops that the platform appends are believed",
        (_NETWORK, "_network_of(entries[-trusted_hops].strip())", "_network_of(entries[0].strip())"),
        by="tests/functions/gcp/test_client_network.py::test_what_a_client_wrote_itself_changes_nothing",
    ),
    mutant(
        "an entry is believed where no hop is trusted",
        "only the hops that the platform appends are believed",
        (_NETWORK, "    trusted_hops = settings().trusted_hops\n", "    trusted_hops = settings().trusted_hops or 1\n"),
        by="tests/functions/gcp/test_client_network.py::test_nothing_is_believed_where_no_hop_is_trusted",
    ),
    mutant(
        "session tokens of algorithm none are accepted",
        "only tokens that we signed are accepted",
        (
            _SESSIONS,
            'options={"require": [',
            'options={"verify_signature": jwt.get_unverified_header(token)["alg"] != "none", "require": [',
        ),
        (_SESSIONS, 'algorithms=["HS256"],', 'algorithms=["HS256", "none"],'),
        by="tests/attacks/test_session_tokens.py::test_every_operation_refuses_a_bad_token",
    ),
    mutant(
        "session tokens' signatures are not verified",
        "only tokens that we signed are accepted",
        (_SESSIONS, 'options={"require": [', 'options={"verify_signature": False, "require": ['),
        by="tests/attacks/test_session_tokens.py::test_a_token_with_any_letter_changed_is_refused",
    ),
    mutant(
        "tokens without an end are accepted",
        "only tokens that we signed are accepted",
        (_SESSIONS, '"require": ["exp", "iat",', '"require": ["iat",'),
        by="tests/attacks/test_session_tokens.py::test_every_operation_refuses_a_bad_token",
    ),
    mutant(
        "the key before is refused during a rotation",
        "two keys hold during a rotation",
        (
            _SESSIONS,
            "{key_id(secret): secret for secret in secrets}[str(",
            "{key_id(secret): secret for secret in secrets[:1]}[str(",
        ),
        by="tests/functions/accounts/test_sessions.py::test_a_session_of_the_key_before_is_valid_during_a_rotation",
    ),
    mutant(
        "a job is anybody's",
        "nobody sees what is not theirs",
        (_ENDPOINTS, "if job is None or job.user_id != call.caller.id:", "if job is None:"),
        by="tests/attacks/test_other_users.py::test_a_stranger_learns_and_changes_nothing_by_an_id",
    ),
    mutant(
        "anybody cancels a job",
        "nobody changes what is not theirs",
        (
            "functions/videos/cancellation.py",
            "if found and found.user_id == user_id else None",
            "if found else None",
        ),
        by="tests/attacks/test_other_users.py::test_a_stranger_learns_and_changes_nothing_by_an_id",
    ),
    mutant(
        "a script is anybody's",
        "nobody sees what is not theirs",
        (
            "functions/scripts/store.py",
            "if script is None or script.owner_id != owner_id:",
            "if script is None:",
        ),
        by="tests/attacks/test_other_users.py::test_a_stranger_learns_and_changes_nothing_by_an_id",
    ),
    mutant(
        "rules that let everybody read jobs",
        "nobody sees what is not theirs",
        (
            "firestore.rules",
            "allow read: if isUser(resource.data.userId) && callerStands();",
            "allow read: if callerStands();",
        ),
        by="tests/rules/test_firestore_rules.py::test_nobody_reads_what_is_anothers",
    ),
    mutant(
        "a token made for another service starts renders",
        "only the queue calls the runner",
        ("gpu_runner/server.py", "Request(), audience=audience, certs_url=certs_url", "Request(), certs_url=certs_url"),
        by="tests/attacks/test_runner_callers.py::test_a_foreign_caller_is_refused_and_nothing_is_touched",
    ),
    mutant(
        "any service account starts renders",
        "only the queue calls the runner",
        ("gpu_runner/server.py", 'claims.get("email") != service_account or ', ""),
        by="tests/attacks/test_runner_callers.py::test_a_foreign_caller_is_refused_and_nothing_is_touched",
    ),
    mutant(
        "an emulator's address in a real project",
        "no emulator variable works outside demo- projects",
        (
            "functions/contracts/environment.py",
            '    if not project_id.startswith("demo-"):\n        for name',
            "    if False:\n        for name",
        ),
        by="tests/attacks/test_emulators.py"
        "::test_an_operation_of_a_real_project_does_nothing_while_an_emulator_is_named",
    ),
    mutant(
        "media whose signature nobody checks",
        "signed paths altered in any part are refused",
        ("functions/media/signing.py", "return any(matches) and ", "return bool(matches) and "),
        by="tests/attacks/test_signed_paths.py::test_a_path_that_was_altered_leads_nowhere",
    ),
    mutant(
        "media whose signature never ends",
        "signed paths altered in any part are refused",
        ("functions/media/signing.py", "return any(matches) and now.timestamp() < int(expires)", "return any(matches)"),
        by="tests/attacks/test_signed_paths.py::test_a_path_leads_nowhere_a_moment_after_its_end",
    ),
    mutant(
        "stars of one user that count every time",
        "each user's star counts once",
        (
            "functions/characters/stars.py",
            "        if is_starred == was_starred:\n            return count\n",
            "",
        ),
        by="tests/functions/characters/test_stars.py::test_stars_of_one_user_count_once",
    ),
    mutant(
        "stars that are written as a number",
        "each user's star counts once",
        ("functions/characters/stars.py", '{"starred": Increment(step)}', '{"starred": count + step}'),
        by="tests/faults/test_races.py::test_twenty_users_star_a_character",
    ),
    mutant(
        "a log line with the caller's token",
        "no secret is in any log line",
        (
            "functions/gcp/endpoint.py",
            '    fields["operation"] = route.function\n',
            '    fields["operation"] = route.function\n    fields["given"] = request.headers.get("Authorization")\n',
        ),
        by=("tests/functions/videos/test_cancellation.py", "tests/test_product_logs.py"),
    ),
)

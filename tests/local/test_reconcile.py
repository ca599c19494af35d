"""`make reconcile`: what it prints, what it repairs, and its exit status."""

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import PermissionDenied

from contracts.environment import ConfigurationError
from local import operating, reconcile
from local.addresses import Ports
from local.operating import OperatingError, open_firestore
from tests.emulators import free_port
from tests.functions.conftest import MakeUser, make_user
from tokens import audit

if TYPE_CHECKING:
    from google.cloud.firestore import Client

__all__ = ["make_user"]


def run(db: "Client", *, repair: bool = True) -> tuple[bool, list[str]]:
    lines: list[str] = []
    agrees = reconcile.reconcile(
        db, lambda: datetime.now(UTC) + timedelta(hours=1), repair=repair, announce=lines.append
    )
    return agrees, lines


@pytest.fixture
def command(db: "Client", monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The command's environment names the test's database."""
    monkeypatch.setenv("PROJECT", db.project)
    monkeypatch.delenv("DRY_RUN", raising=False)
    return monkeypatch


def test_where_all_agrees_only_the_counts_are_told(db: "Client", make_user: MakeUser) -> None:
    make_user("ann")

    assert run(db) == (True, ["Users 1, jobs 0: disagreements 0, repaired 0, left 0."])


def test_a_disagreement_is_told_with_its_documents_and_repaired(db: "Client", make_user: MakeUser) -> None:
    make_user("ann")
    db.document("users/ann").update({"held": 1})

    agrees, lines = run(db)

    assert agrees
    assert lines == [
        "  held_is_not_the_sum (repaired): users/ann",
        "Users 1, jobs 0: disagreements 1, repaired 1, left 0.",
    ]
    assert run(db)[1] == ["Users 1, jobs 0: disagreements 0, repaired 0, left 0."]


def test_a_dry_run_reports_and_changes_nothing(db: "Client", make_user: MakeUser) -> None:
    make_user("ann")
    db.document("users/ann").update({"held": 1})

    agrees, lines = run(db, repair=False)

    assert not agrees
    assert lines[0] == "  held_is_not_the_sum (can be repaired): users/ann"
    assert db.document("users/ann").get().get("held") == 1


def test_progress_is_told_every_so_many_users(
    db: "Client", make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "_USERS_A_LINE", 2)
    monkeypatch.setattr(audit, "PAGE", 1)
    for number in range(5):
        make_user(f"user{number}")

    _, lines = run(db)

    assert lines[:-1] == ["2 users checked", "4 users checked"]


def test_what_cannot_be_repaired_is_the_exit_status(
    db: "Client", make_user: MakeUser, command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_user("ann")
    before = command and reconcile.main()
    job_id = "1" * 32
    db.document("holds", job_id).set(
        {"jobId": job_id, "userId": "ann", "priceTokens": 1, "state": "held", "createdAt": datetime.now(UTC)}
    )

    after = reconcile.main()

    told = capsys.readouterr().out
    assert (before, after) == (0, 1)
    assert f"Firestore of {db.project} at {os.environ['FIRESTORE_EMULATOR_HOST']}" in told
    assert f"hold_without_job (not repaired): holds/{job_id}" in told
    assert "left 1." in told


def test_a_dry_run_is_asked_for_by_a_variable(db: "Client", make_user: MakeUser, command: pytest.MonkeyPatch) -> None:
    make_user("ann")
    db.document("users/ann").update({"held": 1})
    command.setenv("DRY_RUN", "1")

    assert reconcile.main() == 1
    assert db.document("users/ann").get().get("held") == 1


def test_without_a_local_cloud_the_command_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.delenv("PROJECT", raising=False)

    assert reconcile.main() == 1
    assert "start the local cloud with make run" in capsys.readouterr().err


def test_what_the_database_refuses_is_told_in_one_line(
    command: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionDenied("You may not.\nAnd much more.")  # type: ignore[no-untyped-call]  # the package leaves it so

    command.setattr(reconcile, "audit_pages", refuse)

    assert reconcile.main() == 1
    assert capsys.readouterr().err == "Firestore did not do its part (PermissionDenied): 403 You may not.\n"


@pytest.mark.parametrize("project", ["no..such", "../elsewhere", "Duologue"])
def test_what_is_no_projects_id_is_refused(project: str) -> None:
    with pytest.raises(OperatingError, match="no project's id"):
        open_firestore(project)


def test_an_emulators_address_beside_a_real_project_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:8080")

    with pytest.raises(OperatingError, match="FIRESTORE_EMULATOR_HOST is set") as refused:
        open_firestore("my-project")

    assert isinstance(refused.value.__cause__, ConfigurationError)


def test_without_credentials_the_command_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRESTORE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    for name in ("FIREBASE_AUTH_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", "CLOUD_TASKS_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(OperatingError, match="gcloud auth application-default login"):
        open_firestore("my-project")


def test_a_local_cloud_is_found_on_its_port_where_no_variable_names_one(
    db: "Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(os.environ["FIRESTORE_EMULATOR_HOST"].rpartition(":")[2])
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST")
    shifted = Ports().shifted(port - Ports().firestore)
    monkeypatch.setattr(operating, "Ports", lambda: shifted)

    opened = open_firestore(None)

    assert db.project != opened.project == "demo-duologue"
    assert os.environ["FIRESTORE_EMULATOR_HOST"].endswith(f":{port}")
    opened.close()  # type: ignore[no-untyped-call]  # the package leaves it so

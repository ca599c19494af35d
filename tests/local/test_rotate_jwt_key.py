"""The next key of session tokens, of the local cloud and of a project."""

import itertools
import json
import os
import re
import shlex
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from accounts.sessions import issue_session, key_id, verify_session
from gcp.settings import read_settings
from local.addresses import ROOT
from local.environment import read_or_make_secrets
from local.operating import OperatingError
from local.rotate_jwt_key import prepare, rotate_local

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PROJECT = "duologue-example"
OLD = "o" * 64
FOLDER = Path(".local/rotate-jwt-key") / PROJECT


def keys(text: str, project: str = PROJECT) -> tuple[str, ...]:
    """What functions of the project read of this secret."""
    return read_settings({"GOOGLE_CLOUD_PROJECT": project, "JWT_SECRET": text}).jwt_secrets


def local_keys(path: Path) -> tuple[str, ...]:
    return keys(json.loads(path.read_text())["JWT_SECRET"], "demo-local")


def fetched(root: Path, text: str = OLD) -> Path:
    """The project's folder after the user has fetched the secret."""
    prepare(PROJECT, root, NOW)
    (root / FOLDER / "0-as-it-is").write_text(text)
    return root / FOLDER


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_after_a_local_rotation_old_tokens_are_good_and_new_ones_have_another_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    read_or_make_secrets(path)
    now = datetime.now(UTC)
    before = issue_session("ann", local_keys(path), now=now)

    rotate_local(path)

    after = issue_session("ann", local_keys(path), now=now)
    assert [verify_session(token, local_keys(path)).user_id for token in (before, after)] == ["ann", "ann"]
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]


def test_a_local_rotation_changes_no_other_secret(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    before = read_or_make_secrets(path)

    rotate_local(path)

    after = json.loads(path.read_text())
    assert after | {"JWT_SECRET": ""} == before | {"JWT_SECRET": ""}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_second_local_rotation_drops_the_oldest_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    read_or_make_secrets(path)
    rotate_local(path)
    between = local_keys(path)

    rotate_local(path)

    assert local_keys(path)[1] == between[0]
    assert len({*local_keys(path), *between}) == 3


def test_a_projects_rotation_begins_by_fetching_the_key(tmp_path: Path) -> None:
    said = prepare(PROJECT, tmp_path, NOW)

    assert f"access latest --secret=JWT_SECRET --project={PROJECT}" in said
    assert said.endswith(f"make rotate-jwt-key PROJECT={PROJECT}")
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


@pytest.mark.parametrize("text", [OLD, OLD + "\n", f"{OLD} {'p' * 64}"], ids=["one key", "a line", "two keys"])
def test_each_phase_is_a_file_that_the_functions_take(tmp_path: Path, text: str) -> None:
    folder = fetched(tmp_path, text)

    prepare(PROJECT, tmp_path, NOW)

    phases = {name: keys(held) for name, held in contents(folder).items()}
    new = phases["3-new-alone"][0]
    assert phases == {"1-old-signs": (OLD, new), "2-new-signs": (new, OLD), "3-new-alone": (new,)}
    assert len(new) >= 64
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_between_any_two_neighbouring_phases_either_functions_tokens_are_good_for_both(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    prepare(PROJECT, tmp_path, NOW)
    held = contents(folder)
    versions = [(OLD,), *(keys(held[name]) for name in sorted(held))]
    now = datetime.now(UTC)

    good = [
        verify_session(issue_session("ann", signer, now=now), reader).user_id
        for one, other in itertools.pairwise(versions)
        for signer, reader in ((one, other), (other, one))
    ]

    assert good == ["ann"] * 6


def test_the_commands_name_the_files_in_their_order(tmp_path: Path) -> None:
    folder = fetched(tmp_path)

    said = prepare(PROJECT, tmp_path, NOW)

    named = re.findall(r"--data-file=(\S+)", said)
    assert [tmp_path / name for name in named] == [folder / name for name in sorted(contents(folder))]
    assert said.count(f"npx firebase deploy --project={PROJECT} --only functions") == 3


def test_nothing_that_is_printed_holds_a_key(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    read_or_make_secrets(path)
    said = rotate_local(path)
    folder = fetched(tmp_path)
    said += prepare(PROJECT, tmp_path, NOW)
    said += prepare(PROJECT, tmp_path, NOW)

    held = {*local_keys(path), *(key for text in contents(folder).values() for key in keys(text))}
    assert [key_id(key) in said for key in held] == [True] * 4
    assert [key for key in held if key in said or key.removeprefix("local-development-") in said] == []


def test_a_rotation_that_was_prepared_is_not_prepared_anew(tmp_path: Path) -> None:
    folder = fetched(tmp_path)
    prepare(PROJECT, tmp_path, NOW)
    before = contents(folder)
    os.utime(folder / "3-new-alone", (NOW.timestamp(), NOW.timestamp()))

    said = prepare(PROJECT, tmp_path, NOW + timedelta(days=2))

    assert contents(folder) == before
    assert said.startswith("This rotation was prepared 2026-01-02 00:00 UTC, 2 days ago.")


@pytest.mark.parametrize(
    "text",
    ["", "tiny-key", "local-development-" + "x" * 40, "a" * 40 + " " + "b" * 40 + " " + "c" * 40],
    ids=["nothing was fetched", "short", "a local key", "three keys"],
)
def test_a_key_that_the_functions_would_refuse_ends_it(tmp_path: Path, text: str) -> None:
    folder = fetched(tmp_path, text)

    with pytest.raises(OperatingError, match="0-as-it-is; fetch it again") as refused:
        prepare(PROJECT, tmp_path, NOW)

    assert set(contents(folder)) == {"0-as-it-is"}
    assert not text or text.split(maxsplit=1)[0] not in str(refused.value)


@pytest.mark.parametrize("project", ["../elsewhere", "Duologue", "a b", "x; rm -r y"])
def test_what_is_no_projects_id_is_refused(tmp_path: Path, project: str) -> None:
    with pytest.raises(OperatingError, match="no project's id"):
        prepare(project, tmp_path, NOW)


def test_the_fetching_command_keeps_the_key_to_its_owner(tmp_path: Path) -> None:
    said = prepare(PROJECT, tmp_path, NOW)
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f"#!/bin/sh\nprintf %s {shlex.quote(OLD)}\n")
    gcloud.chmod(0o700)
    (command,) = re.findall(r"\(umask.*?\)\n", said, re.DOTALL)

    subprocess.run(["sh", "-c", command], cwd=tmp_path, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=True)

    (path,) = (tmp_path / FOLDER).iterdir()
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (OLD, 0o600)
    assert "Phase 1" in prepare(PROJECT, tmp_path, NOW)


def test_the_command_refuses_with_one_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local.rotate_jwt_key"],
        cwd=ROOT,
        env=os.environ | {"PROJECT": "No Project"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "'No Project' is no project's id.\n"

from pathlib import Path

import pytest

from local.setup import SetupError
from local.setup_deploy import ensure_terraform


def put_terraform(folder: Path, version: str) -> None:
    """A program of that name which tells only its version."""
    program = folder / "terraform"
    program.write_text(f'#!/bin/sh\necho \'{{"terraform_version": "{version}"}}\'\n')
    program.chmod(0o755)


@pytest.fixture(autouse=True)
def only_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_terraform_a_person_is_told_where_to_get_it() -> None:
    with pytest.raises(
        SetupError, match=r"terraform 1\.11 or later is missing \(found: none\)\. Install it from https"
    ):
        ensure_terraform()


def test_a_terraform_that_is_too_old_is_refused(only_program: Path) -> None:
    put_terraform(only_program, "1.9.8")

    with pytest.raises(SetupError, match=r"found: 1\.9\)"):
        ensure_terraform()


@pytest.mark.parametrize("version", ["1.11.0", "1.15.2-beta1", "2.0.0"])
def test_a_terraform_that_is_new_enough_will_do(only_program: Path, version: str) -> None:
    put_terraform(only_program, version)

    ensure_terraform()

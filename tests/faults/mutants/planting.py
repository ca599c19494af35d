"""Plants defects in copies of the tree, one at a time, and looks which test notices.

The tree itself is never touched.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from local.addresses import ROOT
from tests.faults.mutants.mutant import Mutant

# What is installed and never changed: the copies share it.
_SHARED = (".venv", "node_modules")
# Far longer than the slowest of the tests that defects name.
_TIMEOUT_SECONDS = 1_200
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)


class Verdict(NamedTuple):
    """What became of a mutant: the test that noticed it, or how it was that none did."""

    mutant: Mutant
    killed_by: str | None
    trouble: str
    seconds: float

    def __str__(self) -> str:
        end = f"killed by {self.killed_by}" if self.killed_by else self.trouble
        return f"{self.mutant.name} ({self.mutant.promise}): {end}, {self.seconds:.0f} s"


class Run(NamedTuple):
    exit_code: int
    output: str


def copy_tree(target: Path) -> Path:
    """The tree as it is now, changes that are not committed included, but for what git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.is_file():
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    for name in _SHARED:
        (target / name).symlink_to(ROOT / name)
    return target


def run_tests(tree: Path, tests: Sequence[str]) -> Run:
    """The tests of that tree, until the first that fails."""
    argv = [str(tree / ".venv" / "bin" / "python"), "-m", "pytest", "-q", "-x", "--tb=line", "-p", "no:cacheprovider"]
    # No compiled file: one whose source changed twice in a second would be taken for current.
    variables = {name: value for name, value in os.environ.items() if not name.endswith("EMULATOR_HOST")}
    try:
        ended = subprocess.run(
            [*argv, *tests],
            cwd=tree,
            env={**variables, "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Run(-1, f"did not end within {_TIMEOUT_SECONDS} s")
    return Run(ended.returncode, ended.stdout + ended.stderr)


def try_mutant(tree: Path, mutant: Mutant) -> Verdict:
    """Whether its tests notice the defect, in this copy, which is healthy again afterwards. Raises StaleMutantError."""
    began_at = time.monotonic()
    healthy = mutant.plant(tree)
    try:
        run = run_tests(tree, mutant.tests)
    finally:
        for file, text in healthy.items():
            file.write_text(text)
    seconds = time.monotonic() - began_at
    failed = _FAILED.search(run.output)
    # A test that fails has noticed something; one that could not even begin has not.
    if run.exit_code == 1 and failed:
        return Verdict(mutant, failed[1], "", seconds)
    trouble = "SURVIVED" if run.exit_code == 0 else f"the tests did not run: {run.output[-1_000:]}"
    return Verdict(mutant, None, trouble, seconds)

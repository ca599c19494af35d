"""Planted defects, each of which some test must notice: the tests are tested."""

import os
import queue
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.addresses import ROOT
from tests.faults.mutants.every import MUTANTS
from tests.faults.mutants.mutant import Mutant
from tests.faults.mutants.planting import Verdict, copy_tree, run_tests, try_mutant

_COPIES = 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_defect_can_still_be_planted(mutant: Mutant, tmp_path: Path) -> None:
    """In the text of today, exactly once; and what it leaves can be compiled."""
    for path in {plant.path for plant in mutant.plants}:
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((ROOT / path).read_text())

    before = mutant.plant(tmp_path)

    assert all(file.read_text() != text for file, text in before.items())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_tests_that_should_notice_a_defect_are_there(mutant: Mutant) -> None:
    for test in mutant.tests:
        path, _, function = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert not function or f"def {function.partition('[')[0]}(" in (ROOT / path).read_text(), test


def test_no_two_defects_have_one_name() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.mutants
@pytest.mark.timeout(3 * 3600)
def test_every_defect_is_noticed(tmp_path: Path) -> None:
    """MUTANT= in the environment: only those whose name holds that text."""
    chosen = [mutant for mutant in MUTANTS if os.environ.get("MUTANT", "") in mutant.name]
    trees: queue.Queue[Path] = queue.Queue()
    for number in range(_COPIES):
        trees.put(copy_tree(tmp_path / f"copy{number}"))

    def verdict_of(mutant: Mutant) -> Verdict:
        tree = trees.get()
        try:
            verdict = try_mutant(tree, mutant)
        finally:
            trees.put(tree)
        sys.stdout.write(f"{verdict}\n")
        return verdict

    with ThreadPoolExecutor(_COPIES) as pool:
        verdicts = list(pool.map(verdict_of, chosen))

    # Each was noticed because of its defect: without, the same tests pass.
    tests = sorted({verdict.killed_by for verdict in verdicts if verdict.killed_by})
    undisturbed = run_tests(trees.get(), tests)
    sys.stdout.write(f"{len(tests)} tests that noticed one, without any: exit code {undisturbed.exit_code}\n")
    left = [str(verdict) for verdict in verdicts if verdict.killed_by is None]
    sys.stdout.write(f"{len(verdicts) - len(left)} of {len(verdicts)} planted defects were noticed\n")
    assert chosen
    assert left == []
    assert undisturbed.exit_code == 0, undisturbed.output[-3_000:]

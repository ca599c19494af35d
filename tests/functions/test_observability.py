"""docs/observability.md against what the code writes into its log."""

import re
from pathlib import Path

import pytest

from contracts import log
from local.addresses import ROOT

SOURCES = [
    path
    for folder in (ROOT / "functions", ROOT / "gpu_runner")
    for path in folder.rglob("*.py")
    if "venv" not in path.relative_to(ROOT).parts
]
CALL = re.compile(r"\blog\.(?:info|warning|error|write)\(")
CALL_WITH_NAME = re.compile(r"\blog\.(?:(?:info|warning|error)\(|write\(\w+,)\s*\"([a-z_]+)\"")


def written() -> set[str]:
    return {name for path in SOURCES for name in CALL_WITH_NAME.findall(path.read_text())}


def documented() -> list[str]:
    """The names of the table, whose first cells hold nothing else."""
    text = (ROOT / "docs" / "observability.md").read_text()
    table = re.search(r"^\| event \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table
    return [name for row in table[1].splitlines() for name in re.findall(r"`([a-z_]+)`", row.split("|")[1])]


def test_every_event_that_is_written_is_in_the_table() -> None:
    assert {"request_finished", "render_finished", "adjustment_handled"} <= written()
    assert sorted(written() - set(documented())) == []


def test_no_event_is_in_the_table_that_nothing_writes() -> None:
    assert sorted(set(documented()) - written()) == []


def test_no_event_is_in_the_table_twice() -> None:
    assert len(documented()) == len(set(documented()))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_event_is_named_where_it_is_written(path: Path) -> None:
    """Or this test would not see it."""
    text = path.read_text()

    assert path.samefile(log.__file__) or len(CALL.findall(text)) == len(CALL_WITH_NAME.findall(text))

"""docs/security.md maps what may be attacked to tests that are there."""

import ast
import functools
import re

import pytest

from local.addresses import ROOT

pytestmark = pytest.mark.attacks

ITEMS = [f"API{number}" for number in range(1, 11)]
DOCUMENT = (ROOT / "docs/security.md").read_text()
ROWS = {match[1]: match[0] for match in re.finditer(r"^\| (API\d+) .*$", DOCUMENT, re.MULTILINE)}
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@functools.cache
def find_tests(path: str) -> dict[str, bool]:
    """The module's tests, and whether each carries the marker."""
    tree = ast.parse((ROOT / path).read_text())
    is_module_marked = any(
        isinstance(node, ast.Assign) and "pytestmark" in ast.unparse(node.targets[0]) and _has_marker(node.value)
        for node in tree.body
    )
    return {
        node.name: is_module_marked or any(_has_marker(each) for each in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def _has_marker(node: ast.expr) -> bool:
    return "pytest.mark.attacks" in ast.unparse(node)


def test_every_item_has_its_row() -> None:
    assert list(ROWS) == ITEMS


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_names_tests_that_are_there_and_carry_the_marker(item: str) -> None:
    named = _TEST.findall(ROWS[item])

    assert named
    assert [f"{path}::{name}" for path, name in named if not find_tests(path).get(name)] == []


def test_every_attack_has_its_place_in_the_table() -> None:
    named = {name for _, name in _TEST.findall(DOCUMENT)}
    modules = sorted((ROOT / "tests/attacks").rglob("test_*.py"))
    written = {name for path in modules for name in find_tests(str(path.relative_to(ROOT)))}

    assert written - named == set(find_tests("tests/attacks/test_security_document.py")) - named

"""What the documents name is there."""

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from local.addresses import ROOT

DOCUMENTS = ["README.md", "ARCHITECTURE.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
OBSERVABILITY = (ROOT / "docs/observability.md").read_text()
QUERIES = re.findall(r"```(?:sql)?\n(.*?)```", OBSERVABILITY, re.DOTALL)


@functools.cache
def logged() -> dict[str, set[str]]:
    """The fields of each event, as the code's calls of `contracts.log` name them."""
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "gpu_runner").glob("*.py")]:
        add_events(ast.parse(path.read_text()), found)
    return found


def add_events(tree: ast.Module, found: dict[str, set[str]]) -> None:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        function = call.func
        if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
            continue
        if function.value.id != "log" or function.attr not in {"write", "info", "warning", "error"}:
            continue
        texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
        if not texts:
            continue
        fields = found.setdefault(str(texts[-1]), set())
        fields |= {keyword.arg for keyword in call.keywords if keyword.arg}
        if any(keyword.arg is None for keyword in call.keywords):
            fields |= set(keys_of_dictionaries(tree))


def keys_of_dictionaries(tree: ast.Module) -> Iterator[str]:
    """The text keys with which the module makes and fills dictionaries."""
    for node in ast.walk(tree):
        keys = node.keys if isinstance(node, ast.Dict) else [node.slice] if isinstance(node, ast.Subscript) else []
        yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def named_events() -> list[str]:
    """Every event of the table and the queries."""
    rows = [row.split("|")[1] for row in OBSERVABILITY.splitlines() if row.startswith("| `")]
    in_table = [name for cell in rows for name in re.findall(r"`([a-z_]+)`", cell)]
    compared = re.findall(r"""event\)? *(?:=|IN) *(\([^)]*\)|"\w+")""", OBSERVABILITY)
    return sorted({*in_table, *(name for group in compared for name in re.findall(r'"(\w+)"', group))})


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text())

    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_is_there(document: str) -> None:
    named = re.findall(
        r"`((?:functions|gpu_runner|local|docs|tests|terraform)/[\w./]+)`", (ROOT / document).read_text()
    )

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("event", named_events())
def test_the_code_writes_every_event_that_the_queries_name(event: str) -> None:
    assert event in logged()


@pytest.mark.parametrize("query", QUERIES, ids=[str(index) for index in range(len(QUERIES))])
def test_an_event_has_every_field_that_its_query_names(query: str) -> None:
    fields = set(re.findall(r"json_?[pP]ayload\.(\w+)", query)) - {"event"}
    events = set(re.findall(r'"([a-z_]+)"', query)) & logged().keys()
    written = [logged()[event] for event in events or logged()]

    assert fields <= set().union(*written)

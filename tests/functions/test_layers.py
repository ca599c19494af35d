"""Who may import what, so that the rules stay free of SDKs and the entities free of cycles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.addresses import ROOT

FUNCTIONS = ROOT / "functions"
ENTITIES = (
    "accounts",
    "activities",
    "backgrounds",
    "characters",
    "config",
    "feedback",
    "health",
    "limits",
    "media",
    "scripts",
    "tokens",
    "videos",
)
# What an entity's modules of pure rules may not know.
SDKS = ("google", "firebase_admin", "firebase_functions", "openai", "flask", "requests", "grpc")
RULES = (
    "accounts/sessions.py",
    "activities/statistics.py",
    "characters/character.py",
    "characters/clip.py",
    "characters/picture.py",
    "config/edit.py",
    "media/signing.py",
    "scripts/audio_status.py",
    "scripts/script.py",
    "scripts/script_view.py",
    "tokens/balance.py",
    "tokens/entry_activity.py",
    "videos/job_view.py",
)
MODULES = sorted(
    path.relative_to(FUNCTIONS).as_posix()
    for entity in ENTITIES
    for path in (FUNCTIONS / entity).glob("*.py")
    if path.name != "__init__.py"
)


def imports(module: str, *, inside_functions: bool) -> Iterator[str]:
    """The modules that a module imports when it runs, those for type checkers left out."""
    tree = ast.parse((FUNCTIONS / module).read_text())
    nodes = list(ast.walk(tree)) if inside_functions else [each for each in tree.body if not isinstance(each, ast.If)]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("module", RULES)
def test_rules_know_no_sdk(module: str) -> None:
    known = {name.partition(".")[0] for name in imports(module, inside_functions=True)}

    assert known.isdisjoint(SDKS)


@pytest.mark.parametrize("module", MODULES)
def test_no_entity_imports_anothers_endpoints_or_triggers(module: str) -> None:
    entity = Path(module).parts[0]

    foreign = [
        name
        for name in imports(module, inside_functions=True)
        if name.endswith((".endpoints", ".triggers")) and not name.startswith(f"{entity}.")
    ]

    assert foreign == []


def test_the_platform_knows_no_entity_but_who_calls() -> None:
    known = {
        name
        for path in (FUNCTIONS / "gcp").glob("*.py")
        for name in imports(path.relative_to(FUNCTIONS).as_posix(), inside_functions=True)
        if name.partition(".")[0] in ENTITIES
    }

    assert known == {"accounts.bearer", "accounts.users"}


def test_modules_import_each_other_without_a_cycle() -> None:
    names = {module.removesuffix(".py").replace("/", ".") for module in MODULES}
    edges = {
        module.removesuffix(".py").replace("/", "."): {
            name for name in imports(module, inside_functions=True) if name in names
        }
        for module in MODULES
    }

    while leaves := {name for name, needed in edges.items() if not needed}:
        edges = {name: needed - leaves for name, needed in edges.items() if name not in leaves}

    assert edges == {}

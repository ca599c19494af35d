"""What a planted defect is."""

from pathlib import Path
from typing import NamedTuple


class Plant(NamedTuple):
    """A piece of the text of a file, found there exactly once, and what the defect has in its place."""

    path: str
    healthy: str
    defect: str


class Mutant(NamedTuple):
    """A defect, the promise that it breaks, and the tests of which at least one must notice."""

    name: str
    promise: str
    plants: tuple[Plant, ...]
    tests: tuple[str, ...]

    def plant(self, root: Path) -> dict[Path, str]:
        """The tree at `root` has the defect; what its files held before. Raises StaleMutantError."""
        before: dict[Path, str] = {}
        after: dict[Path, str] = {}
        for plant in self.plants:
            file = root / plant.path
            if file not in before:
                before[file] = after[file] = file.read_text()
            found = after[file].count(plant.healthy)
            if found != 1:
                raise StaleMutantError(f"{self.name}: {plant.path} holds {found} times: {plant.healthy}")
            after[file] = after[file].replace(plant.healthy, plant.defect)
        for file, text in after.items():
            # Otherwise any test would notice.
            if file.suffix == ".py":
                compile(text, str(file), "exec")
        for file, text in after.items():
            file.write_text(text)
        return before


class StaleMutantError(Exception):
    """The product's text has changed since the defect was written: write it anew."""


def mutant(name: str, promise: str, *plants: tuple[str, str, str], by: tuple[str, ...] | str) -> Mutant:
    return Mutant(name, promise, tuple(Plant(*each) for each in plants), (by,) if isinstance(by, str) else by)

"""The Dockerfile as a test reads it: its stages, and what the last one has of each instruction for given arguments."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from local.addresses import ROOT

DOCKERFILE = ROOT / "gpu_runner" / "Dockerfile"
IGNORE_FILE = ROOT / "gpu_runner" / "Dockerfile.dockerignore"


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str


@dataclass
class Stage:
    """One `FROM`; `base` may hold arguments."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)


@dataclass(frozen=True)
class Copied:
    """A `COPY` out of the build's context."""

    sources: tuple[str, ...]
    target: str


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions, each on one line; comments are left out, those too within a continued line."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for whole in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if whole.strip():
            name, _, rest = whole.strip().partition(" ")
            yield Instruction(name.upper(), rest.strip())


class Dockerfile:
    """The file, built with these arguments."""

    def __init__(self, text: str, **arguments: str) -> None:
        self.arguments: dict[str, str] = {}
        self.stages: list[Stage] = []
        for instruction in instructions(text):
            if instruction.name == "FROM":
                base, _, name = instruction.text.partition(" AS ")
                self.stages.append(Stage(base.strip(), name.strip()))
            elif self.stages:
                self.stages[-1].instructions.append(instruction)
            elif instruction.name == "ARG":
                name, _, default = instruction.text.partition("=")
                self.arguments[name] = arguments.get(name, default)

    def expanded(self, text: str) -> str:
        """The text with the arguments that stand before the first stage."""
        return re.sub(r"\$\{(\w+)\}", lambda match: self.arguments.get(match[1], match[0]), text)

    def chain(self) -> list[Stage]:
        """The last stage and all that it is made from, oldest first. Raises StopIteration for a base that is none."""
        stage = self.stages[-1]
        chain: list[Stage] = []
        while True:
            chain.insert(0, stage)
            base = self.expanded(stage.base)
            if base == self.arguments["PYTHON_IMAGE"]:
                return chain
            stage = next(each for each in self.stages if each.name == base)

    def of_the_image(self, name: str) -> list[str]:
        """The texts of every such instruction that the finished image has."""
        return [each.text for stage in self.chain() for each in stage.instructions if each.name == name]

    def environment(self) -> dict[str, str]:
        pairs = re.compile(r"""(\w+)=(?:"([^"]*)"|(\S*))""")
        return {
            match[1]: match[2] if match[2] is not None else match[3]
            for text in self.of_the_image("ENV")
            for match in pairs.finditer(text)
        }

    def labels(self) -> dict[str, str]:
        return dict(re.findall(r'([\w.]+)="([^"]*)"', " ".join(self.of_the_image("LABEL"))))

    def command(self) -> list[str]:
        """The last CMD, which must be in the exec form."""
        argv: list[str] = json.loads(self.of_the_image("CMD")[-1])
        return argv

    def copied(self) -> list[Copied]:
        """What the finished image has of the context."""
        copies = [text.split() for text in self.of_the_image("COPY") if not text.startswith("--from")]
        return [Copied(tuple(words[:-1]), words[-1]) for words in copies]

    def every(self, name: str) -> list[str]:
        """The texts of every such instruction of all stages."""
        return [each.text for stage in self.stages for each in stage.instructions if each.name == name]


def read(**arguments: str) -> Dockerfile:
    return Dockerfile(DOCKERFILE.read_text(), **arguments)


def context() -> list[str]:
    """The files, named from the repository's root, that BuildKit would send.

    The ignore file leaves everything out and lets patterns in again, so that those are all that counts.
    """
    lines = [line for line in IGNORE_FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert all(line.startswith("!") for line in lines[1:])
    return sorted(
        path.relative_to(ROOT).as_posix() for pattern in lines[1:] for path in ROOT.glob(pattern[1:]) if path.is_file()
    )


def matches(pattern: str, files: list[str]) -> list[str]:
    """The files that a COPY's source stands for: themselves, by wild card, or those of a folder."""
    same_depth = [name for name in files if fnmatchcase(name, pattern) and name.count("/") == pattern.count("/")]
    return same_depth or [name for name in files if name.startswith(f"{pattern}/")]


def assemble(dockerfile: Dockerfile, root: Path) -> None:
    """The image's own files under `root`, as its COPY instructions put them there."""
    files = context()
    for copied in dockerfile.copied():
        for source in copied.sources:
            found = matches(source, files)
            assert found, f"COPY {source}: the context has no such file"
            for name in found:
                is_folder = (ROOT / source).is_dir()
                inside = Path(name).relative_to(source).as_posix() if is_folder else Path(name).name
                as_folder = is_folder or copied.target.endswith("/")
                target = root / copied.target.lstrip("/") / inside if as_folder else root / copied.target.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((ROOT / name).read_bytes())

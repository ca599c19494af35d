"""Every benchmark, one after another, and docs/performance.md made of what they print.

    .venv/bin/python -m bench [SECTION ...]

Each is a command of its own, with one line on stdout that begins with `## `: there its section begins, and what comes
before are the product's log lines. `make bench` runs them all, in about an hour on a quiet machine. What a section
printed last is kept in .local/bench, so that one can be measured again without the others, and also where the command
fails because of what it found: that is the newest there is to know. Exits with 1 then.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Section:
    """A command of bench/, and what its figures are."""

    path: str
    figures: str


SECTIONS = {
    "cold_start": Section("bench/cold_start.py", "Measured; ratios to a floor of the same run, in turns with it."),
    "warm": Section("bench/warm/measure.py", "Measured; ratios to a floor of the same run, in turns with it."),
    "memory": Section("bench/memory.py", "Measured; MiB, beside what the deployment allows."),
    "render": Section("bench/render", "Measured; ratios to a floor and to peers of the same run, in turns with them."),
    "job": Section("bench/job.py", "Measured; ratios to speech and encode of the same run, in turns with them."),
    "scale": Section("bench/scale/simulate.py", "Simulated, not measured; ratios to the simulation's own floor."),
    "drain": Section(
        "bench/scale/drain.py", "Counted and measured; ratios of later jobs to earlier ones of one drain."
    ),
    "documents": Section("bench/scale/documents.py", "Counted; ratios of many documents to few."),
}
TARGET = ROOT / "docs" / "performance.md"
HEAD = """# Performance

Written by `make bench`; not to be edited. Under each title stands what the section's figures are, and at its end which
command measured it when, how long that took and at which commit (with a + where files were changed). A cell like 1.02
(1.00 to 1.05) is the median of the rounds, with the least and the most. Seconds are those of the machine that is named
and of no other. How a section was measured is said at the top of its command in `bench/`.
"""


def measure(name: str) -> bool:
    """Whether the command succeeded. What it printed is kept, if that is a section."""
    section = SECTIONS[name]
    print(f"{name}: {section.path}", file=sys.stderr, flush=True)
    began, commit = time.monotonic(), commit_now()
    argv = [sys.executable, section.path]
    done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    _, *sections = f"\n{done.stdout}".split("\n## ")
    if len(sections) != 1:
        print(
            f"{name} ended with {done.returncode} and {len(sections)} sections:\n{done.stdout}",
            file=sys.stderr,
            flush=True,
        )
        return False
    title, _, rest = sections[0].strip().partition("\n")
    ended = f", ended with {done.returncode}: what it must keep did not hold" if done.returncode else ""
    seconds, today = time.monotonic() - began, datetime.now(UTC).date()
    kept = kept_section(name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    stamp = f"(`{section.path}`, {today}, {seconds:.0f} s, commit {commit}{ended})"
    kept.write_text(f"## {title}\n\n{section.figures}\n{rest}\n\n{stamp}\n")
    return done.returncode == 0


def commit_now() -> str:
    """The short name of what is checked out, with a + where anything but the report itself differs from it."""
    git = ["git", "-C", str(ROOT)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    asked = [*git, "status", "--porcelain", "--", ".", f":!{TARGET.relative_to(ROOT)}"]
    changed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    return name.strip() + ("+" if changed else "")


def kept_section(name: str) -> Path:
    return ROOT / ".local" / "bench" / "sections" / f"{name}.md"


def main() -> int:
    asked = sys.argv[1:] or list(SECTIONS)
    if unknown := set(asked) - set(SECTIONS):
        raise SystemExit(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.")
    failed = [name for name in asked if not measure(name)]
    kept = {name: kept_section(name) for name in SECTIONS if kept_section(name).exists()}
    TARGET.write_text("\n".join([HEAD, *(path.read_text() for path in kept.values())]))
    missing = [name for name in SECTIONS if name not in kept]
    print(f"{TARGET} is written{', without ' + ', '.join(missing) if missing else ''}.")
    if failed:
        print(f"These failed: {', '.join(failed)}.", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

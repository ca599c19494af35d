"""Every benchmark, one after another, and docs/performance.md made of what they print.

    .venv/bin/python -m bench [SECTION ...]

Each is a command of its own; `make bench` runs them all, in about an hour on a quiet machine. What a section printed
last is kept in .local/bench, so that one can be measured again without the others.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "cold_start": ["bench/cold_start.py"],
    "requests": ["bench/warm/measure.py"],
    "render": ["bench/render"],
    "job": ["bench/job.py"],
    "scale": ["bench/scale/simulate.py"],
    "drain": ["bench/scale/drain.py"],
    "documents": ["bench/scale/documents.py"],
}
TARGET = ROOT / "docs" / "performance.md"
HEAD = """# Performance

Written by `make bench`; not to be edited. Every figure is a ratio to a floor or a peer that was measured in the same
run, in turns with it: the median of the rounds, with the least and the most. Seconds are those of the machine that is
named and of no other. Each section says how it was measured at the top of its own command in `bench/`.
"""


def measure(name: str) -> None:
    """The section as it is measured now. Raises SystemExit when its command fails."""
    print(f"{name}: {' '.join(SECTIONS[name])}", file=sys.stderr, flush=True)
    began = time.monotonic()
    done = subprocess.run([sys.executable, *SECTIONS[name]], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stdout}")
    # What stands before it shows the way to it.
    section = done.stdout[done.stdout.rindex("## ") :]
    kept = kept_section(name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(section.strip() + f"\n\n(`{' '.join(SECTIONS[name])}`, {time.monotonic() - began:.0f} s)\n")


def kept_section(name: str) -> Path:
    return ROOT / ".local" / "bench" / "sections" / f"{name}.md"


def main() -> None:
    asked = sys.argv[1:] or list(SECTIONS)
    if unknown := set(asked) - set(SECTIONS):
        raise SystemExit(f"There is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}.")
    for name in asked:
        measure(name)
    TARGET.write_text(
        "\n".join([HEAD, *(kept_section(name).read_text() for name in SECTIONS if kept_section(name).exists())])
    )
    missing = [name for name in SECTIONS if not kept_section(name).exists()]
    print(f"{TARGET} is written{', without ' + ', '.join(missing) if missing else ''}.")


if __name__ == "__main__":
    main()

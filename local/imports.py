"""Whether functions can be imported, and why not: the suite and the clock would learn that at each call."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

_IMPORT = "import sys, main; [getattr(main, name) for name in sys.argv[1:]]"
_PATIENCE_SECONDS = 120


def import_problem(functions_dir: Path, names: Iterable[str]) -> str | None:
    """What Python says when it imports these functions of main.py, in functions/venv; None when it says nothing."""
    python = functions_dir / "venv" / "bin" / "python"
    imported = subprocess.run(
        [python, "-c", _IMPORT, *names],
        cwd=functions_dir,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    if imported.returncode == 0:
        return None
    return imported.stderr.strip() or f"exit status {imported.returncode}"

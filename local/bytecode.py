"""Compiles functions/ with the Python that runs them in production, so that no cold start has to.

    python3 -m local.bytecode

Run by the Firebase CLI before it uploads the functions. Google's builder compiles the packages that it installs and not
what was uploaded. Standard library only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class BytecodeError(Exception):
    """The functions could not be compiled; the message says why and what to do."""


def compile_functions(root: Path) -> None:
    """Each module of root's functions/ has its bytecode beside it, for the runtime of firebase.json and no other.

    A module is loaded from it while its source has the same content, whatever the source's date: the upload keeps no
    dates, and this tree is edited afterwards. Raises BytecodeError.
    """
    functions = root / "functions"
    runtime = json.loads((root / "firebase.json").read_text())["functions"][0]["runtime"]
    python = functions / "venv" / "bin" / "python"
    if not python.exists():
        raise BytecodeError("functions/venv is missing: run `make setup`.")
    # Variables like PYTHONPYCACHEPREFIX would put the files elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    asked = [str(python), "-c", "import sys; print('python%d%d' % sys.version_info[:2])"]
    version = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    if version != runtime:
        raise BytecodeError(
            f"functions/venv has {version}, and firebase.json names {runtime}: deploy from that Python."
        )
    packages = sorted(path.parent for path in functions.glob("*/__init__.py"))
    for folder in (functions, *packages):
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)  # of modules that are gone, too
    sources = [*packages, *sorted(functions.glob("*.py"))]
    # Names relative to functions/, so that the same sources give the same upload from every machine.
    argv = [str(python), "-m", "compileall", "-q", "-f", "--invalidation-mode", "checked-hash", "-s", str(functions)]
    answer = subprocess.run([*argv, *map(str, sources)], env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BytecodeError(f"functions/ could not be compiled.\n{answer.stdout}{answer.stderr}")


def main() -> int:
    try:
        compile_functions(ROOT)
    except BytecodeError as error:
        print(f"local.bytecode: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

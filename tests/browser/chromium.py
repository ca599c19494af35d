"""The programs of this folder, which tell what a real browser makes of a page."""

import json
import subprocess
from typing import Any

from local.addresses import ROOT
from local.toolchain import find_chromium, find_node


def seen_by_chromium(program: str, *arguments: str) -> Any:
    """What the program prints of what it met. Fails where there is no browser."""
    chromium, node = find_chromium(), find_node(ROOT / ".venv")
    assert chromium, "this test needs a browser: run make setup, or install Chromium (Debian: apt-get install chromium)"
    assert node, "this test needs Node: run make setup"
    argv = [str(node), str(ROOT / "tests/browser" / program), str(chromium), *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=150)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

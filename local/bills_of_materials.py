"""Writes what each deployment consists of, as CycloneDX documents that vulnerability scanners read.

    make sbom

functions.json and gpu_runner.json list what pip installed for the requirements, with what those need in turn and with
licences; voice.json lists the pins of F5-TTS's environment, which is installed in the image alone. Debian's packages in
the image are not in them: a scanner reads those from the image itself.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local.setup import ROOT, child_environment
from local.setup_deploy import RUNNER_VENV

FOLDER = ROOT / ".local" / "sbom"
PROGRAM = ROOT / ".venv-deploy" / "bin" / "cyclonedx-py"
VOICE_PINS = (ROOT / "gpu_runner" / "voice_constraints.txt", ROOT / "gpu_runner" / "voice_requirements.txt")
# The first release that knows licences as packages declare them today (PEP 639).
_FORMAT = ["--sv", "1.6", "--of", "JSON", "--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml")]


def write_bills(folder: Path) -> dict[str, Path]:
    """The bills by the deployment's name. Raises CalledProcessError when one could not be made."""
    folder.mkdir(parents=True, exist_ok=True)
    bills = {name: folder / f"{name}.json" for name in ("functions", "gpu_runner", "voice")}
    _write(bills["functions"], "environment", "--PEP-639", str(ROOT / "functions" / "venv"))
    _write(bills["gpu_runner"], "environment", "--PEP-639", str(RUNNER_VENV))
    _write(bills["voice"], "requirements", "-", text=_voice_pins())
    return bills


def _voice_pins() -> str:
    """Each package of the voice server's environment once, pinned."""
    lines = [line.partition("#")[0].strip() for path in VOICE_PINS for line in path.read_text().splitlines()]
    return "".join(f"{line}\n" for line in {_name(line): line for line in lines if line}.values())


def _name(requirement: str) -> str:
    return requirement.partition("==")[0].lower().replace("_", "-")


def _write(target: Path, *source: str, text: str = "") -> None:
    argv = [str(PROGRAM), source[0], *source[1:-1], *_FORMAT, "--outfile", str(target), source[-1]]
    subprocess.run(argv, input=text, text=True, env=child_environment(), capture_output=True, check=True)


def main() -> int:
    try:
        bills = write_bills(FOLDER)
    except subprocess.CalledProcessError as error:
        print(f"make sbom: {error.stderr}", file=sys.stderr)
        return 1
    for path in bills.values():
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

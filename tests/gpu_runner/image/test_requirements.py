"""The image's Python packages as the registry has them now: found, compatible, and built for CUDA 12.

PyPI's torch 2.8.0 stands in for the one of PyTorch's own index, of which it is a copy without the name of its CUDA.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.addresses import ROOT
from tests.gpu_runner.image.test_dockerfile import pins

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1900)]

RUNNER = ROOT / "gpu_runner"
TORCHS_OWN = re.compile(r"nvidia-.*|torch|torchaudio|torchcodec|triton|setuptools")


def resolved(folder: Path, *arguments: str) -> dict[str, str]:
    """What pip would install into an empty environment."""
    report = folder / "report.json"
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    done = subprocess.run(
        [*argv, "--report", str(report), *arguments], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    metadata = [each["metadata"] for each in json.loads(report.read_text())["install"]]
    return {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in metadata}


def test_the_runners_packages_go_together(tmp_path: Path) -> None:
    installed = resolved(tmp_path, "-r", str(RUNNER / "requirements.txt"))

    assert pins("requirements.txt").items() <= installed.items()


def test_the_voices_packages_go_together_are_all_held_and_are_for_cuda_12(tmp_path: Path) -> None:
    wanted, held = RUNNER / "voice_requirements.txt", RUNNER / "voice_constraints.txt"

    installed = resolved(tmp_path, "-r", str(wanted), "-c", str(held))

    assert installed["torch"] == "2.8.0"
    assert sorted(name for name in installed if not TORCHS_OWN.fullmatch(name)) == sorted(pins("voice_constraints.txt"))
    cuda = {name for name in installed if name.startswith("nvidia-")}
    assert "nvidia-cuda-runtime-cu12" in cuda
    assert [name for name in cuda if not name.endswith("-cu12")] == []

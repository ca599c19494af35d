"""What the image must be, read from its Dockerfile and from the files that go into it. No Docker engine is needed."""

import re
import shlex
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from gpu_runner.voice_image.fetch_weights import CHECKPOINTS
from local.addresses import ROOT
from local.roster import runner_argv
from tests.gpu_runner.image.dockerfile import context, matches, read

IMAGES = [
    pytest.param({"VARIANT": variant, "CHECKPOINT": checkpoint}, id=f"{variant} {checkpoint}")
    for variant in ("gpu", "cpu")
    for checkpoint in sorted(CHECKPOINTS)
]
REQUIREMENTS = ["requirements.txt", "voice_requirements.txt", "voice_constraints.txt"]
CLOUD_BUILD = (ROOT / "gpu_runner" / "cloudbuild.yaml").read_text()


def pins(name: str) -> dict[str, str]:
    """The packages of a requirements file with their versions; every line must have one."""
    lines = (ROOT / "gpu_runner" / name).read_text().splitlines()
    wanted = [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]
    split = [re.fullmatch(r"([\w.-]+)==([\w.+]+)", line) for line in wanted]
    assert None not in split, f"{name} has a line without a version"
    return {match[1].lower().replace("_", "-"): match[2] for match in split if match}


@pytest.mark.parametrize("arguments", IMAGES)
def test_every_variant_with_every_checkpoint_has_its_stages(arguments: dict[str, str]) -> None:
    dockerfile = read(**arguments)
    names = {stage.name for stage in dockerfile.stages}

    assert dockerfile.chain()[0].name == "system"
    assert f"voice-{arguments['VARIANT']}" in names
    assert {f"weights-{arguments['CHECKPOINT']}", f"image-{arguments['CHECKPOINT']}"} <= names


def test_the_variants_differ_in_torchs_wheels_only() -> None:
    differences = {
        stage.name: [(each.name, each.text) for each in stage.instructions]
        for stage in read().stages
        if stage.name in {"voice-gpu", "voice-cpu"}
    }

    assert differences == {"voice-gpu": [("ENV", "TORCH_BUILD=cu128")], "voice-cpu": [("ENV", "TORCH_BUILD=cpu")]}


def test_torch_is_built_for_a_cuda_that_the_l4s_driver_takes() -> None:
    """Driver 535 runs what was built for CUDA 12, in any minor version, and nothing newer."""
    torch = [words for words in shlex.split(" ".join(read().every("RUN"))) if words.startswith("torch")]

    assert torch == ["torch==2.8.0+${TORCH_BUILD}", "torchaudio==2.8.0+${TORCH_BUILD}"]
    assert re.search(r"TORCH_BUILD=cu12\d", "".join(read(VARIANT="gpu").every("ENV")))
    assert pins("voice_requirements.txt")["torch"] == "2.8.0"
    assert pins("voice_requirements.txt")["torchaudio"] == "2.8.0"


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_package_has_its_version(name: str) -> None:
    assert pins(name)


def test_the_requirements_and_the_constraints_agree() -> None:
    wanted, held = pins("voice_requirements.txt"), pins("voice_constraints.txt")

    assert {name: held[name] for name in wanted if name in held} == {
        name: version for name, version in wanted.items() if name in held
    }
    assert {"torch", "torchaudio", "torchcodec"}.isdisjoint(held)


def test_the_weights_are_fetched_with_the_client_that_finds_them() -> None:
    assert f"huggingface_hub=={pins('voice_requirements.txt')['huggingface-hub']}" in " ".join(read().every("RUN"))


def test_the_runner_speaks_gradio_in_the_servers_version() -> None:
    assert pins("requirements.txt")["gradio-client"] == pins("voice_constraints.txt")["gradio-client"]


@pytest.mark.parametrize("arguments", IMAGES)
def test_the_image_runs_as_nobody_in_particular(arguments: dict[str, str]) -> None:
    assert read(**arguments).of_the_image("USER") == ["10001:10001"]


@pytest.mark.parametrize("arguments", IMAGES)
def test_the_command_is_one_process_of_threads_without_a_shell(arguments: dict[str, str]) -> None:
    command = read(**arguments).command()

    assert command[0] == "gunicorn"
    assert command[-1] == "gpu_runner.server:create_app()"
    assert command[command.index("--workers") + 1] == "1"
    assert command[command.index("--timeout") + 1] == "0"
    assert read(**arguments).of_the_image("ENTRYPOINT") == []


@pytest.mark.parametrize("arguments", IMAGES)
def test_a_worker_that_does_not_end_is_killed_before_the_container_is(arguments: dict[str, str]) -> None:
    command = read(**arguments).command()

    # What stops by itself is to be done within 8 s, and Cloud Run kills after 10.
    assert int(command[command.index("--graceful-timeout") + 1]) < 8


@pytest.mark.parametrize("option", ["--workers", "--threads", "--timeout", "--graceful-timeout"])
def test_the_local_cloud_starts_the_runner_as_the_image_does(option: str) -> None:
    image, local = read(VARIANT="gpu", CHECKPOINT="f5tts_v1").command(), runner_argv(8080)

    assert local[local.index(option) + 1] == image[image.index(option) + 1]


@pytest.mark.parametrize("arguments", IMAGES)
def test_the_voice_listens_on_the_loopback_only(arguments: dict[str, str]) -> None:
    environment = read(**arguments).environment()
    command = shlex.split(environment["VOICE_COMMAND"])

    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert environment["F5_TTS_URL"] == f"http://127.0.0.1:{command[command.index('--port') + 1]}/"
    assert {"--share", "-s", "--api", "-a"}.isdisjoint(command)


@pytest.mark.parametrize("arguments", IMAGES)
def test_every_folder_that_is_written_is_in_tmp(arguments: dict[str, str]) -> None:
    environment = read(**arguments).environment()

    written = ["HOME", "TMPDIR", "XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"]
    assert [name for name in written if not f"{environment[name]}/".startswith("/tmp/")] == []
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("arguments", IMAGES)
def test_the_gpu_is_there_for_the_voice_and_the_encoder(arguments: dict[str, str]) -> None:
    assert read(**arguments).environment()["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video,utility"


@pytest.mark.parametrize("checkpoint", sorted(CHECKPOINTS))
def test_the_label_is_the_licence_of_the_weights(checkpoint: str) -> None:
    labels = read(CHECKPOINT=checkpoint).labels()

    assert labels["org.opencontainers.image.licenses"] == CHECKPOINTS[checkpoint].licence


def test_another_checkpoint_is_another_voice() -> None:
    ids = [read(CHECKPOINT=checkpoint).environment()["VOICE_ID"] for checkpoint in sorted(CHECKPOINTS)]

    assert len(set(ids)) == len(ids)


def test_an_image_for_a_paid_product_holds_no_weights_that_forbid_it() -> None:
    """Stages reach the image by their names: weights-openf5 is made from `fetching`, which has none."""
    stages = {stage.name: stage for stage in read().stages}

    assert stages["weights-openf5"].base == "fetching"
    assert "fetch_weights.py" not in " ".join(
        each.text for each in stages["fetching"].instructions if each.name == "RUN"
    )
    assert "f5tts_v1" not in " ".join(each.text for each in stages["weights-openf5"].instructions)


def test_the_package_that_forbids_paid_use_is_left_out() -> None:
    stage = next(stage for stage in read().stages if stage.name == "voice-packages")
    texts = [each.text for each in stage.instructions]

    assert any("pip uninstall --yes encodec" in text for text in texts)
    assert any(text.startswith("gpu_runner/voice_image/encodec.py /opt/voice/lib/python3.11/") for text in texts)


def test_what_downloading_leaves_behind_is_not_copied_with_the_weights() -> None:
    stage = next(stage for stage in read().stages if stage.name == "fetching")
    folders = dict(re.findall(r"(HF_\w+)=(/\S+)", " ".join(each.text for each in stage.instructions)))

    assert "--from=weights /models /models" in read().every("COPY")
    assert folders["HF_HOME"] == "/models"
    assert not f"{folders['HF_XET_CACHE']}/".startswith("/models/")


def test_nothing_secret_is_an_argument() -> None:
    declared = [*read().every("ARG"), *read().every("ENV"), *read().arguments]

    assert [text for text in declared if re.search("token|secret|password|key", text, re.IGNORECASE)] == []


def test_every_copied_file_is_in_the_context_and_the_context_is_small() -> None:
    files = context()
    sources = [word for text in read().every("COPY") if not text.startswith("--from") for word in text.split()[:-1]]

    assert [source for source in sources if not matches(source, files)] == []
    assert {name.split("/")[0] for name in files} == {"functions", "gpu_runner"}
    assert [
        name for name in files if name.startswith("functions/") and not name.startswith("functions/contracts/")
    ] == []
    assert sum((ROOT / name).stat().st_size for name in files) < 1_000_000


def test_what_is_uploaded_for_the_build_is_the_context_and_the_dockerfile(tmp_path: Path) -> None:
    """gpu_runner/.gcloudignore is in git's notation, so git is asked what it lets in."""
    wanted = {*context(), "gpu_runner/Dockerfile", "gpu_runner/Dockerfile.dockerignore"}
    beside = {"gpu_runner/.gcloudignore", "gpu_runner/cloudbuild.yaml"}
    others = ["README.md", "functions/main.py", "functions/gcp/log.py", "functions/contracts/__pycache__/log.pyc"]
    for name in [*wanted, *beside, *others, "tests/gpu_runner/media.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)

    argv = ["git", "ls-files", "--others", f"--exclude-from={ROOT / 'gpu_runner' / '.gcloudignore'}"]
    uploaded = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert set(uploaded.splitlines()) == wanted | beside


def test_cloud_build_takes_the_arguments_that_the_dockerfile_has() -> None:
    passed = set(re.findall(r"--build-arg=(\w+)=", CLOUD_BUILD)) - {"BUILDKIT_INLINE_CACHE"}
    declared = {text.partition("=")[0] for text in read().every("ARG")} | set(read().arguments)

    assert passed == {"VARIANT", "CHECKPOINT", "COMMIT"}
    assert passed <= declared
    for name in ("VARIANT", "CHECKPOINT"):
        assert f"  _{name}: {read().arguments[name]}\n" in CLOUD_BUILD


def test_cloud_build_pushes_to_the_projects_repository_and_deploys_nothing() -> None:
    commands = "\n".join(line for line in CLOUD_BUILD.splitlines() if not line.startswith("#"))

    assert "_REGION: us-east4\n  _IMAGE: ${_REGION}-docker.pkg.dev/${PROJECT_ID}/duologue/gpu-runner\n" in commands
    assert "run services" not in commands
    assert not fnmatchcase(commands, "*gcloud *")

"""What crosses between the deployments, against golden examples that are added to and never edited."""

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.background import BackgroundTask, BackgroundVideo
from contracts.dead_letter import DeadLetter, retried_job_id
from contracts.job_snapshot import JobSnapshot, Line, line_digest, line_seed
from contracts.media_deletion import MediaDeletion
from contracts.media_paths import (
    api_path,
    background_copy_object,
    background_thumbnail_object,
    line_object,
    media_of_path,
    picture_object,
    recording_object,
    video_object,
)
from contracts.message import Message
from contracts.runner_report import RunnerReport
from contracts.video_job import STEP_SHARE_PERCENT, Step, StepName, StepStatus, VideoJob, failed_steps
from contracts.video_task import VideoTask
from local.addresses import ROOT

GOLDEN = Path(__file__).parent / "v1"
MODELS: dict[str, type[Message]] = {
    "video_task": VideoTask,
    "video_job": VideoJob,
    "job_snapshot": JobSnapshot,
    "background_task": BackgroundTask,
    "background_video": BackgroundVideo,
    "runner_report": RunnerReport,
    "media_deletion": MediaDeletion,
    "dead_letter": DeadLetter,
}
CONTRACTS = sorted((ROOT / "functions" / "contracts").glob("*.py"))


def model_of(path: Path) -> type[Message]:
    return next(model for prefix, model in MODELS.items() if path.stem.startswith(prefix))


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_golden_example_is_read_and_written_again_unchanged(path: Path) -> None:
    content = json.loads(path.read_text())

    written = model_of(path).model_validate(content).model_dump(mode="json", by_alias=True)

    # Fields that are younger than the example come with their defaults.
    assert {name: written[name] for name in content} == content


@pytest.mark.parametrize("name", MODELS)
def test_one_golden_example_has_all_the_fields_that_there_are_now(name: str) -> None:
    examples = [json.loads(path.read_text()) for path in GOLDEN.glob(f"{name}*.json")]

    assert any(
        set(content) == set(MODELS[name].model_validate(content).model_dump(by_alias=True)) for content in examples
    )


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_a_field_that_a_newer_peer_added_is_passed_over(path: Path) -> None:
    content = json.loads(path.read_text())

    assert model_of(path).model_validate(content | {"addedLater": 1}) == model_of(path).model_validate(content)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_contracts_import_nothing_but_the_standard_library_and_pydantic(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])

    assert imported <= {*sys.stdlib_module_names, "pydantic", "contracts"}


def test_the_steps_shares_are_a_hundred_percent() -> None:
    assert set(STEP_SHARE_PERCENT) == set(StepName)
    assert sum(STEP_SHARE_PERCENT.values()) == 100


def test_the_same_line_has_the_same_name_in_every_version_of_the_code() -> None:
    snapshot = JobSnapshot.model_validate(golden("job_snapshot"))

    digest = line_digest(snapshot.lines[0], snapshot.speakers[0], "f5-tts")

    # A changed digest means that every stored line is spoken again: raise VOICE_VERSION if that is meant.
    assert digest == "96e1425b87b68791141f7d7595342e34c63492de9233ddec5d8026c25ded0270"
    assert 0 <= line_seed(digest) < 2**31


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recording", f"recordings/user1/{'c' * 32}.wav"),
        ("ref_text", "Other words."),
        ("speed", 1.1),
        ("nfe_steps", 20),
        ("cross_fade_duration", 0.2),
        ("remove_silences", False),
    ],
)
def test_whatever_determines_the_sound_changes_the_lines_name(field: str, value: object) -> None:
    snapshot = JobSnapshot.model_validate(golden("job_snapshot"))
    line, speaker = snapshot.lines[0], snapshot.speakers[0]

    changed = speaker.model_copy(update={field: value})
    assert line_digest(line, changed, "f5-tts") != line_digest(line, speaker, "f5-tts")


def test_another_voice_gives_the_line_another_name() -> None:
    snapshot = JobSnapshot.model_validate(golden("job_snapshot"))
    line, speaker = snapshot.lines[0], snapshot.speakers[0]

    assert line_digest(line, speaker, "development") != line_digest(line, speaker, "f5-tts")


def test_the_text_changes_the_lines_name_and_the_pictures_do_not() -> None:
    snapshot = JobSnapshot.model_validate(golden("job_snapshot"))
    line, speaker = snapshot.lines[0], snapshot.speakers[0]

    digest = line_digest(line, speaker, "f5-tts")
    assert line_digest(Line(speaker="ada", text="Hello!"), speaker, "f5-tts") != digest
    assert line_digest(line, speaker.model_copy(update={"pictures": ()}), "f5-tts") == digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("completed", "in_progress", "pending"), ("completed", "failed", "pending")),
        (("completed", "pending", "pending"), ("completed", "failed", "pending")),
        (("pending", "in_progress", "in_progress"), ("pending", "failed", "in_progress")),
        (("completed", "completed", "completed"), ("completed", "completed", "completed")),
    ],
)
def test_a_failing_job_fails_in_the_step_where_it_stands(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    steps = [Step(step_name=name, status=StepStatus(status)) for name, status in zip(StepName, before, strict=False)]

    failed = failed_steps(steps, "It broke.")

    # A status that is no StepStatus would make pydantic warn here.
    assert tuple(step.model_dump(mode="json")["status"] for step in failed) == after
    assert [step.error_message for step in failed if step.status is StepStatus.FAILED] == ["It broke."] * after.count(
        "failed"
    )


def test_a_retried_job_has_an_id_of_its_own_and_always_the_same() -> None:
    retried = retried_job_id("0123456789abcdef0123456789abcdef")

    # A changed id means that what was tried again before is tried once more.
    assert retried == "d0ead535f0dcabbb3ce940fa06959223"


@pytest.mark.parametrize(
    "object_name",
    [
        recording_object("user1", "a" * 32),
        line_object("user1", "b" * 64),
        picture_object("user1", "c" * 32),
        video_object("user1", "d" * 32, 3),
    ],
)
def test_an_objects_path_leads_back_to_it(object_name: str) -> None:
    media = media_of_path(api_path(object_name))

    assert media is not None
    assert (media.object_name, media.owner_id) == (object_name, "user1")


@pytest.mark.parametrize(
    "path",
    [
        "/api/videos/user1/../user2/x.mp4",
        f"/api/videos/user1/%2e%2e/{'d' * 32}_1.mp4",
        f"/api/videos//{'d' * 32}_1.mp4",
        f"/api/videos/user1/{'d' * 32}_1.mp4\n",
        f"/api/videos/user1/{'d' * 32}_1.mp4/..",
        f"/api/static/images/user1/{'b' * 32}.wav",
        f"/api/static/audio_files/us er/{'b' * 32}.wav",
        "/api/static/images/../recordings/user1/" + "b" * 32 + ".wav",
        f"/api/static/audio_files/user1/{'B' * 32}.wav",
        "/etc/passwd",
        "",
    ],
)
def test_a_path_that_we_did_not_make_leads_nowhere(path: str) -> None:
    assert media_of_path(path) is None


@pytest.mark.parametrize("object_name", ["backgrounds/sea.mp4", "videos/user1/x.mp4", "../secret", ""])
def test_an_object_without_a_path_has_none(object_name: str) -> None:
    with pytest.raises(ValueError, match="no API path"):
        api_path(object_name)


def test_every_content_of_a_background_has_objects_of_its_own() -> None:
    copies = {background_copy_object("backgrounds/sea.mp4", generation) for generation in (1, 2)}
    thumbnails = {background_thumbnail_object("backgrounds/sea.mp4", generation) for generation in (1, 2)}

    assert len(copies | thumbnails) == 4


def test_a_backgrounds_thumbnail_loads_by_its_path_and_its_copy_has_none() -> None:
    thumbnail = background_thumbnail_object("backgrounds/sea.mp4", 1)

    media = media_of_path(api_path(thumbnail))
    assert media is not None
    assert media.object_name == thumbnail
    with pytest.raises(ValueError, match="no API path"):
        api_path(background_copy_object("backgrounds/sea.mp4", 1))

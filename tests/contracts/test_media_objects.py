"""The field `mediaObjects`, by which snapshots and scripts are found when media is to be removed."""

import json
from pathlib import Path
from typing import Any

from contracts.job_snapshot import JobSnapshot
from contracts.publication import published_script_fields, script_media_objects
from contracts.video_job import VideoFile

GOLDEN = Path(__file__).parent / "v1"
VIDEO = VideoFile(object_name="videos/ann/x_1.mp4", duration_seconds=9.0, size_bytes=5)


def test_a_snapshots_document_names_all_that_the_render_reads_once() -> None:
    snapshot = JobSnapshot.model_validate(json.loads((GOLDEN / "job_snapshot.json").read_text()))

    document = snapshot.to_document()

    assert document["mediaObjects"] == [
        f"recordings/user1/{'a' * 32}.wav",
        f"images/user1/{'b' * 32}.png",
        "backgrounds/sea.mp4",
    ]
    assert JobSnapshot.model_validate(document) == snapshot


def test_a_published_script_names_its_lines_and_its_video() -> None:
    dialogue: list[dict[str, Any]] = [
        {"speaker": "ada", "text": "Tea?", "audioObject": "lines/ann/old.wav"},
        {"speaker": "ben", "text": "Yes.", "audioObject": "lines/ann/kept.wav"},
        {"speaker": "ben", "text": "Never spoken.", "audioObject": None},
    ]

    fields = published_script_fields(dialogue, {("ada", "Tea?"): "lines/ann/new.wav"}, VIDEO)

    assert fields["mediaObjects"] == ["lines/ann/new.wav", "lines/ann/kept.wav", "videos/ann/x_1.mp4"]


def test_a_line_that_is_said_twice_is_named_once() -> None:
    assert script_media_objects(["lines/a.wav", None, "lines/a.wav"], None) == ["lines/a.wav"]

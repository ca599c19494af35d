from datetime import UTC, datetime, timedelta

import pytest

from contracts.video_job import VideoFile
from gcp.errors import ValidationFailed
from scripts.script import DialogueLine, Script, script_title

CREATED_AT = datetime(2026, 1, 2, tzinfo=UTC)
LATER = CREATED_AT + timedelta(hours=1)
TEA = DialogueLine(speaker="anna01", text="Tea.", audio_object="lines/u1/" + "a" * 64 + ".wav")
COFFEE = DialogueLine(speaker="bert02", text="Coffee.")


def script(
    *lines: DialogueLine, prompt: str = "Two friends argue about tea.", video: VideoFile | None = None
) -> Script:
    return Script(
        id="0" * 32,
        owner_id="u1",
        selected_characters=("anna01", "bert02"),
        original_prompt=prompt,
        dialogue=lines,
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
        video=video,
    )


def test_a_line_that_stays_word_for_word_keeps_its_audio() -> None:
    edited = script(TEA, COFFEE).with_dialogue(
        [DialogueLine(speaker="bert02", text="Milk."), DialogueLine(speaker="anna01", text="Tea.")], LATER
    )

    assert [line.audio_object for line in edited.dialogue] == [None, TEA.audio_object]


def test_a_line_that_another_character_says_loses_its_audio() -> None:
    edited = script(TEA, COFFEE).with_dialogue([DialogueLine(speaker="bert02", text="Tea.")], LATER)

    assert edited.dialogue[0].audio_object is None


def test_an_object_that_the_new_lines_name_is_not_believed() -> None:
    forged = DialogueLine(speaker="bert02", text="Coffee.", audio_object="lines/u2/" + "b" * 64 + ".wav")

    edited = script(TEA, COFFEE).with_dialogue([forged], LATER)

    assert edited.dialogue[0].audio_object is None


def test_editing_sets_the_time_of_the_update_only() -> None:
    edited = script(TEA).with_dialogue([COFFEE], LATER)

    assert (edited.created_at, edited.updated_at) == (CREATED_AT, LATER)


def test_every_line_of_a_foreign_speaker_is_named() -> None:
    foreign = DialogueLine(speaker="zoe09", text="Hello.")

    with pytest.raises(ValidationFailed) as refused:
        script(TEA).with_dialogue([foreign, COFFEE, foreign], LATER)

    assert [found["loc"] for found in refused.value.details] == [
        ["body", "dialogue", 0, "speaker"],
        ["body", "dialogue", 2, "speaker"],
    ]


def test_the_media_of_a_script_is_named_once() -> None:
    video = VideoFile(object_name="videos/u1/j_1.mp4", duration_seconds=4.0, size_bytes=9)

    named = script(TEA, COFFEE, TEA, video=video).media_objects

    assert named == (TEA.audio_object, "videos/u1/j_1.mp4")


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Two friends argue about tea.", "Two friends argue about tea."),
        ("Two\nfriends \t argue", "Two friends argue"),
        ("x" * 61, "x" * 60),
        ("y" * 59 + " z", "y" * 59),
    ],
    ids=["short", "on two lines", "61 letters", "cut after a space"],
)
def test_a_script_is_called_by_the_beginning_of_its_prompt(prompt: str, title: str) -> None:
    assert script_title(prompt) == title


def test_a_stored_script_is_read_back_as_it_was() -> None:
    video = VideoFile(object_name="videos/u1/j_1.mp4", duration_seconds=4.0, size_bytes=9)
    stored = script(TEA, COFFEE, video=video)

    assert Script.model_validate(stored.to_document()) == stored

"""The rules of characters, without a database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from characters.character import (
    Character,
    CharacterAnswer,
    CharacterChanges,
    CharacterForm,
    Recording,
    VoiceConfig,
    apply_changes,
    is_character_id,
    output_prefix_of,
    require_owned,
    require_visible,
)
from gcp.errors import Forbidden, NotFound, ValidationFailed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 2, 12, tzinfo=UTC)
ADA = Character(
    id="ada",
    display_name="Ada",
    config=VoiceConfig(),
    recording=Recording(object_name=f"recordings/ann/{'a' * 32}.wav", duration_seconds=8.0, ref_text="Hello."),
    images={"0": f"images/ann/{'0' * 32}.png", "2": f"images/ann/{'2' * 32}.png", "10": f"images/ann/{'f' * 32}.png"},
    next_image_key=11,
    output_prefix="ada",
    owner_id="ann",
    owner_name="Ann",
    starred=7,
    created_at=NOW,
    updated_at=NOW,
)
NEW_RECORDING = Recording(object_name=f"recordings/ann/{'e' * 32}.wav", duration_seconds=4.0)


def changed(fields: dict[str, str], **stored: Any) -> Character:
    given: dict[str, Any] = {"recording": None, "pictures": ()} | stored
    return apply_changes(ADA, CharacterChanges.model_validate(fields), now=LATER, **given)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"displayName": ADA.display_name, "speed": "1"}, id="as it is"),
        pytest.param(
            {"starred": "99", "ownerId": "eve", "hidden": "true", "id": "eve"}, id="not the owner's to change"
        ),
    ],
)
def test_a_form_that_changes_nothing_moves_no_time(fields: dict[str, str]) -> None:
    assert changed(fields) == ADA


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"displayName": "Eve"}, {"display_name": "Eve"}),
        ({"speed": "1.5"}, {"config": VoiceConfig(speed=1.5)}),
        ({"nfeSteps": "20"}, {"config": VoiceConfig(nfe_steps=20)}),
        ({"crossFadeDuration": "0"}, {"config": VoiceConfig(cross_fade_duration=0.0)}),
        ({"removeSilences": "false"}, {"config": VoiceConfig(remove_silences=False)}),
        ({"refText": "Bye."}, {"recording": ADA.recording.model_copy(update={"ref_text": "Bye."})}),
    ],
)
def test_one_field_changes_nothing_else(fields: dict[str, str], expected: dict[str, Any]) -> None:
    assert changed(fields) == ADA.model_copy(update={"updated_at": LATER, **expected})


def test_a_new_recording_comes_with_its_own_words() -> None:
    assert changed({"refText": "Not these."}, recording=NEW_RECORDING).recording == NEW_RECORDING


def test_a_key_is_never_used_again() -> None:
    character = changed({"removeImageKeys": "10"}, pictures=("new.png", "newer.png"))

    assert list(character.images) == ["0", "2", "11", "12"]
    assert character.next_image_key == 13


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("0,2,10", "At least one picture must remain"),
        ("1", "no picture 1"),
        ("0,99", "no picture 99"),
    ],
)
def test_pictures_that_must_stay_or_are_not_there_are_refused(keys: str, reason: str) -> None:
    with pytest.raises(ValidationFailed, match=reason):
        changed({"removeImageKeys": keys})


def test_all_pictures_may_be_replaced() -> None:
    assert list(changed({"removeImageKeys": "0,2,10"}, pictures=("new.png",)).images) == ["11"]


def test_an_eleventh_picture_is_refused() -> None:
    with pytest.raises(ValidationFailed, match="11 pictures; at most 10"):
        changed({}, pictures=("new.png",) * 8)


@pytest.mark.parametrize(
    ("keys", "split"), [("0,2", ("0", "2")), (" 0 , 2 ", ("0", "2")), ("2,2", ("2",)), ("007", ("7",)), ("5", ("5",))]
)
def test_keys_are_separated_by_commas(keys: str, split: tuple[str, ...]) -> None:
    assert CharacterChanges.model_validate({"removeImageKeys": keys}).remove_image_keys == split


@pytest.mark.parametrize("keys", ["a", "0,", ",", "-1", "0;2", "1.5", "٣", "0,2\n/../"])
def test_other_keys_are_refused(keys: str) -> None:
    with pytest.raises(ValidationError, match="separated by commas"):
        CharacterChanges.model_validate({"removeImageKeys": keys})


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (
            "displayName",
            ["a", " a ", "a" * 50, "Zoë 👩‍🚀"],
            [" ", "a" * 51, "a\nb", "a\x00", "\u202ecba", "a\u2028b", "\u200b"],
        ),
        ("speed", ["0.5", "2", "1.25"], ["0.49", "2.01", "NaN", "Infinity", "fast", ""]),
        ("nfeSteps", ["20", "50"], ["19", "51", "32.5", "many"]),
        ("crossFadeDuration", ["0", "1.0"], ["-0.1", "1.1", "nan"]),
        ("removeSilences", ["true", "false", "1", "0"], ["maybe"]),
        ("refText", ["a", "a" * 500, "a\nb"], [" ", "a" * 501, "a\x00b", "\ufeff\u200b"]),
    ],
)
@pytest.mark.parametrize("form", [CharacterForm, CharacterChanges])
def test_fields_have_their_limits(
    form: type[CharacterForm | CharacterChanges], field: str, good: list[str], bad: list[str]
) -> None:
    accepted = [text for text in good + bad if _is_accepted(form, {"displayName": "Ada", field: text})]

    assert accepted == good


def _is_accepted(form: type[CharacterForm | CharacterChanges], fields: dict[str, str]) -> bool:
    try:
        form.model_validate(fields)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("Modi", "modi"),
        ("My Character", "my_character"),
        ("Zoë 2.0!", "zoe_2_0"),
        ("../../etc", "etc"),
        ("李雷", "character"),
    ],
)
def test_a_prefix_is_fit_for_a_file_name(name: str, prefix: str) -> None:
    assert output_prefix_of(name) == prefix


@pytest.mark.parametrize("text", ["", ".", "..", "__all__", "a/b", "a" * 65, "ä", "a b", "a\n"])
def test_what_is_no_id_is_never_asked_for(text: str) -> None:
    assert not is_character_id(text)


HIDDEN = ADA.model_copy(update={"hidden": True})


@pytest.mark.parametrize(
    ("character", "viewer_id", "is_visible"),
    [
        (ADA, None, True),
        (ADA, "eve", True),
        (HIDDEN, "ann", True),
        (HIDDEN, "eve", False),
        (HIDDEN, None, False),
        (None, "ann", False),
    ],
)
def test_a_hidden_character_is_its_owners(character: Character | None, viewer_id: str | None, is_visible: bool) -> None:
    try:
        require_visible(character, viewer_id)
    except NotFound:
        assert not is_visible
    else:
        assert is_visible


@pytest.mark.parametrize(("character", "error"), [(ADA, Forbidden), (HIDDEN, NotFound), (None, NotFound)])
def test_only_the_owner_changes_a_character(character: Character | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        require_owned(character, "eve")


def test_pictures_come_in_the_order_of_their_keys() -> None:
    turned = ADA.model_copy(update={"images": dict(reversed(ADA.images.items()))})

    assert [name[11] for name in turned.pictures] == ["0", "2", "f"]


def test_clients_see_paths_and_never_objects() -> None:
    answer = CharacterAnswer.of(ADA, viewer_id="eve", is_starred=True, secrets=["s" * 40], now=NOW)

    seen = answer.model_dump(by_alias=True, mode="json")
    audio_file, query = seen.pop("audioFile").split("?")
    assert audio_file == f"/api/static/audio_files/ann/{'a' * 32}.wav"
    assert query.startswith("expires=")
    assert seen == {
        "id": "ada",
        "displayName": "Ada",
        "config": {"speed": 1.0, "nfeSteps": 32, "crossFadeDuration": 0.15, "removeSilences": True},
        "images": {
            "0": f"/api/static/images/ann/{'0' * 32}.png",
            "2": f"/api/static/images/ann/{'2' * 32}.png",
            "10": f"/api/static/images/ann/{'f' * 32}.png",
        },
        "outputPrefix": "ada",
        "createdAt": "2026-01-01T12:00:00Z",
        "updatedAt": "2026-01-01T12:00:00Z",
        "hasAudio": True,
        "imageCount": 3,
        "createdBy": "ann",
        "createdByName": "Ann",
        "isOwner": False,
        "starred": 7,
        "isStarred": True,
    }

from pathlib import Path

import numpy as np
import pytest

from gpu_runner.captions import Caption, captions_of, showable, split_words, word_starts, write_captions
from gpu_runner.ffmpeg import escape_filter_value
from gpu_runner.fonts import FontCoverage, FontListError, installed_fonts
from gpu_runner.timeline import SAMPLE_RATE_HZ, SampleRange, Segment, SpokenLine, Timeline, build_timeline
from tests.media import Frame, caption_ink, run_tool

EVERYTHING = FontCoverage(starts=(0,), ends=(0x10FFFF,))
LETTERS_ONLY = FontCoverage(starts=(0x20,), ends=(0x24F,))


def timeline_of(*texts: str, seconds: float = 2.0) -> Timeline:
    sample_count = round(seconds * SAMPLE_RATE_HZ)
    lines = [SpokenLine("ada", text, sample_count, (SampleRange(0, sample_count),)) for text in texts]
    return build_timeline(lines, picture_counts={})


def segment_of(text: str) -> Segment:
    return timeline_of(text).segments[0]


def texts_of(captions: list[Caption]) -> list[str]:
    return [
        "".join(f" {word.text}" if word.space_before else word.text for word in caption.words).strip()
        for caption in captions
    ]


def rendered(folder: Path, text: str, *, frame_index: int = 3, background: str = "black") -> Frame:
    """One frame with the captions of a line of two seconds on a plain ground."""
    path = folder / "captions.ass"
    write_captions(timeline_of(text).segments, installed_fonts(), path)
    argv = [
        *("ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", f"color={background}:s=1080x1920:r=30:d=3"),
        *("-vf", f"ass=filename={escape_filter_value(str(path))}:shaping=complex,select=eq(n\\,{frame_index})"),
        *("-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
    ]
    return np.frombuffer(run_tool(argv).stdout, dtype=np.uint8).reshape(1920, 1080, 3)


# What is shown together


def test_a_caption_holds_at_most_four_words() -> None:
    captions = captions_of(segment_of("a b c d e f g"), EVERYTHING)
    assert texts_of(captions) == ["a b c d", "e f g"]


def test_a_caption_ends_with_its_phrase() -> None:
    captions = captions_of(segment_of("Well, no. Is it so?"), EVERYTHING)
    assert texts_of(captions) == ["Well,", "no.", "Is it so?"]


def test_a_number_with_a_point_or_a_comma_is_one_word() -> None:
    assert [word.text for word in split_words("It costs 1,000.50 now")] == ["It", "costs", "1,000.50", "now"]


def test_chinese_is_cut_between_its_characters_and_keeps_its_punctuation() -> None:
    assert [word.text for word in split_words("\u4f60\u597d\uff0c\u5929")] == ["\u4f60", "\u597d\uff0c", "\u5929"]


def test_a_long_chinese_sentence_becomes_captions_of_one_line() -> None:
    captions = captions_of(segment_of("\u5929" * 40), EVERYTHING)
    assert [len(caption.words) for caption in captions] == [11, 11, 11, 7]


def test_an_endless_word_is_cut_without_a_letter_lost() -> None:
    captions = captions_of(segment_of("x" * 500), EVERYTHING)
    assert "".join(texts_of(captions)) == "x" * 500
    assert max(len(text) for text in texts_of(captions)) < 30


def test_a_mark_is_never_parted_from_its_letter() -> None:
    assert all(piece.text[0] == "\u0e01" for piece in split_words("\u0e01\u0e33\u0e01\u0e49".replace("\u0e33", "")))


# When


def test_captions_follow_one_another_without_a_gap_until_the_line_ends() -> None:
    segment = segment_of("one two three four five six seven eight nine")
    captions = captions_of(segment, EVERYTHING)
    assert captions[0].word_frames[0] == segment.start_frame
    ends = [caption.end_frame for caption in captions]
    assert ends == [*(caption.word_frames[0] for caption in captions[1:]), segment.end_frame]


def test_letters_share_the_time_in_which_somebody_is_heard() -> None:
    words = split_words("abc abc abcdefg")  # 4 + 4 + 8 of 16 parts
    assert word_starts(words, [SampleRange(1_000, 17_000)]) == [1_000, 5_000, 9_000]


def test_no_word_begins_in_a_pause() -> None:
    words = split_words("ab ab ab ab")
    voiced = [SampleRange(0, 20_000), SampleRange(60_000, 80_000)]
    assert word_starts(words, voiced) == [0, 10_000, 60_000, 70_000]


def test_phrases_are_matched_with_the_parts_between_the_longest_pauses() -> None:
    words = split_words("Yes, that was it.")  # 4 + 12 letters
    voiced = [SampleRange(0, 2_500), SampleRange(3_000, 8_000), SampleRange(12_000, 24_000)]
    assert word_starts(words, voiced) == [0, 12_000, 17_000, 21_000]  # by the letters alone, `that` begins at 4,875


def test_phrases_are_not_forced_into_parts_of_quite_another_length() -> None:
    words = split_words("Yes, that was it.")
    voiced = [SampleRange(0, 16_000), SampleRange(20_000, 20_800)]
    assert word_starts(words, voiced)[1] == 4_200


def test_a_line_of_which_no_voiced_part_is_known_is_captioned_all_the_same() -> None:
    segment = build_timeline([SpokenLine("ada", "Hi", 4_800, ())], picture_counts={}).segments[0]
    assert [caption.end_frame for caption in captions_of(segment, EVERYTHING)] == [3]


# What is left out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a \U0001f600 b", "a b"),
        ("a\U0001f44d\U0001f3fdb", "ab"),
        ("a\u4e00\u0301b", "ab"),
        ("one\ntwo\r\n\tthree\u2028four\x1cfive", "one two three four five"),
        ("nul\x00 bell\x07 \u202eturned\u202c \ufeffmark", "nul bell turned mark"),
        ("e\u0301", "\u00e9"),
        ("\U0001f600\ufe0f\u200d", ""),
    ],
    ids=["emoji", "its skin", "a letter with its mark", "line breaks", "controls", "composed", "nothing left"],
)
def test_what_no_font_shows_is_left_out(text: str, expected: str) -> None:
    assert showable(text, shows=LETTERS_ONLY.shows) == expected


def test_an_emoji_that_a_font_shows_stays() -> None:
    assert showable("a \U0001f600\ufe0f", shows=EVERYTHING.shows) == "a \U0001f600"


@pytest.mark.parametrize("text", ["\u0915\u094d\u200d\u0937", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"])
def test_joiners_that_shape_a_script_stay(text: str) -> None:
    assert showable(text, shows=EVERYTHING.shows) == text


def test_a_line_of_which_nothing_can_be_shown_has_no_caption() -> None:
    assert captions_of(segment_of("\U0001f600 \x00"), LETTERS_ONLY) == []


# As drawn


@pytest.mark.parametrize(
    ("one", "other"),
    [("A", "B"), ("\u0416", "\u0429"), ("\u03a9", "\u0398"), ("\u0915", "\u0916"), ("\u4f60", "\u597d")],
    ids=["Latin", "Cyrillic", "Greek", "Devanagari", "Chinese"],
)
def test_two_letters_of_a_script_look_different(tmp_path: Path, one: str, other: str) -> None:
    # Empty boxes would look the same.
    first, second = rendered(tmp_path, one), rendered(tmp_path, other)
    assert min(caption_ink(first), caption_ink(second)) > 300
    assert np.count_nonzero(first != second) > 300


NASTY_TEXTS = {
    "quotes": "\"It's\" 'so' \u201cfine\u201d",
    "percent": "100% %d %{pts}",
    "colons": "a:b;c,d=e",
    "braces": "{\\b1}{\\p1}m 0 0{\\p0}",
    "open brace": "{\\fs1 gone?",
    "backslashes": "C:\\new\\Hard\\N",
    "brackets": "[0:v]nullsink;",
    "markup": "<b>&amp;</b> &lt;",
    "emoji": "Ha \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7",
    "Hebrew": "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "Arabic": "\u0645\u0631\u062d\u0628\u0627 abc 12",
    "event": "Dialogue: 0,0:00:00.00,9:00:00.00,Caption,,0,0,0,,x\nDialogue: 0",
    "long word": "W" * 60,
}


@pytest.mark.parametrize("text", NASTY_TEXTS.values(), ids=NASTY_TEXTS)
def test_any_text_is_drawn_within_the_margins(tmp_path: Path, text: str) -> None:
    frame = rendered(tmp_path, text)
    columns = np.flatnonzero(frame.max(axis=(0, 2)) > 40)
    assert caption_ink(frame) > 500
    assert columns.min() >= 40
    assert columns.max() <= 1080 - 40


@pytest.mark.attacks
@pytest.mark.parametrize(
    ("text", "plain"), [("{", "("), ("\\", "/"), ("{\\1c&H0000FF&}", "xxxxxxx")], ids=["brace", "backslash", "command"]
)
def test_what_means_something_to_ass_is_drawn_as_it_is(tmp_path: Path, text: str, plain: str) -> None:
    ink = caption_ink(rendered(tmp_path, text))
    assert ink > 0.5 * caption_ink(rendered(tmp_path, plain))


def test_a_backslash_does_not_break_the_line(tmp_path: Path) -> None:
    rows = np.flatnonzero(rendered(tmp_path, "a\\Nb").max(axis=(1, 2)) > 40)
    assert rows.max() - rows.min() < 130


def test_captions_stay_above_the_pictures_heads(tmp_path: Path) -> None:
    rows = np.flatnonzero(rendered(tmp_path, "Gypsy {jumping}").max(axis=(1, 2)) > 40)
    assert rows.min() > 700
    assert rows.max() < 1060


def test_white_letters_are_outlined_so_that_they_show_on_white(tmp_path: Path) -> None:
    frame = rendered(tmp_path, "one two", background="white")
    assert np.count_nonzero(frame.max(axis=2) < 60) > 2_000


def test_the_word_being_spoken_is_gold_and_moves_on(tmp_path: Path) -> None:
    def gold_columns(frame: Frame) -> float:
        gold = (frame[..., 0] > 200) & (frame[..., 1] > 170) & (frame[..., 2] < 90)
        return float(np.flatnonzero(gold.any(axis=0)).mean())

    early, late = (gold_columns(rendered(tmp_path, "ready steady", frame_index=index)) for index in (3, 57))
    assert early < 540 < late


# The fonts


def test_the_fonts_of_this_machine_show_what_the_product_promises() -> None:
    assert all(installed_fonts().shows(character) for character in "A\u0416\u03a9\u0915\u4f60")


def test_an_unassigned_character_is_not_shown() -> None:
    assert not installed_fonts().shows("\U000e0fff")


def test_a_machine_without_fontconfig_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed_fonts.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FontListError):
        installed_fonts()

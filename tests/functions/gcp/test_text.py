"""What is asked of every text that users type and others read."""

import pytest

from gcp.text import is_visible, name_text, prose_text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a", id="a letter"),
        pytest.param("\u200bb\u200b", id="a letter between invisible ones"),
        pytest.param("...", id="punctuation"),
        pytest.param("李", id="an ideograph"),
        pytest.param("👩\u200d🚀", id="emoji with a joiner"),
        pytest.param("\U0001fae9", id="an emoji newer than our tables"),
        pytest.param("\ue000", id="private use"),
        pytest.param("e\u0301", id="a letter with a mark"),
    ],
)
def test_a_text_with_something_to_see_is_visible(text: str) -> None:
    assert is_visible(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param(" \u00a0\u3000", id="spaces"),
        pytest.param("\u200b\u200c\u200d", id="zero width"),
        pytest.param("\ufeff", id="byte order mark"),
        pytest.param("\u00ad\u2060", id="soft hyphen, word joiner"),
        pytest.param("\u202e\u2066", id="controls of direction"),
        pytest.param("\u115f\u1160\u3164\uffa0", id="Hangul fillers"),
        pytest.param("\u2800", id="empty braille pattern"),
        pytest.param("\ufe0f\u034f", id="variation selector, grapheme joiner"),
        pytest.param("\U000e0041\U000e0100", id="tags"),
        pytest.param("\u0301", id="a mark without its letter"),
    ],
)
@pytest.mark.parametrize("check", [name_text, prose_text])
def test_a_text_with_nothing_to_see_is_refused(check: type[str], text: str) -> None:
    with pytest.raises(ValueError, match=r"visible|control"):
        check(text)


@pytest.mark.parametrize("text", ["a\0", "a\x7f", "a\x1b[1m"])
@pytest.mark.parametrize("check", [name_text, prose_text])
def test_control_characters_are_refused(check: type[str], text: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        check(text)


def test_prose_has_lines_and_a_name_has_one() -> None:
    assert prose_text("one\r\n\ttwo") == "one\r\n\ttwo"
    with pytest.raises(ValueError, match="line breaks"):
        name_text("one\ntwo")

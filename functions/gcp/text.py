"""What is asked of every text that users type and others read."""

import re
import unicodedata

# Explicit embeddings, overrides and isolates turn the reading order of the text around them (UAX #9, section 2).
DIRECTION_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Controls, line and paragraph separators, halves of surrogate pairs.
_CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})
# Spaces, format characters and marks, which show nothing by themselves. Unassigned ones are not among them: they may be
# emoji that are newer than our tables.
_INVISIBLE_CATEGORIES = frozenset({*_CONTROL_CATEGORIES, "Zs", "Cf", "Mn", "Mc", "Me"})
# Letters and symbols that show nothing: fillers, an empty braille pattern, what Unicode reserves for more of the kind.
_FILLERS = re.compile("[\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]")


def has_controls(text: str) -> bool:
    """Whether the text holds a character, line breaks included, that can be neither spoken nor shown on one line."""
    return any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in text)


def is_visible(text: str) -> bool:
    """Whether the text shows anything to somebody who reads it."""
    return any(unicodedata.category(each) not in _INVISIBLE_CATEGORIES for each in _FILLERS.sub("", text))


def name_text(text: str) -> str:
    """The name itself, which others read on one line. Raises ValueError for controls, those of direction included, and
    for a name that shows nothing.
    """
    if has_controls(text) or DIRECTION_CONTROLS.search(text):
        raise ValueError("control characters and line breaks are not allowed")
    return _visible(text)


def prose_text(text: str) -> str:
    """The text itself, which may have several lines. Raises ValueError for any other control character, and for a text
    that shows nothing.
    """
    if has_controls(re.sub("[\t\n\r]", "", text)):
        raise ValueError("control characters are not allowed")
    return _visible(text)


def _visible(text: str) -> str:
    if not is_visible(text):
        raise ValueError("at least one visible character is needed")
    return text

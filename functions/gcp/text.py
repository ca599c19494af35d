"""What is asked of every text that users type and others read."""

import re
import unicodedata

# Explicit embeddings, overrides and isolates turn the reading order of the text around them (UAX #9, section 2).
DIRECTION_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Controls, line and paragraph separators, halves of surrogate pairs.
_CONTROL_CATEGORIES = frozenset({"Cc", "Zl", "Zp", "Cs"})


def has_controls(text: str) -> bool:
    """Whether the text holds a character, line breaks included, that can be neither spoken nor shown on one line."""
    return any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in text)


def name_text(text: str) -> str:
    """The name itself, which others read on one line. Raises ValueError for controls, those of direction included."""
    if has_controls(text) or DIRECTION_CONTROLS.search(text):
        raise ValueError("control characters and line breaks are not allowed")
    return text


def prose_text(text: str) -> str:
    """The text itself, which may have several lines. Raises ValueError for any other control character."""
    if has_controls(re.sub("[\t\n\r]", "", text)):
        raise ValueError("control characters are not allowed")
    return text

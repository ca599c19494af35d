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

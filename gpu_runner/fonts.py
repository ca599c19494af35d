"""Which characters the installed fonts can show, asked of fontconfig: libass takes its fonts from there too."""

import subprocess
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

_FONT_LIST_TIMEOUT_SECONDS = 30


class FontListError(Exception):
    """fontconfig's fc-list is missing, or there is no font."""


@dataclass(frozen=True, slots=True)
class FontCoverage:
    """The code points that at least one font has, as sorted ranges that do not touch (ends included)."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def shows(self, character: str) -> bool:
        """Whether some font has the character."""
        index = bisect_right(self.starts, ord(character)) - 1
        return index >= 0 and ord(character) <= self.ends[index]


@cache
def installed_fonts() -> FontCoverage:
    """What the fonts of this machine show, read once per process.

    Fonts of coloured bitmaps are left out: libass cannot draw them. Raises FontListError.
    """
    # fc-list takes about 0.1 s for 300 fonts; asking for each character would take that every time.
    argv = ["fc-list", "--format=%{charset}\n", ":color=false:scalable=true"]
    try:
        listing = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_FONT_LIST_TIMEOUT_SECONDS, check=True
        ).stdout.decode("ascii")
    except (OSError, subprocess.SubprocessError) as error:
        raise FontListError("fc-list did not answer: is the package fontconfig installed?") from error
    coverage = _merge(listing.split())
    if not coverage.starts:
        raise FontListError("no font is installed")
    return coverage


def _merge(ranges: list[str]) -> FontCoverage:
    """One sorted list of ranges from fontconfig's hexadecimal notation: `20-7e` or `a9`."""
    starts: list[int] = []
    ends: list[int] = []
    pairs = {tuple(int(bound, 16) for bound in text.split("-")) for text in ranges}
    for pair in sorted(pairs):
        start, end = pair[0], pair[-1]
        if ends and start <= ends[-1] + 1:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return FontCoverage(starts=tuple(starts), ends=tuple(ends))

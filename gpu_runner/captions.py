"""Captions of a few words at a time, as an ASS file: the word being spoken is coloured.

Nobody hands us the time of a word. It is estimated: a line's letters are spread over the parts of its sound in which
somebody is heard, so that captions wait where the voice does.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gpu_runner.fonts import FontCoverage
from gpu_runner.timeline import FRAME_RATE_HZ, SAMPLES_PER_FRAME, SampleRange, Segment

VIDEO_WIDTH = 1080
VIDEO_HEIGHT = 1920
CAPTION_BASELINE_Y = 1040  # the pictures' heads begin below it
MARGIN_PIXELS = 60

_LARGEST_WORD_COUNT = 4
_LARGEST_WIDTH_EMS = 11.0  # 836 of the 960 pixels between the margins; the estimate below errs by less
_NARROWEST_SCALE = 0.6
# libass makes a font's ascent and descent, 1.36 em in Noto Sans, as high as the size: this is 76 pixels per em.
_FONT_SIZE = 104
_PACE_SPREAD = 2.0
_PHRASE_ENDS = frozenset(",.;:!?\u2026\u3002\uff0c\u3001\uff01\uff1f\uff1b\uff1a\u060c\u061f\u0964")

_ACTIVE_COLOUR = "&H00D7FF&"  # ASS writes blue, green, red: this is gold
_HEADER = f"""[Script Info]
ScriptType: v4.00+
PlayResX: {VIDEO_WIDTH}
PlayResY: {VIDEO_HEIGHT}
WrapStyle: 0
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Caption,Noto Sans,{_FONT_SIZE},&H00FFFFFF,&H00000000,&H80000000,-1,1,7,3,2,{MARGIN_PIXELS},{MARGIN_PIXELS},\
{VIDEO_HEIGHT - CAPTION_BASELINE_Y},-1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True, slots=True)
class Word:
    """What is coloured at once: a word, or one character of a script that is written without spaces."""

    text: str
    space_before: bool

    @property
    def letter_count(self) -> int:
        """How much there is to say, at least 1."""
        return 1 + sum(unicodedata.category(character)[0] in "LN" for character in self.text)

    @property
    def width_ems(self) -> float:
        """How wide the word is about to be, rather too wide than too narrow."""
        return sum(_width_ems(character) for character in self.text)

    @property
    def ends_phrase(self) -> bool:
        """Whether a voice is likely to pause after it."""
        return not _PHRASE_ENDS.isdisjoint(self.text[-2:])


@dataclass(frozen=True, slots=True)
class Caption:
    """Words that are shown together. Each is spoken from its frame in `word_frames`; the end is excluded."""

    words: tuple[Word, ...]
    word_frames: tuple[int, ...]
    end_frame: int


def write_captions(segments: Sequence[Segment], fonts: FontCoverage, target: Path) -> None:
    """Write the captions of these lines to `target`, an ASS file for a picture of 1080x1920, at the video's times."""
    partial = target.with_name(f".{target.name}.part")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(_HEADER)
        for segment in segments:
            font = _font_of(segment.text)
            for caption in captions_of(segment, fonts):
                file.writelines(_events(caption, font))
    partial.replace(target)


def captions_of(segment: Segment, fonts: FontCoverage) -> list[Caption]:
    """The line's captions in order, each until the next begins and the last until the line ends.

    There is none when the fonts show nothing of the text.
    """
    words = split_words(showable(segment.text, shows=fonts.shows))
    frames = [start // SAMPLES_PER_FRAME for start in word_starts(words, segment.voiced or (segment.samples,))]
    groups = list(_group(words))
    bounds = [0, *(sum(len(group) for group in groups[: index + 1]) for index in range(len(groups)))]
    return [
        Caption(
            words=tuple(words[first:last]),
            word_frames=tuple(frames[first:last]),
            end_frame=frames[last] if last < len(words) else segment.end_frame,
        )
        for first, last in pairwise(bounds)
    ]


def showable(text: str, *, shows: Callable[[str], bool]) -> str:
    """The text without what would draw an empty box or disturb the line: unknown, control and formatting characters.

    A mark goes with the letter that it stands on. Every run of white space becomes one space.
    """
    kept: list[str] = []
    base_kept = False
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        if character.isspace():
            kept.append(" ")
            base_kept = False
        elif character in "\u200c\u200d":  # they shape Persian and the scripts of India, and join emoji
            if base_kept and unicodedata.category(kept[-1])[0] in "LM":
                kept.append(character)
        elif category[0] == "M":
            if base_kept and shows(character) and not "\ufe00" <= character <= "\ufe0f":
                kept.append(character)
        elif category[0] == "C" or "\U0001f3fb" <= character <= "\U0001f3ff":  # the latter colour an emoji's skin
            base_kept = base_kept and category == "Cf"
        else:
            base_kept = shows(character)
            if base_kept:
                kept.append(character)
    return " ".join("".join(kept).split())


def split_words(text: str) -> list[Word]:
    """The words in reading order, none too wide for a line."""
    words: list[Word] = []
    for token in text.split():
        for index, piece in enumerate(_pieces(token)):
            words.append(Word(text=piece, space_before=index == 0))
    return words


def word_starts(words: Sequence[Word], voiced: Sequence[SampleRange]) -> list[int]:
    """The sample at which each word begins.

    The phrases that the punctuation makes are matched with what lies between the longest pauses, if every phrase then
    takes about its share of the time; otherwise the letters are spread over all of the sound.
    """
    phrases: list[list[Word]] = []
    for index, word in enumerate(words):
        if index == 0 or (words[index - 1].ends_phrase and word.space_before):
            phrases.append([])
        phrases[-1].append(word)
    runs = _split_at_longest_pauses(voiced, run_count=len(phrases))
    if not _is_plausible(phrases, runs):
        return _spread(words, voiced)
    return [start for phrase, run in zip(phrases, runs, strict=True) for start in _spread(phrase, run)]


def _split_at_longest_pauses(voiced: Sequence[SampleRange], *, run_count: int) -> list[Sequence[SampleRange]]:
    """The voiced parts in `run_count` groups, or in as many as there are parts if that is less."""
    by_length = sorted(range(1, len(voiced)), key=lambda index: voiced[index - 1].end - voiced[index].start)
    cuts = sorted(by_length[: max(run_count - 1, 0)])
    return [voiced[start:end] for start, end in pairwise((0, *cuts, len(voiced)))]


def _is_plausible(phrases: Sequence[Sequence[Word]], runs: Sequence[Sequence[SampleRange]]) -> bool:
    """Whether no phrase would be spoken at more than twice, or less than half, the line's mean pace."""
    if len(phrases) != len(runs):
        return False
    letter_counts = [_letter_count(phrase) for phrase in phrases]
    lengths = [_voiced_samples(run) for run in runs]
    mean_pace = sum(letter_counts) / sum(lengths)
    return all(
        mean_pace / _PACE_SPREAD <= letter_count / length <= mean_pace * _PACE_SPREAD
        for letter_count, length in zip(letter_counts, lengths, strict=True)
    )


def _letter_count(words: Sequence[Word]) -> int:
    return sum(word.letter_count for word in words)


def _voiced_samples(ranges: Sequence[SampleRange]) -> int:
    return sum(part.end - part.start for part in ranges)


def _spread(words: Sequence[Word], ranges: Sequence[SampleRange]) -> list[int]:
    """The words' beginnings, by their letters' share of the ranges' joint length."""
    voiced_samples = _voiced_samples(ranges)
    letter_count = _letter_count(words)
    starts: list[int] = []
    letters_before = 0
    for word in words:
        offset = voiced_samples * letters_before // letter_count
        letters_before += word.letter_count
        for part in ranges:
            if offset < part.end - part.start:
                starts.append(part.start + offset)
                break
            offset -= part.end - part.start
    return starts


def _group(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The words of each caption: one line, at most four words, never across a phrase's end."""
    group: list[Word] = []
    for word in words:
        if group:
            spaced_count = sum(other.space_before for other in group)
            too_many = word.space_before and spaced_count >= _LARGEST_WORD_COUNT
            too_wide = _line_width_ems([*group, word]) > _LARGEST_WIDTH_EMS
            if too_many or too_wide or (word.space_before and group[-1].ends_phrase):
                yield group
                group = []
        group.append(word)
    if group:
        yield group


def _line_width_ems(words: Sequence[Word]) -> float:
    space_count = sum(word.space_before for word in words[1:])
    return space_count * _width_ems(" ") + sum(word.width_ems for word in words)


def _events(caption: Caption, font: str | None) -> Iterator[str]:
    """One ASS event per word of the caption, in which that word is coloured."""
    width_ems = _line_width_ems(caption.words)
    tags = f"\\fn{font}" if font else ""
    if width_ems > _LARGEST_WIDTH_EMS:
        percent = round(100 * _LARGEST_WIDTH_EMS / width_ems)
        tags += f"\\fscx{percent}\\fscy{percent}"
    for active, (start, end) in enumerate(pairwise((*caption.word_frames, caption.end_frame))):
        if start >= end:
            continue
        text = f"{{{tags}}}" if tags else ""
        for index, word in enumerate(caption.words):
            shown = _escape(word.text)
            if index == active:
                shown = f"{{\\1c{_ACTIVE_COLOUR}}}{shown}{{\\1c}}"
            text += f" {shown}" if word.space_before and index else shown
        yield f"Dialogue: 0,{_ass_time(start)},{_ass_time(end)},Caption,,0,0,0,,{text}\n"


def _escape(text: str) -> str:
    r"""The text so that libass shows it as it is: `{` opens a command, and `\N` breaks the line.

    A backslash cannot be escaped; a word joiner after it, which is invisible, keeps it from meaning anything.
    """
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")


def _ass_time(frame: int) -> str:
    """The last hundredth of a second that is not after the frame, so that an event covers whole frames exactly."""
    hundredths = frame * 100 // FRAME_RATE_HZ
    minutes, hundredths = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{hundredths // 100:02}.{hundredths % 100:02}"


def _font_of(text: str) -> str | None:
    """The family that draws the text's Chinese characters as its language does; None where the style's will do."""
    if any("\u3041" <= character <= "\u30ff" for character in text):
        return "Noto Sans CJK JP"
    if any("\uac00" <= character <= "\ud7a3" for character in text):
        return "Noto Sans CJK KR"
    if any(_is_ideograph(character) for character in text):
        return "Noto Sans CJK SC"
    return None


def _is_ideograph(character: str) -> bool:
    return "\u3400" <= character <= "\u9fff" or "\U00020000" <= character <= "\U0003ffff"


def _is_written_without_spaces(character: str) -> bool:
    """Chinese, Japanese, Thai, Lao, Burmese and Khmer letters."""
    return (
        _is_ideograph(character)
        or "\u3041" <= character <= "\u30ff"
        or "\u0e01" <= character <= "\u0edf"
        or "\u1000" <= character <= "\u109f"
        or "\u1780" <= character <= "\u17ff"
    )


def _pieces(token: str) -> Iterator[str]:
    """A token cut after each character of a script without spaces, and where it would be too wide for a line.

    Punctuation stays with what stands before it, a mark with its letter.
    """
    piece = ""
    width_ems = 0.0
    for character in token:
        category = unicodedata.category(character)
        breaks = piece and category[0] != "M" and category != "Cf"
        between = _is_written_without_spaces(character) or _is_written_without_spaces(piece[-1:] or " ")
        too_wide = width_ems + _width_ems(character) > _LARGEST_WIDTH_EMS / _NARROWEST_SCALE
        if breaks and (too_wide or (between and category[0] in "LNS")):
            yield piece
            piece = ""
            width_ems = 0.0
        piece += character
        width_ems += _width_ems(character)
    yield piece


def _width_ems(character: str) -> float:
    """About the advance in Noto Sans Bold, measured for Latin and rounded up for everything else."""
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0.0
    if character in " .,;:!|'`ijlI()[]":
        return 0.36
    if unicodedata.east_asian_width(character) in "WF" or character in "mwMW@%":
        return 1.0
    if character.isupper():
        return 0.76
    return 0.64

"""What is seen when and where, in numbers that any program can draw: what peers get, and nothing of our graph."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageFont

from bench.render.product import (
    CAPTION_BASELINE_Y,
    FRAME_RATE_HZ,
    PICTURE_HEIGHT,
    PICTURE_MARGIN,
    PICTURE_WIDTH,
    VIDEO_HEIGHT,
    VIDEO_WIDTH,
    Film,
    Side,
    VideoEncoder,
)

FONT_PIXELS = 76
OUTLINE_PIXELS = 7


@dataclass(frozen=True)
class Shown:
    """From its first frame to the one before `end_frame`. `x` is the left edge."""

    start_frame: int
    end_frame: int
    x: float


@dataclass(frozen=True)
class ShownPicture(Shown):
    """`y` is the upper edge."""

    path: str
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class ShownText(Shown):
    """Stands on `y`."""

    text: str
    y: int
    colour: str


@dataclass(frozen=True)
class Plan:
    pictures: list[ShownPicture]
    texts: list[ShownText]
    font: str
    font_pixels: int
    outline_pixels: int
    background: str
    start_seconds: float
    sound: str
    frame_count: int
    frame_rate_hz: int
    width: int
    height: int
    codec: str
    encoder_options: list[str]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


def plan_of(film: Film, encoder: VideoEncoder) -> Plan:
    font = font_file()
    return Plan(
        pictures=list(_pictures(film)),
        texts=list(_texts(film, ImageFont.truetype(font, FONT_PIXELS))),
        font=font,
        font_pixels=FONT_PIXELS,
        outline_pixels=OUTLINE_PIXELS,
        background=str(film.background),
        start_seconds=film.start_seconds,
        sound=str(film.sound),
        frame_count=film.frame_count,
        frame_rate_hz=FRAME_RATE_HZ,
        width=VIDEO_WIDTH,
        height=VIDEO_HEIGHT,
        codec=encoder.options[encoder.options.index("-c:v") + 1],
        encoder_options=list(encoder.options),
    )


def font_file() -> str:
    argv = ["fc-match", "Noto Sans:bold", "--format", "%{file}"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _pictures(film: Film) -> Iterator[ShownPicture]:
    """One per line, as who knows only the line would have it."""
    for path, segment in film.shown_pictures():
        with Image.open(path) as picture:
            factor = min(PICTURE_WIDTH / picture.width, PICTURE_HEIGHT / picture.height)
            width, height = (round(side * factor / 2) * 2 for side in picture.size)
        x = PICTURE_MARGIN if segment.side is Side.LEFT else VIDEO_WIDTH - width - PICTURE_MARGIN
        yield ShownPicture(segment.start_frame, segment.end_frame, x, str(path), VIDEO_HEIGHT - height, width, height)


def _texts(film: Film, font: ImageFont.FreeTypeFont) -> Iterator[ShownText]:
    """A caption's words in white, and over each the same word in gold while it is spoken."""
    # The style's line ends at the base line; a font's descent lies below what its letters stand on.
    y = CAPTION_BASELINE_Y - font.getmetrics()[1]
    for caption in film.shown_captions():
        before = [
            "".join(f" {word.text}" if word.space_before else word.text for word in caption.words[:end]).lstrip()
            for end in range(len(caption.words) + 1)
        ]
        left = (VIDEO_WIDTH - font.getlength(before[-1])) / 2
        yield ShownText(caption.word_frames[0], caption.end_frame, left, before[-1], y, "#FFFFFF")
        bounds = pairwise((*caption.word_frames, caption.end_frame))
        for word, until, (start, end) in zip(caption.words, before[1:], bounds, strict=True):
            x = left + font.getlength(until) - font.getlength(word.text)
            if start < end:
                yield ShownText(start, end, x, word.text, y, "#FFD700")

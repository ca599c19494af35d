"""Two drawn characters, each listening and speaking, on a transparent ground."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 600, 800
ENLARGEMENT = 3  # drawn larger and reduced: Pillow's shapes have no smooth edges

Point = tuple[float, float]


class Expression(Enum):
    LISTENING = auto()
    SPEAKING = auto()


@dataclass(frozen=True)
class Look:
    skin: str
    skin_shade: str
    blush: str
    hair: str
    hair_light: str
    iris: str
    clothes: str
    clothes_shade: str
    shirt: str
    lips: str
    long_hair: bool
    glasses: bool


BRUNO = Look(
    skin="#e8b48c",
    skin_shade="#d0956c",
    blush="#e59a7c",
    hair="#5f3a26",
    hair_light="#845538",
    iris="#3b5a4a",
    clothes="#1f8a8c",
    clothes_shade="#176b70",
    shirt="#f4efe3",
    lips="#b8604f",
    long_hair=False,
    glasses=True,
)
ALMA = Look(
    skin="#f6cfb2",
    skin_shade="#e2ab8a",
    blush="#f2a28e",
    hair="#b5452c",
    hair_light="#d9683f",
    iris="#2f6f9f",
    clothes="#f2b134",
    clothes_shade="#d89422",
    shirt="#5b3f8c",
    lips="#c8434f",
    long_hair=True,
    glasses=False,
)


class Sheet:
    """A transparent sheet that takes shapes in the finished portrait's pixels."""

    def __init__(self) -> None:
        self.image = Image.new("RGBA", (WIDTH * ENLARGEMENT, HEIGHT * ENLARGEMENT), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def ellipse(self, centre: Point, radius: Point, colour: str) -> None:
        self._draw.ellipse(box(centre, radius), fill=colour)

    def ring(self, centre: Point, radius: Point, colour: str, *, width: float) -> None:
        corner = 0.75 * min(radius) * ENLARGEMENT
        line = round(width * ENLARGEMENT)
        self._draw.rounded_rectangle(box(centre, radius), radius=corner, outline=colour, width=line)

    def blob(self, points: Sequence[Point], colour: str) -> None:
        """The smooth closed shape through the points."""
        self._draw.polygon([(x * ENLARGEMENT, y * ENLARGEMENT) for x, y in smooth(points, closed=True)], fill=colour)

    def stroke(self, points: Sequence[Point], colour: str, *, width: float) -> None:
        """The smooth line through the points, with round ends."""
        for centre in smooth(points, closed=False):
            self.ellipse(centre, (width / 2, width / 2), colour)

    def symmetric_blob(self, right: Sequence[Point], colour: str) -> None:
        """The smooth shape whose right half is given, from the middle's top to its bottom."""
        self.blob([*right, *((WIDTH - x, y) for x, y in reversed(right[1:-1]))], colour)

    def mirrored_blob(self, points: Sequence[Point], colour: str) -> None:
        """The shape and its mirror image about the middle."""
        self.blob(points, colour)
        self.blob([(WIDTH - x, y) for x, y in points], colour)


def box(centre: Point, radius: Point) -> list[float]:
    """Left, top, right and bottom on the enlarged sheet."""
    (x, y), (across, down) = centre, radius
    return [value * ENLARGEMENT for value in (x - across, y - down, x + across, y + down)]


def smooth(points: Sequence[Point], *, closed: bool) -> list[Point]:
    """Catmull-Rom's curve through the points."""
    corners = np.array(points, dtype=float)
    before, after = (corners[-1], corners[0]) if closed else (corners[0], corners[-1])
    padded = np.vstack([before, corners, after, corners[1] if closed else after])
    t = np.linspace(0, 1, 48, endpoint=False)[:, None]
    curve = []
    for index in range(len(corners) - (0 if closed else 1)):
        p0, p1, p2, p3 = padded[index : index + 4]
        curve.append(
            0.5 * (2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3)
        )
    drawn = np.vstack(curve) if closed else np.vstack([*curve, after])
    return [(float(x), float(y)) for x, y in drawn]


def draw_portrait(look: Look, expression: Expression) -> Image.Image:
    """The character to the waist, 600 x 800, RGBA."""
    sheet = Sheet()
    if look.long_hair:
        draw_hair_behind(sheet, look)
    draw_clothes(sheet, look)
    draw_head(sheet, look)
    draw_face(sheet, look, expression)
    if look.long_hair:
        draw_fringe(sheet, look)
    else:
        draw_short_hair(sheet, look)
    if look.glasses:
        draw_glasses(sheet)
    return sheet.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def draw_hair_behind(sheet: Sheet, look: Look) -> None:
    right = [(300, 70), (420, 100), (482, 200), (492, 330), (520, 450), (508, 560), (440, 610), (300, 600)]
    sheet.symmetric_blob(right, look.hair)


def draw_clothes(sheet: Sheet, look: Look) -> None:
    shoulders = [(300, 560), (400, 575), (500, 610), (556, 690), (572, 800), (560, 860), (300, 870)]
    sheet.mirrored_blob(shoulders, look.clothes)
    sheet.blob([(226, 575), (374, 575), (330, 700), (300, 745), (270, 700)], look.shirt)
    sheet.mirrored_blob([(232, 560), (214, 590), (246, 690), (300, 790), (262, 680), (246, 600)], look.clothes_shade)
    sheet.mirrored_blob([(120, 720), (136, 705), (150, 820), (132, 830)], look.clothes_shade)
    # The neck and the shadow of the chin on it.
    sheet.blob([(240, 440), (360, 440), (362, 560), (350, 600), (300, 628), (250, 600), (238, 560)], look.skin)
    sheet.blob([(242, 470), (358, 470), (360, 520), (300, 560), (240, 520)], look.skin_shade)


def draw_head(sheet: Sheet, look: Look) -> None:
    if not look.long_hair:
        for side in (-1, 1):
            sheet.ellipse((300 + side * 152, 322), (28, 42), look.skin)
            sheet.ellipse((300 + side * 154, 324), (14, 25), look.skin_shade)
    right = [(300, 118), (395, 142), (446, 222), (450, 320), (428, 410), (372, 482), (300, 508)]
    sheet.symmetric_blob(right, look.skin)


def draw_face(sheet: Sheet, look: Look, expression: Expression) -> None:
    speaking = expression is Expression.SPEAKING
    lift = 14 if speaking else 0
    for side in (-1, 1):
        eye = (300 + side * 68, 318)
        sheet.ellipse((300 + side * 100, 392), (34, 20), look.blush)
        sheet.ellipse(eye, (30, 27 if speaking else 23), "#ffffff")
        sheet.ellipse((eye[0] + 2, eye[1] + 1), (17, 18), look.iris)
        sheet.ellipse((eye[0] + 2, eye[1] + 1), (9, 10), "#1d1a24")
        sheet.ellipse((eye[0] + 8, eye[1] - 7), (5, 5), "#ffffff")
        lid = eye[1] - (25 if speaking else 20)
        ends = [(eye[0] - side * 28, lid + 12), (eye[0], lid - 2), (eye[0] + side * 33, lid + 12)]
        sheet.stroke(ends, look.hair, width=8 if look.long_hair else 6)
        brow = [(300 + side * 38, 268 - lift), (300 + side * 70, 254 - lift), (300 + side * 104, 270 - lift)]
        sheet.stroke(brow, look.hair, width=9 if look.long_hair else 14)
    sheet.stroke([(304, 336), (314, 372), (308, 384), (292, 384)], look.skin_shade, width=7)
    if speaking:
        sheet.blob([(252, 420), (300, 414), (348, 420), (338, 456), (300, 476), (262, 456)], "#7a2435")
        sheet.blob([(262, 420), (300, 416), (338, 420), (328, 434), (300, 437), (272, 434)], "#ffffff")
        sheet.blob([(276, 458), (300, 450), (324, 458), (316, 469), (300, 473), (284, 469)], "#e0717a")
    else:
        sheet.stroke([(248, 424), (272, 442), (300, 448), (328, 442), (352, 424)], look.lips, width=9)


def draw_short_hair(sheet: Sheet, look: Look) -> None:
    outside = [(148, 300), (136, 220), (160, 130), (230, 74), (330, 58), (420, 88), (466, 170), (464, 240), (452, 300)]
    inside = [(440, 240), (410, 196), (350, 206), (280, 190), (214, 176), (178, 214), (162, 250)]
    sheet.blob([*outside, *inside], look.hair)
    sheet.stroke([(212, 128), (280, 96), (356, 98)], look.hair_light, width=13)
    sheet.stroke([(246, 150), (300, 126), (380, 128)], look.hair_light, width=8)


def draw_fringe(sheet: Sheet, look: Look) -> None:
    outside = [(122, 330), (134, 190), (190, 100), (300, 72), (410, 100), (466, 190), (478, 330), (462, 400)]
    inside = [(446, 300), (420, 232), (350, 176), (318, 150), (262, 200), (190, 240), (158, 300), (140, 400)]
    sheet.blob([*outside, *inside], look.hair)
    sheet.stroke([(200, 150), (250, 110), (310, 102)], look.hair_light, width=13)
    sheet.stroke([(176, 196), (230, 164), (288, 136)], look.hair_light, width=8)
    sheet.stroke([(352, 128), (400, 158), (434, 214)], look.hair_light, width=10)
    sheet.stroke([(474, 420), (496, 480), (486, 550)], look.hair_light, width=9)
    sheet.stroke([(126, 420), (104, 480), (114, 550)], look.hair_light, width=9)


def draw_glasses(sheet: Sheet) -> None:
    for side in (-1, 1):
        sheet.ring((300 + side * 70, 320), (52, 44), "#f0593e", width=9)
        sheet.stroke([(300 + side * 122, 312), (300 + side * 148, 306)], "#f0593e", width=9)
    sheet.stroke([(282, 312), (300, 306), (318, 312)], "#f0593e", width=9)

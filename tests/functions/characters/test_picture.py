"""What becomes of an uploaded picture, measured."""

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from characters.picture import make_picture
from characters.refusals import UploadRefused
from tests.functions.characters import uploaded_files as files

RED, BLUE, CLEAR = (200, 30, 30, 255), (30, 30, 200, 255), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("image_format", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "L", {}),
        ("PNG", "LA", {}),
        ("PNG", "1", {}),
        ("PNG", "I;16", {}),
        ("PNG", "RGB", {"interlace": True}),
        ("JPEG", "RGB", {}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("MPO", "RGB", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
    ],
)
def test_every_format_becomes_a_png_with_transparency(image_format: str, mode: str, options: dict[str, Any]) -> None:
    content = files.saved(
        Image.new("RGBA", (60, 80), RED).convert("L" if mode == "I;16" else mode).convert(mode), image_format, **options
    )

    image = files.opened(make_picture(content))

    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (60, 80))
    assert image.getchannel("A").getextrema() == (255, 255)


def test_colours_stay() -> None:
    image = files.opened(make_picture(files.picture(mode="RGBA", colour=RED)))

    assert image.getpixel((5, 5)) == RED


def test_grey_of_sixteen_bits_stays_as_bright() -> None:
    image = files.opened(make_picture(files.picture(mode="I;16", colour=128 * 257)))

    assert image.getpixel((5, 5)) == (128, 128, 128, 255)


@pytest.mark.parametrize(
    ("size", "made"),
    [
        pytest.param((500, 700), (500, 700), id="small: as it is"),
        pytest.param((2160, 1440), (1080, 720), id="wide"),
        pytest.param((1000, 2880), (500, 1440), id="tall"),
        pytest.param((4000, 3000), (1080, 810), id="large"),
        pytest.param((20000, 2), (1080, 1), id="a line"),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_is_brought_into_the_bounds(size: tuple[int, int], made: tuple[int, int], mode: str) -> None:
    assert files.opened(make_picture(files.picture(size=size, mode=mode))).size == made


def test_a_large_jpeg_is_brought_into_the_bounds() -> None:
    assert files.opened(make_picture(files.picture("JPEG", size=(5600, 4200)))).size == (1080, 810)


def test_transparent_borders_are_trimmed() -> None:
    figure = Image.new("RGBA", (400, 300), CLEAR)
    figure.paste(RED, (100, 50, 180, 290))

    image = files.opened(make_picture(files.saved(figure, "PNG")))

    assert image.size == (80, 240)
    assert image.getchannel("A").getextrema() == (255, 255)


def test_borders_are_trimmed_before_the_picture_is_scaled() -> None:
    figure = Image.new("RGBA", (3000, 3000), CLEAR)
    figure.paste(RED, (100, 100, 700, 1100))

    assert files.opened(make_picture(files.saved(figure, "PNG"))).size == (600, 1000)


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (0, 0)), (2, (79, 0)), (3, (79, 59)), (4, (0, 59)), (5, (0, 0)), (6, (59, 0)), (7, (59, 79)), (8, (0, 79))],
)
def test_a_turned_photograph_is_put_upright(orientation: int, corner: tuple[int, int]) -> None:
    photograph = Image.new("RGB", (80, 60), BLUE[:3])
    photograph.paste(RED[:3], (0, 0, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation

    image = files.opened(make_picture(files.saved(photograph, "JPEG", exif=exif, quality=95)))

    assert image.size == ((80, 60) if orientation < 5 else (60, 80))
    red, _, blue, _ = image.crop((*corner, corner[0] + 1, corner[1] + 1)).tobytes()
    assert red > 150 > blue


def test_a_turned_photograph_is_bounded_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    assert files.opened(make_picture(files.picture("JPEG", size=(4000, 3000), exif=exif))).size == (1080, 1440)


def test_metadata_is_left_out() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "somebody")
    text.add_itxt("XML:com.adobe.xmp", "<x>somebody</x>")
    exif = Image.Exif()
    exif[0x010F] = "somebody's camera"

    made = make_picture(files.picture(pnginfo=text, exif=exif, icc_profile=b"somebody's profile", dpi=(300, 300)))

    chunks = {made[at + 4 : at + 8] for at in _chunks(made)}
    assert chunks == {b"IHDR", b"IDAT", b"IEND"}


@pytest.mark.parametrize("image_format", ["WEBP", "PNG"])
def test_a_moving_picture_becomes_its_first_frame(image_format: str) -> None:
    frames = [Image.new("RGBA", (50, 40), colour) for colour in (RED, BLUE)]
    content = files.saved(frames[0], image_format, save_all=True, append_images=frames[1:], lossless=True)

    image = files.opened(make_picture(content))

    assert (image.size, image.getpixel((9, 9))) == ((50, 40), RED)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "none of PNG, JPEG or WebP", id="nothing"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "none of PNG, JPEG or WebP", id="SVG"),
        pytest.param(b"<html><script>", "none of PNG, JPEG or WebP", id="HTML"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "none of PNG, JPEG or WebP", id="PostScript"),
        pytest.param(files.picture("GIF", mode="L"), "none of PNG, JPEG or WebP", id="GIF"),
        pytest.param(files.picture("TIFF"), "none of PNG, JPEG or WebP", id="TIFF"),
        pytest.param(files.picture("BMP"), "none of PNG, JPEG or WebP", id="BMP"),
        pytest.param(files.picture("ICO", size=(32, 32)), "none of PNG, JPEG or WebP", id="ICO"),
        pytest.param(files.picture(size=(300, 300))[:60], "cannot be decoded", id="half a PNG"),
        pytest.param(files.picture("JPEG", size=(300, 300))[:400], "none of|cannot be decoded", id="half a JPEG"),
        pytest.param(files.picture("WEBP", size=(300, 300))[:60], "none of|cannot be decoded", id="half a WebP"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), "none of|cannot be decoded", id="PNG of zeros"),
        pytest.param(files.picture(mode="RGBA", colour=CLEAR), "transparent everywhere", id="nothing to see"),
        pytest.param(files.picture(size=(6001, 4000), mode="1"), "more than 24 million pixels", id="too many pixels"),
        pytest.param(files.picture(size=(16000, 8000), mode="1"), "more than 24 million pixels", id="a bomb"),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UploadRefused, match=reason):
        make_picture(content)


@pytest.mark.attacks
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(files.progressive_jpeg(101), id="101 scans"),
        pytest.param(files.progressive_jpeg(20_000), id="20,000 scans"),
        pytest.param(b"\xff\xd8" + b"\xff\xfe\x00\x02" * 10_000 + files.picture("JPEG")[2:], id="10,000 comments"),
    ],
)
def test_a_jpeg_of_too_many_parts_is_refused_before_it_is_decoded(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", None)

    with pytest.raises(UploadRefused, match="The picture cannot be decoded; send PNG, JPEG or WebP"):
        make_picture(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(files.progressive_jpeg(100), id="100 scans"),
        pytest.param(files.progressive_jpeg(10, comment=b"\xff\xda" * 200), id="what looks like scans in a comment"),
        pytest.param(files.progressive_jpeg(10) + b"\xff\xda" * 200, id="what looks like scans after the end"),
        pytest.param(files.picture("JPEG", size=(600, 800), restart_marker_blocks=1), id="restarts"),
    ],
)
def test_a_jpeg_of_few_scans_is_taken(content: bytes) -> None:
    assert files.opened(make_picture(content)).mode == "RGBA"


@pytest.mark.attacks
def test_a_png_that_unpacks_to_text_without_end_is_refused_or_small() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("bomb", "x" * 70_000_000, zip=True)

    with pytest.raises(UploadRefused, match="cannot be decoded"):
        make_picture(files.picture(pnginfo=text))


def _chunks(png: bytes) -> list[int]:
    """Where each chunk of a PNG begins."""
    starts, at = [], io.BytesIO(png).seek(8)
    while at < len(png):
        starts.append(at)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return starts

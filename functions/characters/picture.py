"""A character's picture, made of whatever was uploaded: PNG with transparency, trimmed, bounded, without metadata.

Runs in the child process of characters.decoding.
"""

import io
import re
import struct
import warnings
import zlib

from PIL import Image, UnidentifiedImageError, WebPImagePlugin

from characters.limits import MAX_PICTURE_PIXELS, PICTURE_FORMATS
from characters.refusals import UploadRefused

# A video is 1080x1920 and a character stands on its lower part.
MAX_WIDTH = 1080
MAX_HEIGHT = 1440

_ORIENTATION_TAG = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# From this orientation on, width and height are exchanged.
_FIRST_TURNED = 5
# A progressive JPEG is decoded anew with every scan, of which encoders make about ten; a small file could hold so many
# thousands that each decoding took minutes. A hundred take 1.3 s at the largest size (measured, pillow 12.3).
MAX_JPEG_SCANS = 100
# Scans, tables and metadata together; a file of many pages of metadata has some hundreds.
_MAX_JPEG_SEGMENTS = 10_000
_JPEG_START = b"\xff\xd8"
# The next marker in or after the data of a scan: not an escaped byte, nor a fill byte, restart or TEM, which have no
# length (ITU-T T.81, B.1.1.3).
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xff\xd0-\xd8])")
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
# Faster than Pillow's 6 and hardly larger.
_COMPRESSION = 4

# Pillow loads the modules of PNG and JPEG by itself, that of WebP only when asked for every format it knows.
assert WebPImagePlugin.SUPPORTED


def make_picture(content: bytes) -> bytes:
    """The picture as PNG, its first frame when it moves. Raises UploadRefused."""
    try:
        _require_few_scans(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            Image.MAX_IMAGE_PIXELS = MAX_PICTURE_PIXELS
            with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP"]) as image:
                return _encoded(_trimmed(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UploadRefused(f"The picture has more than {MAX_PICTURE_PIXELS // 1_000_000} million pixels.") from error
    except UnidentifiedImageError as error:
        raise UploadRefused(f"The picture is none of {PICTURE_FORMATS}.") from error
    # What Pillow's decoders raise for damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        raise UploadRefused(f"The picture cannot be decoded; send {PICTURE_FORMATS}.") from error


def _require_few_scans(content: bytes) -> None:
    """Raises ValueError for a JPEG in which a decoder would meet too many scans, or too many segments at all."""
    if not content.startswith(_JPEG_START):
        return
    scans, position = 0, len(_JPEG_START)
    for _ in range(_MAX_JPEG_SEGMENTS):
        marker = _JPEG_MARKER.search(content, position)
        if marker is None or marker[1][0] == _JPEG_END:
            return
        scans += marker[1][0] == _JPEG_SCAN
        if scans > MAX_JPEG_SCANS:
            break
        # The two bytes of a segment's length count to it.
        position = marker.end() + int.from_bytes(content[marker.end() : marker.end() + 2], "big")
    raise ValueError("too many scans or segments")


def _trimmed(opened: Image.Image) -> Image.Image:
    """RGBA, upright, within the bounds, with no fully transparent border."""
    image = opened
    orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    bounds = (MAX_HEIGHT, MAX_WIDTH) if orientation >= _FIRST_TURNED else (MAX_WIDTH, MAX_HEIGHT)
    # A JPEG is decoded at a fraction of its size when that still is twice what is needed: less memory and time.
    image.draft("RGB", (2 * bounds[0], 2 * bounds[1]))
    image.load()
    if image.mode.startswith("I"):
        # Sixteen bits of grey, which Pillow's own conversion cuts off at 255.
        image = image.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")
    if not image.has_transparency_data:
        upright = image.convert("RGB")
        upright.thumbnail(bounds, Image.Resampling.LANCZOS, reducing_gap=3.0)
        rgba = upright.convert("RGBA")
    else:
        rgba = image.convert("RGBA")
        visible = rgba.getchannel("A").getbbox()
        if visible is None:
            raise UploadRefused("The picture is transparent everywhere.")
        if visible != (0, 0, *rgba.size):
            rgba = rgba.crop(visible)
        rgba.thumbnail(bounds, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return rgba.transpose(_TRANSPOSE[orientation]) if orientation in _TRANSPOSE else rgba


def _encoded(image: Image.Image) -> bytes:
    # A new image has no metadata; the old one's would be written along.
    bare = Image.frombytes("RGBA", image.size, image.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "PNG", compress_level=_COMPRESSION)
    return buffer.getvalue()

"""What the files of a character may be. Decoders keep to it, and the API document states it."""

MIB = 1024 * 1024

RECORDING_FORMATS = "WAV, MP3, M4A, FLAC, OGG or WebM"
MAX_RECORDING_BYTES = 20 * MIB
MIN_RECORDING_SECONDS = 1.0
# F5-TTS takes a reference of at most 12 s (SWivid/F5-TTS, utils_infer.py).
MAX_CLIP_SECONDS = 12.0
# Where a cut is looked for: later than the least that clones a voice well, earlier than the limit.
EARLIEST_CUT_SECONDS = 6.0

PICTURE_FORMATS = "PNG, JPEG or WebP"
MAX_PICTURE_BYTES = 5 * MIB
MAX_PICTURE_PIXELS = 24_000_000  # as many as the decoding process has memory for, in every format
MAX_PICTURES = 10

RECORDING_LIMITS = (
    f"{RECORDING_FORMATS}, at most {MAX_RECORDING_BYTES // MIB} MB, at least {MIN_RECORDING_SECONDS:g} s of sound. "
    f"What is longer than {MAX_CLIP_SECONDS:g} s is cut, at the longest pause after {EARLIEST_CUT_SECONDS:g} s if one "
    "is there; refText is then dropped, since the clip lacks some of its words."
)
PICTURE_LIMITS = (
    f"{PICTURE_FORMATS}, each at most {MAX_PICTURE_BYTES // MIB} MB and {MAX_PICTURE_PIXELS // 1_000_000} million "
    f"pixels. A character has 1 to {MAX_PICTURES} pictures."
)

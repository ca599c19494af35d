"""The process in which uploads are decoded: `python -P -m characters.decoding`, started anew for each request.

Decoders are written in C and are fed by strangers. What goes wrong in here ends this process and nothing else: it has
no secrets in its environment, little memory and time, can open neither a file nor a socket, and fills no file without
end: its standard output and error are files, so that a limit of the kernel's bounds what its parent reads.

On standard input and output stand frames: four bytes with the length of a JSON header (big endian), the header, then
as many bytes as its `sizeBytes` says. In: `kind` is "recording" or "picture". Out, one for each frame in, in order:
`refusal` is null or says why there is no result; a recording's frame has `durationSeconds` and `wasCut` besides.
"""

import importlib
import json
import resource
import signal
import struct
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO

Frame = tuple[dict[str, Any], bytes]

CPU_SECONDS = 25
WALL_SECONDS = 40
# The libraries alone take 210 MB of addresses. The largest picture takes most as a WebP with transparency, which is
# decoded in several buffers of four bytes a pixel: 24 million pixels pass, 28 million do not (tried, pillow 12.3).
ADDRESS_SPACE_BYTES = 704 * 1024 * 1024

# On standard output and on standard error each. Ten pictures of 1080 x 1440 with transparency that PNG cannot
# compress are 60 MiB.
OUTPUT_BYTES = 64 * 1024 * 1024

# What the libraries import when they first meet a file that needs it, which then is too late.
_LOADED_LATE = ("av.subtitles.stream", "PIL.ImagePalette", "PIL.MpoImagePlugin", "PIL.TiffImagePlugin", "mmap")

_LENGTH = struct.Struct(">I")


def pack_frame(header: dict[str, Any], content: bytes = b"") -> bytes:
    encoded = json.dumps(header | {"sizeBytes": len(content)}).encode()
    return _LENGTH.pack(len(encoded)) + encoded + content


def read_frames(source: BinaryIO) -> Iterator[Frame]:
    """The frames that are there in full; an unfinished one at the end is left out."""
    while len(length := source.read(_LENGTH.size)) == _LENGTH.size:
        (header_bytes,) = _LENGTH.unpack(length)
        encoded = source.read(header_bytes)
        if len(encoded) < header_bytes:
            return
        header = json.loads(encoded)
        content = source.read(header["sizeBytes"])
        if len(content) < header["sizeBytes"]:
            return
        yield header, content


def decode(kind: str, content: bytes) -> bytes:
    """The frame that answers one upload."""
    # In here, because the parent imports this module for its frames and must not load the decoders.
    from characters.clip import make_clip
    from characters.picture import make_picture
    from characters.refusals import UploadRefused

    try:
        if kind == "picture":
            return pack_frame({"refusal": None}, make_picture(content))
        clip = make_clip(content)
    except UploadRefused as refused:
        return pack_frame({"refusal": str(refused)})
    except MemoryError:
        return pack_frame({"refusal": "The file takes too much memory to decode."})
    header = {"refusal": None, "durationSeconds": clip.duration_seconds, "wasCut": clip.was_cut}
    return pack_frame(header, clip.wav)


def limit_process() -> None:
    """The process can do no more than compute for a while: no new file, socket, core dump, little output and memory."""
    # Every module that decoding needs is loaded before files can no longer be opened.
    for name in ("characters.clip", "characters.picture", *_LOADED_LATE):
        importlib.import_module(name)
    importlib.import_module("PIL.Image").preinit()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
    # A descriptor's number is less than the limit. The three standard ones stay open; closing one gives no room.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    # Ends this process even when its parent died and cannot.
    signal.alarm(WALL_SECONDS)


def main() -> int:
    limit_process()
    for header, content in read_frames(sys.stdin.buffer):
        sys.stdout.buffer.write(decode(header["kind"], content))
        # One by one, so that the parent sees at which upload this process ended.
        sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

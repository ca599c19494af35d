"""The body of a form: its text fields and its files, or a refusal; never a part of what cannot be read in full."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from gcp.errors import Detail, ValidationFailed
from gcp.models import Form

_MULTIPART = "multipart/form-data"
# RFC 2046 (section 5.1.1) allows 70 characters; some clients send a few more, which does no harm.
_LONGEST_BOUNDARY = 200
# The bounds that Werkzeug's own parser has: bytes of a text or of all pairs, and parts. Beyond them is
# RequestEntityTooLarge: undoing the escapes of pairs takes up to 76 times their bytes (measured).
_MOST_TEXT_BYTES = 500_000
_MOST_PARTS = 1_000
_CHUNK_BYTES = 64 * 1024
# Other encodings that a part may say it is in (RFC 7578, section 5.1.2).
_CHARSETS = frozenset({"ascii", "us-ascii", "iso-8859-1"})


class Fields(NamedTuple):
    """The first text of each name, and the files of each name in their order."""

    texts: Mapping[str, str]
    files: Mapping[str, Sequence[bytes]]


class _Part(NamedTuple):
    head: Field | File
    content: bytes


def read_form(request: Request, model: type[Form]) -> Fields:
    """What the request's form says in the fields that the model knows, texts and files apart.

    Left out is what forms send for "not filled in": an empty text, and an empty file without a name. A request without
    a body is an empty form. Raises ValidationFailed, and RequestEntityTooLarge.
    """
    content = request.get_data()
    if request.mimetype == _MULTIPART:
        fields = _sorted(_parts(content, request.mimetype_params.get("boundary", "")))
    elif request.mimetype == "application/x-www-form-urlencoded":
        if len(content) > _MOST_TEXT_BYTES:
            raise RequestEntityTooLarge
        fields = Fields(_pairs(content), {})
    elif not content:
        fields = Fields({}, {})
    else:
        raise _unreadable(f"The body is no form; send {_MULTIPART}.")
    texts = {name: text for name, text in fields.texts.items() if text}
    _require_kinds(model, texts, fields.files)
    return Fields(texts, fields.files)


def _require_kinds(model: type[Form], texts: Mapping[str, str], files: Mapping[str, Sequence[bytes]]) -> None:
    """Raises ValidationFailed when a text stands where a file belongs, or a file where a text does."""
    known = {each.alias or name for name, each in model.model_fields.items()}
    wrong = {name: "A file is expected here, not a text." for name in texts if name in model.files}
    wrong |= {name: "A text is expected here, not a file." for name in files if name in known}
    details = [Detail(loc=["body", name], msg=message, type="value_error") for name, message in wrong.items()]
    if details:
        raise ValidationFailed(details)


def _sorted(parts: Iterator[_Part]) -> Fields:
    texts: dict[str, str] = {}
    files: dict[str, list[bytes]] = {}
    for head, content in parts:
        if not isinstance(head, File):
            texts.setdefault(head.name, _text(head, content))
        elif head.filename or content:
            files.setdefault(head.name, []).append(content)
    return Fields(texts, files)


def _parts(content: bytes, boundary: str) -> Iterator[_Part]:
    """Each part in full, and none after the first that is not. Raises ValidationFailed."""
    if not (boundary.isascii() and 1 <= len(boundary) <= _LONGEST_BOUNDARY):
        raise _unreadable(f"The form's boundary must have 1 to {_LONGEST_BOUNDARY} ASCII characters.")
    # Not Werkzeug's own loop over these events, which takes an unreadable form for an empty one.
    decoder = MultipartDecoder(boundary.encode(), max_form_memory_size=_MOST_TEXT_BYTES, max_parts=_MOST_PARTS)
    head: Field | File | None = None
    pieces: list[bytes] = []
    chunks = (content[start : start + _CHUNK_BYTES] for start in range(0, len(content), _CHUNK_BYTES))
    for chunk in itertools.chain(chunks, [None]):
        decoder.receive_data(chunk)
        while not isinstance(event := _next_event(decoder), NeedData | Epilogue):
            if isinstance(event, Field | File):
                if event.name is None:
                    raise _unreadable("A part of the form has no name.")
                head, pieces = event, []
            elif isinstance(event, Data) and head is not None:
                pieces.append(event.data)
                if isinstance(head, Field) and sum(map(len, pieces)) > _MOST_TEXT_BYTES:
                    raise RequestEntityTooLarge
                if not event.more_data:
                    yield _Part(head, b"".join(pieces))


def _next_event(decoder: MultipartDecoder) -> object:
    try:
        return decoder.next_event()
    except ValueError as error:
        raise _unreadable("The form breaks off, or a part of it cannot be read.") from error


def _text(head: Field, content: bytes) -> str:
    charset = parse_options_header(head.headers.get("Content-Type"))[1].get("charset", "").lower()
    try:
        return content.decode(charset if charset in _CHARSETS else "utf-8")
    except UnicodeDecodeError as error:
        raise ValidationFailed.of(head.name, "The text is not valid UTF-8.") from error


def _pairs(content: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            content.decode(),
            keep_blank_values=True,
            strict_parsing=bool(content),
            errors="strict",
            max_num_fields=_MOST_PARTS,
        )
    except ValueError as error:
        raise _unreadable("The form cannot be read, or a text in it is not valid UTF-8.") from error
    return dict(reversed(pairs))


def _unreadable(message: str) -> ValidationFailed:
    return ValidationFailed([{"loc": ["body"], "msg": message, "type": "value_error"}])

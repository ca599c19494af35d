"""Bodies that nobody's client would send, made by hypothesis from an operation's own model."""

import json
from typing import Any, NamedTuple

from hypothesis import strategies as st
from pydantic import BaseModel

from gcp.models import Form
from tests.functions.characters import uploaded_files as files

# What breaks parsers, paths, queries, numbers and displays.
HOSTILE_TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    ".",
    "..",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e",
    "/etc/passwd",
    "C:\\windows\\win.ini",
    "\\\\host\\share",
    "__id__",
    "__proto__",
    "users/ann",
    "a/b/c",
    "file:///etc/passwd",
    "http://127.0.0.1:9/",
    "<script>alert(1)</script>",
    '<speak><break time="9s"/></speak>',
    "' OR 1=1 --",
    "{{7*7}}",
    "${jndi:ldap://127.0.0.1/a}",
    "%s%n%x",
    "$(id)",
    "`id`",
    "| id",
    "; id",
    "-i",
    "--",
    "null",
    "NaN",
    "Infinity",
    "-1e999",
    "1_000",
    "٣",
    "0x10",
    "\u202edlrow",
    "\u200b",
    "\ufeff",
    "\ufffe",
    "\U0010ffff",
    "é" * 200,
    "x" * 1_501,
    "x" * 20_000,
    "a@b.cd",
    "ann@example.com",
    "ann@example.com\r\nBcc: eve@example.com",
    '"a b"@example.com',
    "ann@" + "a" * 300 + ".com",
    "ann@xn--0.com",
    "tom",
    "eva",
    "sea.mp4",
    "true",
    "0,1",
    "0," * 50,
)
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    10**400,
    0.5,
    1e308,
    5e-324,
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    {},
    [[]],
    [{}],
    {"": ""},
    {"__proto__": {"tokens": 1}},
    ["tom", "eva"],
    ["tom", "tom"],
    ["tom", "eva", "tom"],
    ["../tom", "eva"],
    [{"speaker": "tom", "text": "Tea?"}],
    [{"speaker": "tom", "text": "Tea?", "audioFile": {"a": [1]}}],
    [{"speaker": "nobody", "text": "Tea?"}, {"speaker": ["tom"], "text": 7}],
    [{"speaker": "tom", "text": "\u202e"}] * 101,
)
# What a body of each field may have to be taken.
GOOD_VALUES: dict[str, tuple[Any, ...]] = {
    "name": ("New User",),
    "email": ("new@example.com", "old@example.com"),
    "password": ("securepassword123",),
    "displayName": ("Ada",),
    "speed": (1.5, "1.5"),
    "nfeSteps": (20, "20"),
    "crossFadeDuration": (0.5,),
    "removeSilences": (True, "false"),
    "refText": ("Good morning.",),
    "removeImageKeys": ("0", "0,1"),
    "selectedCharacters": (["tom", "eva"],),
    "prompt": ("Write a dialogue about tea.",),
    "dialogue": ([{"speaker": "eva", "text": "Coffee."}, {"speaker": "tom", "text": "Yes."}],),
    "backgroundVideo": ("sea.mp4",),
    "message": ("I like it.",),
}
# A recording and a picture that are taken.
GOOD_FILES = (files.wav(files.voice(1.1)), files.picture(size=(2, 2)))
_UNKNOWN_FIELDS = ("tokens", "held", "ownerId", "createdBy", "role", "status", "id", "__proto__", "", "a.b", "\0")
_CONTENT_TYPES = (
    "application/json",
    "application/json",
    "application/json",
    "application/json; charset=utf-16",
    "text/plain",
    "",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/json, text/html\u00e4",
)
_BOUNDARIES = ("boundary", "boundary", "boundary", "b" * 70, "b" * 201, "--", " ", "\u00e4")


class FuzzedBody(NamedTuple):
    """A request's body as it is on the wire, and what its headers say of it."""

    content: bytes
    content_type: str
    headers: dict[str, str]


def fuzzed_bodies(model: type[BaseModel]) -> st.SearchStrategy[FuzzedBody]:
    """Bodies for the operation that reads this model: nearly right ones, wrong ones, and bytes."""
    structured = _forms(model) if issubclass(model, Form) else _objects(model)
    broken = st.tuples(structured, st.integers(0, 400), st.binary(max_size=12)).map(_broken)
    noise = st.builds(
        FuzzedBody,
        st.one_of(st.binary(max_size=200), st.sampled_from(_BROKEN_CONTENTS)),
        st.sampled_from(_CONTENT_TYPES),
        _HEADERS,
    )
    # Most of them structured: a body that cannot be read is refused at the same place whatever it holds.
    return st.one_of(structured, structured, structured, broken, noise)


_TEXTS = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(max_size=60))
_VALUES = st.one_of(_TEXTS, st.sampled_from(HOSTILE_VALUES), st.integers(), st.floats())
_HEADERS = st.sampled_from(
    (
        {},
        {},
        {},
        {},
        {"Content-Encoding": "gzip"},
        {"Transfer-Encoding": "chunked"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Forwarded-For": "127.0.0.1, ::1, ../, \u00ff"},
        {"Idempotency-Key": "key"},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "k" * 256},
        {"Content-Length": "0"},
    )
)
_BROKEN_CONTENTS = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{",
    b'{"a":',
    b"{}" * 50,
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b'{"message":"\xff\xfe"}',
    b'{"message":"\\ud800"}',
    b'{"message":1' + b"0" * 5_000 + b"}",
    b"\x1f\x8b\x08\x00" + bytes(60),
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
)


def _spoiled(model: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Fields of which at most one is wrong, so that what is asked of it late is asked too; or any of any kind."""
    names = [str(field.alias) for field in model.model_fields.values()]
    good = {name: st.sampled_from(GOOD_VALUES[name]) for name in names}
    spoiled = [st.fixed_dictionaries(good | {name: _VALUES}) for name in names]
    anything = st.fixed_dictionaries({}, optional={name: st.one_of(good[name], _VALUES) for name in names})
    return st.one_of(st.fixed_dictionaries(good), *spoiled, anything)


def _objects(model: type[BaseModel]) -> st.SearchStrategy[FuzzedBody]:
    """JSON objects, also with fields that the model does not have."""
    unknown = st.dictionaries(st.sampled_from(_UNKNOWN_FIELDS), _VALUES, max_size=2)
    return st.builds(
        lambda fields, others, headers: FuzzedBody(_json(others | fields), "application/json", headers),
        _spoiled(model),
        unknown,
        _HEADERS,
    )


def _json(value: Any) -> bytes:
    # As Python writes what JSON has no word for; halves of surrogate pairs as escapes.
    return json.dumps(value).encode()


def _forms(model: type[Form]) -> st.SearchStrategy[FuzzedBody]:
    """Multipart forms: the model's fields and files, others besides, and parts whose heads lie."""
    file_fields = st.sampled_from((*model.files, *model.files, "tokens", "displayName"))
    file_names = st.sampled_from(("", "a.wav", "../../a.png", "/etc/passwd", "a\0.png", "%2e%2e/a", "\u202egnp.exe"))
    contents = st.one_of(st.sampled_from((*GOOD_FILES, *GOOD_FILES, b"")), st.binary(max_size=60))
    file = st.tuples(file_fields, file_names, contents, st.sampled_from(_PART_TYPES))
    good_files = [(name, "chosen", content, "") for name, content in zip(model.files, GOOD_FILES, strict=False)]
    some_files = st.one_of(st.just(good_files), st.lists(file, max_size=3))
    odd_names = st.sampled_from(("", "a\0b", "tokens", "audioFile", "displayName", "x" * 2_000))
    odd_texts = st.lists(st.tuples(odd_names, st.none(), _VALUES, st.sampled_from(_PART_TYPES)), max_size=2)
    texts = _spoiled(model).map(lambda fields: [(name, None, value, "") for name, value in fields.items()])
    parts = st.tuples(texts, odd_texts, some_files).map(lambda each: [*each[0], *each[1], *each[2]])
    return st.builds(_form, parts, st.sampled_from(_BOUNDARIES), _HEADERS)


_PART_TYPES = ("", "", "text/plain", "text/plain; charset=utf-7", "audio/wav", "application/x-\u00e4", "x" * 300)


def _form(parts: list[tuple[str, str | None, Any, str]], boundary: str, headers: dict[str, str]) -> FuzzedBody:
    pieces = []
    for name, file_name, value, content_type in parts:
        file = "" if file_name is None else f'; filename="{file_name}"'
        kind = f"Content-Type: {content_type}\r\n" if content_type else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n{kind}\r\n'
        written = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        pieces.append(head.encode() + written + b"\r\n")
    content = b"".join(pieces) + f"--{boundary}--\r\n".encode()
    return FuzzedBody(content, f"multipart/form-data; boundary={boundary}", headers)


def _broken(given: tuple[FuzzedBody, int, bytes]) -> FuzzedBody:
    """The body with other bytes somewhere, or cut off there."""
    body, at, put = given
    at %= len(body.content) + 1
    return body._replace(content=body.content[:at] + (put + body.content[at + len(put) :] if put else b""))

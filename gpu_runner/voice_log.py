"""What the voice server prints, as structured lines of the runner's log, without what users wrote.

F5-TTS prints every text that it speaks and every transcript on standard output. So, once the runner has taken up work,
standard output is thrown away and of standard error only the kind and the place of an exception are told. Before that
no user's text can have reached the server, and its lines are told whole: they say why it does not start.
"""

import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from contracts import log

_LONGEST_LINE_BYTES = 4096
_LONGEST_TEXT = 500
_FRAME = re.compile(r'  File "([^"]+)", line (\d+), in (\S+)$')
_EXCEPTION = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit))(?::|$)")
_FRAMES_TOLD = 8


class VoiceLog:
    """Follows one server's output."""

    def __init__(self, *, texts_are_kept_out: bool = False) -> None:
        self._texts_are_kept_out = texts_are_kept_out
        self._frames: deque[str] = deque(maxlen=_FRAMES_TOLD)

    def keep_texts_out(self) -> None:
        """From now on and for good, lines may hold what users wrote."""
        self._texts_are_kept_out = True

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """The server's two outputs are read to their ends, each in a thread, so that it never waits for us."""
        assert process.stdout is not None
        assert process.stderr is not None
        threading.Thread(target=self._read, args=(process.stdout, self.take_output), daemon=True).start()
        threading.Thread(target=self._read, args=(process.stderr, self.take_error), daemon=True).start()

    def _read(self, pipe: IO[bytes], take: Callable[[str], None]) -> None:
        with pipe:
            while line := pipe.readline(_LONGEST_LINE_BYTES):
                take(line.decode(errors="replace").rstrip())

    def take_output(self, line: str) -> None:
        if line and not self._texts_are_kept_out:
            log.info("voice_server_says", text=line[:_LONGEST_TEXT])

    def take_error(self, line: str) -> None:
        """An exception is told with where it was raised, never with its message: that may quote a text."""
        if frame := _FRAME.match(line):
            self._frames.append(f"{frame[1]}:{frame[2]} {frame[3]}")
        elif exception := _EXCEPTION.match(line):
            log.error("voice_server_error", error=exception[1], at=list(self._frames))
            self._frames.clear()
        if line and not self._texts_are_kept_out:
            log.info("voice_server_says", text=line[:_LONGEST_TEXT])

"""Models are built at their first use, which several threads of a new process may have at once."""

import subprocess
import sys

from local.addresses import ROOT

_THREADS_AT_ONCE = """
import sys
sys.path[:0] = sys.argv[1:]
from datetime import UTC, datetime
from threading import Barrier, Thread
from contracts.video_job import VideoJob

line, found = Barrier(16), []
fields = {
    "jobId": "1" * 32, "scriptId": "s", "userId": "ann", "title": "Tea", "priceTokens": 1, "backgroundVideo": "sea.mp4",
    "createdAt": datetime.now(UTC), "deadlineAt": datetime.now(UTC),
}

def read():
    line.wait()
    found.append(VideoJob.model_validate(fields).job_id)

threads = [Thread(target=read) for _ in range(16)]
for each in threads: each.start()
for each in threads: each.join()
print(len(found))
"""


def test_sixteen_threads_read_the_first_document_at_once() -> None:
    argv = [sys.executable, "-W", "error", "-c", _THREADS_AT_ONCE, str(ROOT), str(ROOT / "functions")]
    for _ in range(5):
        answered = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert (answered.stdout.strip(), answered.stderr) == ("16", "")

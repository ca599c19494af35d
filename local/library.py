"""Puts background videos into the local cloud's bucket, as an admin does in the cloud, and waits for what comes of it.

python -m local.library VIDEO...      with the local cloud's environment (python -m local.cloud environment)
"""

import sys
import time
from pathlib import Path

from local.addresses import BUCKET, PROJECT_ID, ROOT

sys.path.insert(0, str(ROOT / "functions"))

from google.cloud.firestore import Client as FirestoreClient
from google.cloud.storage import Client as StorageClient

from contracts.background import BackgroundStatus, BackgroundVideo, background_id
from contracts.media_paths import background_object

_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.2


class Library:
    """The library of the local cloud."""

    def __init__(self) -> None:
        self._bucket = StorageClient(project=PROJECT_ID).bucket(BUCKET)
        self._db = FirestoreClient(project=PROJECT_ID)

    def find(self, name: str) -> BackgroundVideo | None:
        fields = self._db.document("backgrounds", background_id(name)).get().to_dict()
        return BackgroundVideo.model_validate(fields) if fields else None

    def put(self, path: Path) -> int:
        """The file is in the library's folder; the answer is its generation."""
        blob = self._bucket.blob(background_object(path.name))
        blob.upload_from_filename(str(path), content_type="video/mp4")
        return int(blob.generation)

    def wait_for(self, name: str, generation: int, *, until: float) -> BackgroundVideo:
        """What became of that content of the file. Raises TimeoutError past `until` on the monotonic clock."""
        while (found := self.find(name)) is None or found.source_generation < generation:
            if time.monotonic() > until:
                raise TimeoutError(f"nothing became of {name}: see the logs of storage, firebase and gpu_runner")
            time.sleep(_POLL_SECONDS)
        return found


def main() -> int:
    library = Library()
    put: dict[str, int] = {}
    for path in map(Path, sys.argv[1:]):
        there = library.find(path.name)
        if there is None or there.status is not BackgroundStatus.LISTED:
            put[path.name] = library.put(path)
    until = time.monotonic() + _PATIENCE_SECONDS
    refused = False
    for name, generation in put.items():
        found = library.wait_for(name, generation, until=until)
        if found.status is BackgroundStatus.LISTED:
            print(f"  background {name} is in the library")
        else:
            refused = True
            print(f"  background {name} is {found.status}: {found.reason}", file=sys.stderr)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())

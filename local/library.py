"""Puts background videos into the local cloud's bucket and catalogue, as an admin does in the cloud.

python -m local.library VIDEO...      with the local cloud's environment (python -m local.cloud environment)
"""

import json
import subprocess
import sys
from pathlib import Path

from local.addresses import BUCKET, PROJECT_ID, ROOT

sys.path.insert(0, str(ROOT / "functions"))

from google.cloud.firestore import Client as FirestoreClient
from google.cloud.storage import Client as StorageClient

from contracts.media_paths import background_object
from videos.backgrounds import BackgroundVideo


def add_background(path: Path, name: str) -> None:
    """The video is in the bucket and in the catalogue under that name. Raises ValueError when it is no video."""
    width, height, duration_seconds = measure_video(path)
    entry = BackgroundVideo(
        name=name,
        object_name=background_object(name),
        duration_seconds=duration_seconds,
        width=width,
        height=height,
    )
    bucket = StorageClient(project=PROJECT_ID).bucket(BUCKET)
    bucket.blob(entry.object_name).upload_from_filename(str(path), content_type="video/mp4")
    FirestoreClient(project=PROJECT_ID).document("backgrounds", name).set(entry.to_document())


def measure_video(path: Path) -> tuple[int, int, float]:
    """Width and height in pixels, and the length in seconds. Raises ValueError when the file is no video."""
    argv = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height"]
    argv += ["-show_entries", "format=duration", "-of", "json", str(path)]
    probed = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        found = json.loads(probed.stdout)
        stream = found["streams"][0]
        return int(stream["width"]), int(stream["height"]), float(found["format"]["duration"])
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{path} is no video that FFmpeg reads") from error


def has_background(name: str) -> bool:
    return bool(FirestoreClient(project=PROJECT_ID).document("backgrounds", name).get().exists)


def main() -> None:
    for argument in sys.argv[1:]:
        path = Path(argument)
        if not has_background(path.name):
            add_background(path, path.name)
            print(f"  background {path.name} is in the library")


if __name__ == "__main__":
    main()

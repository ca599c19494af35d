"""A client that was generated from the API document makes a video through port 8000."""

import json
from typing import Any

from local.cloud import LocalCloud
from local.demo import CharacterFiles
from tests.clients.typescript import BUILD, FOLDER, compiled, run_node, write_types


def test_a_generated_client_makes_a_video(
    cloud: LocalCloud, background: str, character_files: tuple[CharacterFiles, CharacterFiles]
) -> None:
    write_types()
    assert compiled(FOLDER) == ""
    files = character_files[0]

    done = run_node(BUILD / "main_job.mjs", cloud.base_url, background, str(files.recording), str(files.pictures[0]))

    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["status"], told["contentType"]) == ("completed", "video/mp4")

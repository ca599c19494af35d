"""A user with two characters, whose voices and pictures are told apart by measuring, and a plain background."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from google.cloud.firestore import Client as FirestoreClient
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport

from local.addresses import HOST, PROJECT_ID
from local.cloud import LocalCloud
from local.demo import CharacterFiles
from local.samples import VOICES, make_mp3, make_recording
from tests.end_to_end.client import App, Books, Cast, VoiceServer
from tests.media import write_background, write_picture

if TYPE_CHECKING:
    Colour = tuple[int, int, int]

PICTURE_COLOURS: "tuple[tuple[Colour, ...], tuple[Colour, ...]]" = (
    ((220, 30, 30), (230, 120, 20)),
    ((30, 30, 220),),
)
"""Each character's pictures, in their order."""


@pytest.fixture(scope="session")
def background(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name in the library of a plain green video with a tone, which no finished video may let hear."""
    path = write_background(tmp_path_factory.mktemp("library") / "plain_green.mp4", seconds=3, size="270x480")
    argv = [sys.executable, "-m", "local.library", str(path)]
    subprocess.run(argv, cwd=cloud.root, env=os.environ | cloud.env, check=True, timeout=60)
    return path.name


@pytest.fixture(scope="session")
def character_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[CharacterFiles, CharacterFiles]:
    """A low voice as WAV with two pictures, and a high one as MP3 with one."""
    folder = tmp_path_factory.mktemp("characters")
    recordings = [folder / "low.wav", folder / "high.wav"]
    for voice, recording in zip(VOICES.values(), recordings, strict=True):
        make_recording(voice, recording)
    make_mp3(recordings[1], folder / "high.mp3")
    low, high = VOICES.values()
    return (
        CharacterFiles("Ada", recordings[0], _pictures(folder, 0), low.text),
        CharacterFiles("Ben", folder / "high.mp3", _pictures(folder, 1), high.text),
    )


def _pictures(folder: Path, character: int) -> list[Path]:
    colours = PICTURE_COLOURS[character]
    return [write_picture(folder / f"{character}_{key}.png", colour) for key, colour in enumerate(colours)]


@pytest.fixture(scope="session")
def new_cast(cloud: LocalCloud, character_files: tuple[CharacterFiles, CharacterFiles]) -> Callable[[], Cast]:
    """A function that signs up a user and makes its two characters."""

    def make() -> Cast:
        app = App(cloud.base_url)
        user_id = app.sign_up()["user"]["id"]
        first, second = (app.create_character(files)["id"] for files in character_files)
        return Cast(app, user_id, (first, second))

    return make


@pytest.fixture(scope="session")
def stranger(cloud: LocalCloud) -> App:
    """Another user."""
    app = App(cloud.base_url)
    app.sign_up()
    return app


@pytest.fixture(scope="session")
def voice(cloud: LocalCloud) -> VoiceServer:
    return VoiceServer(cloud.ports.url("voice"))


@pytest.fixture(scope="session")
def books(cloud: LocalCloud) -> Books:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FIRESTORE_EMULATOR_HOST", cloud.env["FIRESTORE_EMULATOR_HOST"])
        return Books(FirestoreClient(project=PROJECT_ID))


@pytest.fixture(scope="session")
def tasks(cloud: LocalCloud) -> Iterator[CloudTasksClient]:
    """The queue's own client."""
    channel = grpc.insecure_channel(f"{HOST}:{cloud.ports.tasks_grpc}")
    yield CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
    channel.close()

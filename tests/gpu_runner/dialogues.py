"""Dialogues of tones, with pictures of one colour, to be encoded in one piece or in several."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gpu_runner.composition import BACKGROUND_FORMATS, Scene
from gpu_runner.encoders import VideoEncoder
from gpu_runner.encoding import EncodedVideo, Encoding
from gpu_runner.ffmpeg import measure_video_seconds
from gpu_runner.soundtrack import LineAudio, join_lines, normalise_line
from gpu_runner.timeline import FRAME_RATE_HZ, SpokenLine, Timeline, build_timeline
from tests.media import tone, write_background, write_picture, write_wav

DRAFT = VideoEncoder(  # for what does not depend on the encoder
    name="libx264",
    options=("-c:v", "libx264", "-preset", "ultrafast", "-crf", "35", "-pix_fmt", "yuv420p"),
)
COLOURS = {"ada": [(220, 30, 30), (230, 120, 20)], "bob": [(30, 30, 220)], "cyd": [(200, 20, 200)]}
BACKGROUND_COLOUR = (32, 128, 32)


@dataclass(frozen=True, slots=True)
class Work:
    """A dialogue whose files lie in one folder."""

    folder: Path
    lines: tuple[SpokenLine, ...]
    soundtrack: Path
    scene: Scene

    @property
    def timeline(self) -> Timeline:
        return self.timeline_of(len(self.lines))

    def timeline_of(self, line_count: int) -> Timeline:
        """That of so many lines from the first one on."""
        counts = {speaker: len(files) for speaker, files in self.scene.pictures.items()}
        return build_timeline(self.lines[:line_count], picture_counts=counts)

    def starting_at(self, seconds: float) -> "Work":
        """The same with another start in the background."""
        return replace(self, scene=replace(self.scene, start_frame=int(seconds * FRAME_RATE_HZ)))


def prepare(folder: Path, lines: Sequence[tuple[str, str, float]], *, background: Path | None = None) -> Work:
    """Each line is a speaker, a text and the seconds of its sound. The background begins after 1.3 s."""
    paths: list[Path] = []
    spoken: list[SpokenLine] = []
    normalised: dict[float, LineAudio] = {}
    for speaker, text, seconds in lines:
        if seconds not in normalised:
            voice = write_wav(folder / "voice.wav", tone(seconds, sample_rate_hz=24_000), sample_rate_hz=24_000)
            normalised[seconds] = normalise_line(voice, folder / f"line-{seconds}.wav")
        line = normalised[seconds]
        paths.append(line.path)
        spoken.append(SpokenLine(speaker=speaker, text=text, sample_count=line.sample_count, voiced=line.voiced))
    pictures = {
        speaker: [
            write_picture(folder / f"{speaker}-%d-{index}.png", colour)
            for index, colour in enumerate(COLOURS.get(speaker, []))
        ]
        for speaker in {line.speaker for line in spoken}
    }
    background = background or write_background(folder / "background.mp4", seconds=2)
    scene = Scene(
        pictures=pictures,
        background=background,
        background_seconds=measure_video_seconds(background, formats=BACKGROUND_FORMATS),
        start_frame=39,
    )
    work = Work(folder=folder, lines=tuple(spoken), soundtrack=folder / "all.wav", scene=scene)
    join_lines(paths, work.timeline, work.soundtrack)
    return work


def encode(work: Work, *, encoder: VideoEncoder = DRAFT, name: str = "encoding") -> EncodedVideo:
    """The video of all lines in one piece."""
    with encoding_of(work, encoder=encoder, name=name) as encoding:
        return encoding.finish(work.timeline, work.soundtrack, on_progress=lambda _: None)


def encoding_of(work: Work, *, encoder: VideoEncoder = DRAFT, name: str = "encoding") -> Encoding:
    """The work's encoding, which has two minutes and is stopped by nobody."""
    folder = work.folder / name
    folder.mkdir()
    return Encoding(work.scene, folder, encoder=encoder, check=lambda: None, ends_at=time.monotonic() + 120)

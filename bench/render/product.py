"""What the benchmark asks of gpu_runner: everything that calls the product stands here."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_runner.captions import CAPTION_BASELINE_Y, VIDEO_HEIGHT, VIDEO_WIDTH, Caption, captions_of, write_captions
from gpu_runner.composition import (
    BACKGROUND_FORMATS,
    COVER,
    PICTURE_HEIGHT,
    PICTURE_MARGIN,
    PICTURE_WIDTH,
    Piece,
    Scene,
    Sound,
    join_argv,
    list_pieces,
    piece_argv,
    place_background,
)
from gpu_runner.encoders import NVENC, X264, VideoEncoder, encodes_a_frame
from gpu_runner.encoding import Encoding
from gpu_runner.ffmpeg import measure_video_seconds, run_ffmpeg
from gpu_runner.fonts import installed_fonts
from gpu_runner.soundtrack import join_lines, normalise_line
from gpu_runner.timeline import FRAME_RATE_HZ, Segment, Side, SpokenLine, Timeline, build_timeline

__all__ = [
    "CAPTION_BASELINE_Y",
    "COVER",
    "FRAME_RATE_HZ",
    "LOSSLESS",
    "PICTURE_HEIGHT",
    "PICTURE_MARGIN",
    "PICTURE_WIDTH",
    "VIDEO_HEIGHT",
    "VIDEO_WIDTH",
    "Caption",
    "Film",
    "Recording",
    "Segment",
    "Side",
    "VideoEncoder",
    "compose",
    "compose_by_line",
    "encoder_of",
    "prepare",
]

START_SECONDS = 3.0
_PATIENCE_SECONDS = 3600

# Every pixel of the graph as it is, for a reference.
LOSSLESS = VideoEncoder(
    name="lossless", options=("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-pix_fmt", "yuv420p")
)


@dataclass(frozen=True)
class Recording:
    """A line as the voice hands it over."""

    speaker: str
    text: str
    path: Path


@dataclass(frozen=True)
class Film:
    """A dialogue that is ready to be composed."""

    timeline: Timeline
    sound: Path
    scene: Scene

    @property
    def background(self) -> Path:
        return self.scene.background

    @property
    def start_seconds(self) -> float:
        """Where in the background the film begins."""
        return self.scene.start_frame / FRAME_RATE_HZ

    @property
    def seconds(self) -> float:
        return self.timeline.duration_seconds

    @property
    def frame_count(self) -> int:
        return self.timeline.frame_count

    @property
    def line_count(self) -> int:
        return len(self.timeline.segments)

    def shown_pictures(self) -> list[tuple[Path, Segment]]:
        """Each line's picture, and the line, which says the side and the frames."""
        return [
            (self.scene.pictures[segment.speaker][segment.picture_index], segment)
            for segment in self.timeline.segments
            if segment.picture_index is not None
        ]

    def shown_captions(self) -> list[Caption]:
        fonts = installed_fonts()
        return [caption for segment in self.timeline.segments for caption in captions_of(segment, fonts)]


def encoder_of(name: str) -> VideoEncoder:
    """The product's encoder of this name. Ends the command with a sentence where it does not work."""
    encoder = {NVENC.name: NVENC, X264.name: X264}[name]
    if not encodes_a_frame(encoder):
        raise SystemExit(f"This machine's FFmpeg cannot encode with {name}: nothing was measured.")
    return encoder


def prepare(
    recordings: Sequence[Recording], pictures: Mapping[str, Sequence[Path]], background: Path, folder: Path
) -> Film:
    """All that comes before the picture: loudness, timeline, soundtrack. Its files are made in `folder`."""
    folder.mkdir()
    spoken = [normalise_line(each.path, folder / f"line_{index}.wav") for index, each in enumerate(recordings)]
    lines = [
        SpokenLine(speaker=each.speaker, text=each.text, sample_count=audio.sample_count, voiced=audio.voiced)
        for each, audio in zip(recordings, spoken, strict=True)
    ]
    timeline = build_timeline(lines, picture_counts={speaker: len(paths) for speaker, paths in pictures.items()})
    sound = folder / "sound.wav"
    join_lines([audio.path for audio in spoken], timeline, sound)
    seconds = measure_video_seconds(background, formats=BACKGROUND_FORMATS)
    start = place_background(START_SECONDS, background_seconds=seconds, video_seconds=timeline.duration_seconds)
    if start / FRAME_RATE_HZ + timeline.duration_seconds >= seconds:
        raise SystemExit(f"The background lasts {seconds:.0f} s, which is too short for one without a seam.")
    scene = Scene(pictures=pictures, background=background, background_seconds=seconds, start_frame=start)
    return Film(timeline, sound, scene)


def compose(film: Film, target: Path, encoder: VideoEncoder) -> None:
    """What the runner does with a film whose lines are all there. Raises SystemExit if another encoder stepped in."""
    ends_at = time.monotonic() + _PATIENCE_SECONDS
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        with Encoding(film.scene, Path(folder), encoder=encoder, check=lambda: None, ends_at=ends_at) as encoding:
            video = encoding.finish(film.timeline, film.sound, on_progress=lambda _: None)
        if video.encoder != encoder.name:
            raise SystemExit(f"{encoder.name} failed on the way, and {video.encoder} stepped in: nothing to compare.")
        video.path.replace(target)


def compose_by_line(film: Film, target: Path, encoder: VideoEncoder) -> None:
    """What the runner does with a new film at worst: each line is encoded when it is spoken, a piece of its own."""
    segments = film.timeline.segments
    ends = [*(segment.start_frame for segment in segments[1:]), film.frame_count]
    pieces: list[Piece] = []
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        listed, aac = Path(folder) / "pieces.txt", Path(folder) / "sound.m4a"
        paths = [listed.with_name(f"piece_{index}.mp4") for index in range(len(segments))]
        for path, segment, end in zip(paths, segments, ends, strict=True):
            piece = Piece(segments=(segment,), start_frame=pieces[-1].end_frame if pieces else 0, end_frame=end)
            pieces.append(piece)
            captions = path.with_suffix(".ass")
            write_captions(piece.segments, installed_fonts(), captions)
            sound = Sound(film.sound, aac) if path is paths[-1] else None
            argv = piece_argv(film.scene, piece, path, captions=captions, encoder=encoder, sound=sound)
            run_ffmpeg(argv, total_frames=piece.frame_count, timeout_seconds=_PATIENCE_SECONDS)
        listed.write_text(list_pieces([(path, piece.frame_count) for path, piece in zip(paths, pieces, strict=True)]))
        run_ffmpeg(join_argv(listed, aac, target), total_frames=film.frame_count, timeout_seconds=_PATIENCE_SECONDS)

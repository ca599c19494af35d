"""The FFmpeg commands that make the video: the picture of some lines in one pass, then all of them with the sound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpu_runner.captions import VIDEO_HEIGHT, VIDEO_WIDTH
from gpu_runner.encoders import VideoEncoder
from gpu_runner.ffmpeg import GLOBAL_OPTIONS, PROTOCOLS, escape_filter_value
from gpu_runner.timeline import FRAME_RATE_HZ, SAMPLE_RATE_HZ, Segment, Side

BACKGROUND_FORMATS = "mov,matroska"
PICTURE_WIDTH = 720  # the box that a picture is fitted into
PICTURE_HEIGHT = 860
PICTURE_MARGIN = 30
AI_NOTICE = "AI-generated content: the voices, the dialogue and this video were made by artificial intelligence."
# A background that is longer than the video by this much is never looped: its starts differ enough without.
SEAMLESS_SLACK_SECONDS = 10.0
# IPTC's term for media that a trained model made in part.
AI_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"

_FRAMES_PER_TENTH = FRAME_RATE_HZ // 10

# What is shown of a background: its middle, as large as the video. Scaling is dear: what brings the frames to the
# video's rate comes before it.
COVER = (
    "scale=trunc(iw*sar/2)*2:ih,"
    f"scale={VIDEO_WIDTH}:{VIDEO_HEIGHT}:force_original_aspect_ratio=increase,crop={VIDEO_WIDTH}:{VIDEO_HEIGHT},"
    "setsar=1,format=yuv420p"
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the lines of a video are shown with. All files exist; none is changed."""

    pictures: Mapping[str, Sequence[Path]]
    """Each speaker's PNG pictures, as many as the timeline was built with."""
    background: Path
    background_seconds: float
    start_frame: int
    """Where in the background the video begins, in frames of the video."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive lines, and the frames of the video that show them and the pauses after them, the end excluded."""

    segments: tuple[Segment, ...]
    start_frame: int
    end_frame: int

    @property
    def frame_count(self) -> int:
        return self.end_frame - self.start_frame


@dataclass(frozen=True, slots=True)
class Sound:
    """The whole video's sound: a WAV file, and the AAC file that is made of it."""

    wav: Path
    aac: Path


@dataclass(frozen=True, slots=True)
class _ShownPicture:
    """One picture and the frames of its piece, ends excluded, in which it is seen."""

    path: Path
    side: Side
    frames: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    """Which part of the background a piece shows: from so many frames after a tenth of a second, or past its end."""

    seek_seconds: float
    skipped_frames: int
    wraps: bool


def place_background(start_seconds: float, *, background_seconds: float, video_seconds: float) -> int:
    """The frame of the background in which a video that is about so long begins, for a start from 0 up.

    The start is folded into the background so that the video ends before it does, or, where there is too little of it,
    anywhere: then it goes on from its own beginning.
    """
    # Half a second is left at the end, where a file's stated length and its last frame may disagree.
    slack_seconds = background_seconds - video_seconds - 0.5
    foldable_seconds = slack_seconds if slack_seconds >= SEAMLESS_SLACK_SECONDS else background_seconds
    return int(start_seconds % foldable_seconds * FRAME_RATE_HZ)


def piece_argv(
    scene: Scene, piece: Piece, output: Path, *, captions: Path, encoder: VideoEncoder, sound: Sound | None
) -> list[str]:
    """The command that writes the piece's picture to `output`, an MP4 file without sound. Reads nothing.

    With `sound` it makes that beside it: whoever encodes the last piece waits for no second process then.
    """
    shown = _shown_pictures(scene, piece)
    cut = _cut(scene, piece)
    # A PNG file is decoded once and its only frame is kept by the overlay; `-loop 1` would cost a fifth more.
    pictures = [
        option
        for picture in shown
        for option in (
            *("-threads", "1", *PROTOCOLS, "-format_whitelist", "png_pipe", "-f", "png_pipe"),
            *("-i", str(picture.path.absolute())),
        )
    ]
    background = (*PROTOCOLS, "-format_whitelist", BACKGROUND_FORMATS, "-an", "-sn", "-dn")
    background_file = ("-i", str(scene.background.absolute()))
    graph = _graph(piece, shown, cut, captions)
    inputs = [
        *pictures,
        # Tenths of seconds are whole frames and whole microseconds, which leave every frame where it is.
        *(*background, "-ss", f"{cut.seek_seconds:.1f}", *background_file),
        # `-stream_loop` with `-ss` repeats from the key frame before the start instead of from the file's beginning,
        # so what follows the wrap is an input of its own.
        *((*background, "-stream_loop", "-1", *background_file) if cut.wraps else ()),
    ]
    outputs = [
        *("-map", "[video]", *encoder.options, *_key_frames(piece), "-map_metadata", "-1", "-map_chapters", "-1"),
        # In frames, so that what joins the pieces counts without rounding.
        *("-video_track_timescale", str(FRAME_RATE_HZ), "-f", "mp4", str(output.absolute())),
    ]
    if sound:
        graph += f";[{len(shown) + 1 + cut.wraps}:a:0]pan=stereo|c0=c0|c1=c0[sound]"
        inputs += [*PROTOCOLS, "-format_whitelist", "wav", "-f", "wav", "-i", str(sound.wav.absolute())]
        outputs = [
            *("-map", "[sound]", "-c:a", "aac", "-b:a", "160k", "-ar", str(SAMPLE_RATE_HZ)),
            *("-f", "mp4", str(sound.aac.absolute()), *outputs),
        ]
    return [
        *("ffmpeg", *GLOBAL_OPTIONS, "-progress", "pipe:1", "-nostats"),
        *(*inputs, "-filter_complex", graph, *outputs),
    ]


def list_pieces(paths_and_frames: Sequence[tuple[Path, int]]) -> str:
    """What join_argv reads: the files, which lie beside the list, and how many frames each has."""
    entries = [f"file {path.name}\nduration {count / FRAME_RATE_HZ:.6f}\n" for path, count in paths_and_frames]
    return "ffconcat version 1.0\n" + "".join(entries)


def join_argv(pieces: Path, sound: Path, output: Path) -> list[str]:
    """The command that writes the video to `output`, an MP4 file whatever its name; no picture is encoded anew."""
    return [
        *("ffmpeg", *GLOBAL_OPTIONS, *PROTOCOLS, "-format_whitelist", f"concat,{BACKGROUND_FORMATS}"),
        *("-f", "concat", "-i", str(pieces.absolute())),
        *(*PROTOCOLS, "-format_whitelist", BACKGROUND_FORMATS, "-i", str(sound.absolute())),
        *("-map", "0:v:0", "-map", "1:a:0", "-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-metadata", f"comment={AI_NOTICE}", "-metadata", f"description={AI_SOURCE_TYPE}"),
        *("-movflags", "+faststart", "-f", "mp4", str(output.absolute())),
    ]


def _key_frames(piece: Piece) -> tuple[str, ...]:
    """Every line begins with one, whichever piece it is in: pieces and the whole in one are then encoded alike."""
    starts = [segment.start_frame - piece.start_frame for segment in piece.segments[1:]]
    return ("-force_key_frames", ",".join(f"{start / FRAME_RATE_HZ:.6f}" for start in starts)) if starts else ()


def _cut(scene: Scene, piece: Piece) -> _Cut:
    at_seconds = (scene.start_frame + piece.start_frame) / FRAME_RATE_HZ % scene.background_seconds
    first_frame = round(at_seconds * FRAME_RATE_HZ)
    # Half a second is left at the end, where a file's stated length and its last frame may disagree.
    frames_left = int((scene.background_seconds - 0.5) * FRAME_RATE_HZ) - first_frame
    # A tenth of a second or two earlier, so that the background's frame before it is known too.
    seek_tenths = max(first_frame // _FRAMES_PER_TENTH - 1, 0)
    return _Cut(
        seek_seconds=seek_tenths / 10,
        skipped_frames=first_frame - seek_tenths * _FRAMES_PER_TENTH,
        wraps=piece.frame_count > frames_left,
    )


def _shown_pictures(scene: Scene, piece: Piece) -> list[_ShownPicture]:
    """One entry per picture, so that the graph grows with the pictures and not with the lines."""
    frames: dict[tuple[Path, Side], list[tuple[int, int]]] = {}
    for segment in piece.segments:
        if segment.picture_index is not None:
            path = scene.pictures[segment.speaker][segment.picture_index]
            shown = (segment.start_frame - piece.start_frame, segment.end_frame - piece.start_frame)
            frames.setdefault((path, segment.side), []).append(shown)
    return [_ShownPicture(path=path, side=side, frames=tuple(windows)) for (path, side), windows in frames.items()]


def _graph(piece: Piece, shown: Sequence[_ShownPicture], cut: _Cut, captions: Path) -> str:
    """Inputs: the shown pictures, the background, and the background once more if it wraps."""
    first_background = len(shown)
    # From time 0 on, also where the file's first frame comes later: what is skipped is counted from there.
    skipped = f"fps={FRAME_RATE_HZ}:start_time=0,trim=start_frame={cut.skipped_frames},setpts=PTS-STARTPTS"
    chains = [f"[{first_background}:v:0]{skipped},{COVER}[{'rest' if cut.wraps else 'base0'}]"]
    if cut.wraps:
        chains += [
            f"[{first_background + 1}:v:0]fps={FRAME_RATE_HZ},{COVER}[again]",
            "[rest][again]concat=n=2:v=1:a=0[base0]",
        ]
    for index, picture in enumerate(shown):
        # Formatted once here; left to FFmpeg, it would be converted for every frame.
        chains.append(
            f"[{index}:v:0]format=rgba,"
            f"scale={PICTURE_WIDTH}:{PICTURE_HEIGHT}:force_original_aspect_ratio=decrease:force_divisible_by=2"
            f":flags=lanczos:out_color_matrix=bt709,setsar=1,format=yuva420p[picture{index}]"
        )
        x = str(PICTURE_MARGIN) if picture.side is Side.LEFT else f"W-w-{PICTURE_MARGIN}"
        windows = "+".join(f"between(n,{start},{end - 1})" for start, end in picture.frames)
        chains.append(f"[base{index}][picture{index}]overlay=x={x}:y=H-h:enable='{windows}'[base{index + 1}]")
    # Not `-frames:v`: it ends the file with the last picture and drops the sound that is still in the encoder.
    # Captions are drawn at the video's times, and the piece begins at 0. Counted in whole frames: a time that is a
    # fraction is cut off, and N/30 often lies just below.
    at_video_time = f"trim=end_frame={piece.frame_count},settb=1/{FRAME_RATE_HZ},setpts=N+{piece.start_frame}"
    captions_file = escape_filter_value(str(captions.absolute()))
    chains.append(f"[base{len(shown)}]{at_video_time},ass=filename={captions_file}:shaping=complex,setpts=N[video]")
    return ";".join(chains)

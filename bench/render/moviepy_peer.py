"""The same video by MoviePy, in a process and an environment of its own; imports nothing of the product.

.local/peers-venv/bin/python bench/render/moviepy_peer.py PLAN.json TARGET.mp4
"""

import json
import sys
from pathlib import Path

from moviepy import (  # type: ignore[import-not-found, unused-ignore]
    AudioFileClip,
    CompositeVideoClip,
    ImageClip,
    TextClip,
    VideoFileClip,
)
from PIL import ImageFont


def main() -> None:
    plan = json.loads(Path(sys.argv[1]).read_text())
    rate = plan["frame_rate_hz"]
    seconds = plan["frame_count"] / rate
    ascent, _ = ImageFont.truetype(plan["font"], plan["font_pixels"]).getmetrics()
    outline = plan["outline_pixels"]
    background = VideoFileClip(plan["background"], audio=False)
    layers = [background.subclipped(plan["start_seconds"], plan["start_seconds"] + seconds)]
    for picture in plan["pictures"]:
        clip = ImageClip(picture["path"]).resized((picture["width"], picture["height"]))
        layers.append(shown(clip, picture, rate).with_position((round(picture["x"]), picture["y"])))
    for text in plan["texts"]:
        clip = TextClip(
            font=plan["font"],
            text=text["text"],
            font_size=plan["font_pixels"],
            color=text["colour"],
            stroke_color="black",
            stroke_width=outline,
            margin=(0, 0, 0, plan["font_pixels"]),  # left to itself, it cuts a line's lower half off
        )
        at = (round(text["x"]) - outline, text["y"] - ascent - outline)
        layers.append(shown(clip, text, rate).with_position(at))
    video = CompositeVideoClip(layers, size=(plan["width"], plan["height"])).with_duration(seconds)
    video.with_audio(AudioFileClip(plan["sound"])).write_videofile(
        sys.argv[2],
        fps=rate,
        codec=plan["codec"],
        audio_codec="aac",
        audio_bitrate="160k",
        audio_fps=48_000,
        temp_audiofile=f"{sys.argv[2]}.m4a",
        ffmpeg_params=[*plan["encoder_options"], "-movflags", "+faststart"],
        logger=None,
    )
    video.close()
    background.close()


def shown(clip: ImageClip, when: dict[str, int], rate: int) -> ImageClip:
    """The clip in its frames."""
    # Half a frame early: MoviePy compares seconds, and a frame's time may be rounded to either side of a bound.
    start, end = ((when[bound] - 0.5) / rate for bound in ("start_frame", "end_frame"))
    return clip.with_start(max(start, 0)).with_end(end)


if __name__ == "__main__":
    main()

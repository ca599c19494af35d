"""The peer that needs FFmpeg alone: a filter per text and a decoded picture per line, in one graph."""

import subprocess
from pathlib import Path

from bench.render.floor import COVERED, FFMPEG, background_and_sound, finish
from bench.render.plan import Plan, Shown
from bench.render.product import Film, VideoEncoder


def draw(film: Film, plan: Plan, target: Path, encoder: VideoEncoder) -> None:
    graph = target.with_suffix(".graph")
    graph.write_text(_graph(plan))
    pictures = [option for picture in plan.pictures for option in ("-i", picture.path)]
    argv = [*FFMPEG, *background_and_sound(film), *pictures, "-filter_complex_script", str(graph)]
    options = finish(film, target, encoder)
    options[options.index("-map") + 1] = "[video]"
    subprocess.run([*argv, *options], check=True)


def _graph(plan: Plan) -> str:
    chains = [f"[0:v]{COVERED}[base0]"]
    for index, picture in enumerate(plan.pictures):
        fitted = f"scale={picture.width}:{picture.height}:out_color_matrix=bt709,format=yuva420p"
        chains.append(f"[{index + 2}:v]{fitted}[picture{index}]")
        overlay = f"overlay=x={picture.x:.0f}:y={picture.y}:{_while(picture)}"
        chains.append(f"[base{index}][picture{index}]{overlay}[base{index + 1}]")
    style = (
        f"fontfile={plan.font}:fontsize={plan.font_pixels}:borderw={plan.outline_pixels}:bordercolor=black"
        ":shadowx=3:shadowy=3:shadowcolor=black@0.5:expansion=none"
    )
    texts = [
        f"drawtext={style}:text={_quoted(text.text)}:fontcolor={text.colour}"
        f":x={text.x:.0f}:y={text.y}-ascent:{_while(text)}"
        for text in plan.texts
    ]
    chains.append(f"[base{len(plan.pictures)}]{','.join(texts)}[video]")
    return ";\n".join(chains)


def _while(shown: Shown) -> str:
    return f"enable='between(n,{shown.start_frame},{shown.end_frame - 1})'"


def _quoted(text: str) -> str:
    """For a graph and then for an option; the dialogue holds none of what neither reading could take."""
    return "'" + text.replace(":", "\\:") + "'"

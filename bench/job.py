"""A job's whole time over the time of its speech and of its encode, where the voice takes as long as the encoder.

    .venv/bin/python bench/job.py

A dialogue of a minute in eight lines is rendered as the runner renders it: claimed from Firestore's emulator, spoken,
encoded, uploaded. The voice hands over lines that were made before, each after an eighth of the time that the encode
takes: as a GPU's would, it leaves the processor to the encoder. Each round encodes the bare background and a sound with
the same settings, renders a new job, and renders it again with one line edited. One thing after the other would be
above 1.
"""

import hashlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "functions")]

from google.cloud.firestore import Client
from google.cloud.storage import Bucket
from google.cloud.storage import Client as StorageClient

from bench.render.dialogue import MINUTE, record
from bench.render.floor import FFMPEG
from bench.render.ground import ground
from bench.report import machine, spread
from bench.services import services
from contracts.job_snapshot import Background, JobSnapshot, Line, Speaker
from contracts.video_job import DEADLINE, JobStatus, StepName, VideoFile, VideoJob
from gpu_runner.background import Backgrounds
from gpu_runner.composition import COVER
from gpu_runner.encoders import choose_encoder
from gpu_runner.health import RunnerHealth
from gpu_runner.interruption import POLL_SECONDS, Check
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.reports import Reports
from gpu_runner.server import Services, render_job
from gpu_runner.timeline import FRAME_RATE_HZ
from local.addresses import HOST, PROJECT_ID, Ports
from local.samples import make_samples

ROUNDS = 5
EDITED_LINE = 4
BACKGROUND = "library/ground.mp4"
# Below the ports that the kernel gives to outgoing connections.
PORTS = Ports().shifted(18_000)


@dataclass(frozen=True)
class Rendered:
    """One job's time, and what each of its steps took of it."""

    job_id: str
    seconds: float
    step_seconds: dict[StepName, float]
    video: VideoFile


@dataclass(frozen=True)
class Round:
    encode_seconds: float
    whole: Rendered
    edited: Rendered


class PacedVoice:
    """Takes its time, and then has the line that was made before."""

    voice_id = "f5-tts"

    def __init__(self, sounds: Mapping[str, Path]) -> None:
        """`sounds` are the WAV files of all texts that it will be asked for."""
        self.seconds_per_line = 0.0
        self._sounds = sounds

    def speak(  # what the line would sound like is of no account here
        self,
        text: str,
        speaker: Speaker,  # noqa: ARG002
        recording: Path,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        target: Path,
        check: Check,
    ) -> None:
        ends_at = time.monotonic() + self.seconds_per_line
        while (left := ends_at - time.monotonic()) > 0:
            check()
            time.sleep(min(left, POLL_SECONDS))
        shutil.copyfile(self._sounds[text], target)

    def transcribe(self, recording: Path, *, check: Check) -> str:
        raise NotImplementedError("every recording comes with its words")


class Studio:
    """A runner, and the media of a dialogue in its bucket."""

    def __init__(self, db: Client, bucket: Bucket, voice: PacedVoice, scratch: Path) -> None:
        self._db, self._bucket = db, bucket
        self._samples = ROOT / ".local" / "samples"
        make_samples(self._samples)
        for letter in "ab":
            for index, picture in enumerate(sorted(self._samples.glob(f"{letter}_*.png"))):
                bucket.blob(f"images/{letter}/{index}.png").upload_from_filename(str(picture))
        self.background = ground()
        bucket.blob(BACKGROUND).upload_from_filename(str(self.background), timeout=300)
        health, media = RunnerHealth("http://127.0.0.1:9/", scratch), MediaStore(bucket)
        self._services = Services(
            jobs=Jobs(db),
            backgrounds=Backgrounds(db, media, scratch),
            reports=Reports(db, health.troubles),
            health=health,
            media=media,
            voice=voice,
            scratch_root=scratch,
        )

    def speaker(self, letter: str, take: int) -> Speaker:
        """Of a recording of its own in each take, so that no line of another take is found."""
        name = f"recordings/ann/{hashlib.sha256(f'{letter}{take}'.encode()).hexdigest()[:32]}.wav"
        self._bucket.blob(name).upload_from_filename(str(self._samples / f"voice_{letter}.wav"))
        return Speaker(
            character_id=letter,
            display_name=letter,
            recording=name,
            ref_text=(self._samples / f"voice_{letter}.txt").read_text().strip(),
            pictures=tuple(
                f"images/{letter}/{index}.png" for index in range(len(list(self._samples.glob(f"{letter}_*.png"))))
            ),
            speed=1.0,
            nfe_steps=32,
            cross_fade_duration=0.15,
            remove_silences=False,
        )

    def render(self, take: int, texts: Sequence[str], job_id: str) -> Rendered:
        """The job of this id, from its claim to its completion."""
        now = datetime.now(UTC)
        speakers = tuple(self.speaker(letter, take) for letter in "ab")
        lines = tuple(Line(speaker=line.speaker, text=text) for line, text in zip(MINUTE, texts, strict=True))
        job = VideoJob(
            job_id=job_id,
            script_id="script",
            user_id="ann",
            title="The tide",
            price_tokens=1,
            background_video="ground.mp4",
            created_at=now,
            deadline_at=now + DEADLINE,
            check_at=now + timedelta(minutes=1),
        )
        background = Background(name="ground.mp4", object_name=BACKGROUND, duration_seconds=84.0)
        snapshot = JobSnapshot(job_id=job_id, user_id="ann", lines=lines, speakers=speakers, background=background)
        dialogue = [{"speaker": line.speaker, "text": line.text, "audioObject": None} for line in lines]
        self._db.document("videoJobs", job_id).set(job.to_document())
        self._db.document("videoJobSnapshots", job_id).set(snapshot.to_document())
        self._db.document("scripts", "script").set({"ownerId": "ann", "dialogue": dialogue, "video": None})
        for each in speakers:  # a video of a character that is gone is cancelled
            recording = {"objectName": each.recording, "refText": each.ref_text}
            self._db.document("characters", each.character_id).set({"recording": recording})
        began = time.monotonic()
        outcome = render_job(self._services, job_id)
        seconds = time.monotonic() - began
        stored = VideoJob.model_validate(self._db.document("videoJobs", job_id).get().to_dict())
        if outcome[0] is not JobStatus.COMPLETED or stored.video is None:
            raise SystemExit(f"The job was not completed: {outcome}, {stored.error_code}")
        if stored.encoder != choose_encoder().name:
            raise SystemExit(f"{stored.encoder} stepped in for {choose_encoder().name}: nothing to compare.")
        step_seconds = {
            step.step_name: (step.completed_at - step.started_at).total_seconds()
            for step in stored.steps
            if step.completed_at and step.started_at
        }
        return Rendered(job_id, seconds, step_seconds, stored.video)

    def fetch(self, rendered: Rendered, target: Path) -> Path:
        self._bucket.blob(rendered.video.object_name).download_to_filename(str(target))
        return target

    def forget(self, rendered: Rendered) -> None:
        """The job's name is free for another video."""
        self._bucket.blob(rendered.video.object_name).delete()


def encode_seconds(background: Path, seconds: float, target: Path) -> float:
    """How long it takes to encode as much of the bare background, and of any sound, as the video is long."""
    argv = [
        *FFMPEG,
        "-i",
        str(background),
        "-f",
        "lavfi",
        "-i",
        "anoisesrc=a=0.1:r=48000",
        "-map",
        "0:v",
        "-map",
        "1:a",
    ]
    argv += [
        "-vf",
        f"fps={FRAME_RATE_HZ},{COVER}",
        *choose_encoder().options,
        "-c:a",
        "aac",
        "-b:a",
        "160k",
        "-ac",
        "2",
    ]
    began = time.monotonic()
    subprocess.run([*argv, "-t", f"{seconds:.3f}", "-f", "mp4", str(target)], check=True)
    return time.monotonic() - began


TEXTS = [line.text for line in MINUTE]
EDITED_TEXTS = [f"{text} Really." if index == EDITED_LINE else text for index, text in enumerate(TEXTS)]


def paced_voice(folder: Path) -> PacedVoice:
    """One that knows the dialogue before and after the edit."""
    again = replace(MINUTE[EDITED_LINE], text=EDITED_TEXTS[EDITED_LINE])
    return PacedVoice({each.text: each.path for each in record([*MINUTE, again], folder)})


def likeness(studio: Studio, rendered: Rendered, take: int, scratch: Path) -> list[float]:
    """Each frame's SSIM to that of the same job in one piece, for which every line is there."""
    pieces = studio.fetch(rendered, scratch / "pieces.mp4")
    studio.forget(rendered)
    one = studio.fetch(studio.render(take, TEXTS, rendered.job_id), scratch / "one.mp4")
    argv = [*FFMPEG, "-i", str(pieces), "-i", str(one), "-filter_complex", "ssim=stats_file=-", "-f", "null", "-"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [float(value) for value in re.findall(r"All:([\d.]+)", said)]


def measure(studio: Studio, voice: PacedVoice, scratch: Path) -> tuple[list[Round], list[float]]:
    """The rounds, and how like the last video of pieces is to one of one piece, frame by frame."""
    seconds = studio.render(0, TEXTS, f"{0:032x}").video.duration_seconds
    rounds = []
    for take in range(1, ROUNDS + 1):
        encode = encode_seconds(studio.background, seconds, scratch / "bare.mp4")
        voice.seconds_per_line = encode / len(TEXTS)
        whole = studio.render(take, TEXTS, f"{take:032x}")
        again = studio.render(take, EDITED_TEXTS, f"{take + 100:032x}")
        rounds.append(Round(encode, whole, again))
        print(
            f"  round {take} of {ROUNDS}: encode and speech {encode:.1f} s each, job {whole.seconds:.1f} s,"
            f" edited {again.seconds:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    return rounds, likeness(studio, rounds[-1].whole, ROUNDS, scratch)


def report(rounds: list[Round], alike: list[float]) -> None:
    video = rounds[0].whole.video
    sums = [2 * each.encode_seconds for each in rounds]  # the speech was made to take as long
    jobs = {
        "a new job": [each.whole for each in rounds],
        "one line edited": [each.edited for each in rounds],
    }
    print("## From the claim to the file\n")
    print(
        f"{machine()}, {choose_encoder().name}; {video.duration_seconds:.1f} s of video in {len(MINUTE)} lines,"
        f" {ROUNDS} rounds."
    )
    print(
        f"The bare background and a sound are encoded in {spread((each.encode_seconds for each in rounds), 1)} s, and"
        " the voice takes as long.\n"
    )
    print("| | whole job over speech + encode | seconds | " + " | ".join(StepName) + " |")
    print("|---|---:|---:|" + "---:|" * len(StepName))
    for name, rendered in jobs.items():
        ratios = [each.seconds / total for each, total in zip(rendered, sums, strict=True)]
        shares = [
            f"{statistics.median(each.step_seconds[step] / each.seconds for each in rendered):.0%}" for step in StepName
        ]
        print(
            f"| {name} | {spread(ratios)} | {spread((each.seconds for each in rendered), 1)} | {' | '.join(shares)} |"
        )
    print(
        "\nThe steps' columns are their shares of the job. While lines are spoken (audio_generation), those before them"
        " are encoded;\nthe last step is what is left of the encode then, and the upload. The video of many pieces is"
        f" like the same one encoded\nin one piece: SSIM {statistics.mean(alike):.4f}, of the worst frame"
        f" {min(alike):.4f}."
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        scratch, runner = Path(folder), Path(folder) / "runner"
        runner.mkdir()
        voice = paced_voice(scratch / "voice")
        with services(PORTS, scratch):
            os.environ["FIRESTORE_EMULATOR_HOST"] = f"{HOST}:{PORTS.firestore}"
            os.environ["STORAGE_EMULATOR_HOST"] = PORTS.url("storage")
            bucket = StorageClient(project=PROJECT_ID).create_bucket("job-benchmark")
            studio = Studio(Client(project=PROJECT_ID), bucket, voice, runner)
            report(*measure(studio, voice, scratch))


if __name__ == "__main__":
    main()

"""One render: the five steps in order, resumable at any line."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from contracts import log
from contracts.job_snapshot import JobSnapshot, Line, Speaker, line_digest, line_seed
from contracts.media_paths import line_object, video_object
from contracts.video_job import JobStatus, StepName, VideoFile, VideoJob
from gpu_runner.captions import write_captions
from gpu_runner.composition import ComposedVideo, Composition, compose_video
from gpu_runner.encoders import choose_encoder
from gpu_runner.errors import HopelessError, RenderError, TransientError, attempts_used_up
from gpu_runner.ffmpeg import FfmpegError
from gpu_runner.fonts import installed_fonts
from gpu_runner.heartbeat import Heartbeat
from gpu_runner.interruption import Result, Shutdown, interruptible
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.progress import Progress, Report
from gpu_runner.soundtrack import LineAudio, UnusableLineError, join_lines, normalise_line
from gpu_runner.timeline import SpokenLine, Timeline, build_timeline
from gpu_runner.voice import Voice

# A render must end within Cloud Tasks' 1,800 s; the difference is for upload and the last transaction.
RENDER_SECONDS = 1650.0


@dataclass(frozen=True)
class _Line:
    """A dialogue line and the audio object that its digest names."""

    line: Line
    speaker: Speaker
    digest: str
    audio_object: str


@dataclass(frozen=True)
class _Attempt:
    """What an attempt may still do: it has a lease, until `ends_at` on the monotonic clock, in a process that stays."""

    heartbeat: Heartbeat
    shutdown: Shutdown
    ends_at: float

    def check(self) -> None:
        """Raises LeaseLostError, ShutdownError and, when the time is up, TransientError."""
        self.heartbeat.check()
        self.shutdown.check()
        if self.seconds_left <= 0:
            raise TransientError("the attempt's time is up", at_last=attempts_used_up())

    def awaited(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, unless check raises first. Raises what either raises."""
        return interruptible(work, self.check)

    @property
    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()


@dataclass(frozen=True)
class Render:
    """One claimed job and what it is rendered with. `scratch` is an empty folder of its own.

    Whatever it does asks at least twice a second whether it should go on. Firestore's own calls do not, and take long
    in an outage only; nor do the captions: 0.3 s for 100 lines of 400 letters (CPU time, development machine).
    """

    job: VideoJob
    snapshot: JobSnapshot
    jobs: Jobs
    media: MediaStore
    voice: Voice
    progress: Progress
    scratch: Path
    shutdown: Shutdown = field(default_factory=Shutdown)

    def run(self) -> JobStatus:
        """The job has ended: completed, or cancelled when its script is gone. Raises RenderError.

        A line's audio is stored as soon as it is spoken, under a name that is the hash of everything that determines
        it, so that a later attempt, or a later render of an edited script, speaks only what is missing.
        """
        ends_at = time.monotonic() + RENDER_SECONDS
        with Heartbeat(
            look=lambda: self.jobs.check_lease(self.job), extend=lambda: self.jobs.extend_lease(self.job)
        ) as heartbeat:
            attempt = _Attempt(heartbeat, self.shutdown, ends_at)
            lines, missing = self._validate_audio(attempt)
            self._generate_audio(lines, missing, attempt)
            spoken, timeline = self._create_timeline(lines, attempt)
            soundtrack = self._concatenate_audio(spoken, timeline, attempt)
            video, encoder = self._generate_video(lines, timeline, soundtrack, attempt)
            return self._publish(lines, video, encoder)

    def _validate_audio(self, attempt: _Attempt) -> tuple[list[_Line], list[_Line]]:
        """All lines, and those whose audio is still to be spoken. A recording without its text is transcribed first."""
        with self.progress.step(StepName.AUDIO_VALIDATION) as report:
            snapshot = self._transcribed(attempt)
            speakers = {speaker.character_id: speaker for speaker in snapshot.speakers}
            lines = [self._planned(line, speakers[line.speaker]) for line in snapshot.lines]
            # The same line said twice by the same speaker is spoken once.
            distinct = {line.digest: line for line in lines}
            missing = {digest for digest, line in distinct.items() if not self._exists(line, attempt)}
            found = sum(line.digest not in missing for line in lines)
            report(100, f"Found {found}/{len(lines)} audio files")
        return lines, [distinct[digest] for digest in distinct if digest in missing]

    def _exists(self, line: _Line, attempt: _Attempt) -> bool:
        return attempt.awaited(lambda: self.media.exists(line.audio_object))

    def _transcribed(self, attempt: _Attempt) -> JobSnapshot:
        """The snapshot with the text of every recording, which decides the pace of every line.

        What another voice has transcribed is not taken for the words of the recording.
        """
        speakers = []
        for speaker in self.snapshot.speakers:
            if speaker.ref_text and speaker.ref_text_by in {"", self.voice.voice_id}:
                speakers.append(speaker)
                continue
            attempt.check()
            words = self.voice.transcribe(self._fetched(speaker.recording, attempt), check=attempt.check)
            speakers.append(speaker.model_copy(update={"ref_text": words, "ref_text_by": self.voice.voice_id}))
        snapshot = self.snapshot.model_copy(update={"speakers": tuple(speakers)})
        if snapshot != self.snapshot:
            self.jobs.store_transcript(self.job, snapshot)
        return snapshot

    def _planned(self, line: Line, speaker: Speaker) -> _Line:
        digest = line_digest(line, speaker, self.voice.voice_id)
        return _Line(line=line, speaker=speaker, digest=digest, audio_object=line_object(self.snapshot.user_id, digest))

    def _generate_audio(self, lines: list[_Line], missing: list[_Line], attempt: _Attempt) -> None:
        with self.progress.step(StepName.AUDIO_GENERATION) as report:
            pending = {line.digest for line in missing}
            _report_audio(report, lines, pending)
            for line in missing:
                attempt.check()
                sound = self.scratch / f"{line.digest}.wav"
                self.voice.speak(
                    line.line.text,
                    line.speaker,
                    self._fetched(line.speaker.recording, attempt),
                    seed=line_seed(line.digest),
                    target=sound,
                    check=attempt.check,
                )
                self._upload(sound, line.audio_object, "audio/wav", attempt)
                pending.remove(line.digest)
                _report_audio(report, lines, pending)

    def _create_timeline(self, lines: list[_Line], attempt: _Attempt) -> tuple[list[LineAudio], Timeline]:
        with self.progress.step(StepName.TIMELINE_CREATION) as report:
            spoken: dict[str, LineAudio] = {}
            for line in lines:
                attempt.check()
                if line.digest not in spoken:
                    spoken[line.digest] = self._normalised(line, attempt)
            report(90, "Laying out the dialogue...")
            audio = [spoken[line.digest] for line in lines]
            timeline = build_timeline(
                [
                    SpokenLine(
                        speaker=line.line.speaker,
                        text=line.line.text,
                        sample_count=sound.sample_count,
                        voiced=sound.voiced,
                    )
                    for line, sound in zip(lines, audio, strict=True)
                ],
                picture_counts={line.speaker.character_id: len(line.speaker.pictures) for line in lines},
            )
            report(100, f"Laid out {len(lines)} lines in {timeline.duration_seconds:.1f} seconds")
        return audio, timeline

    def _normalised(self, line: _Line, attempt: _Attempt) -> LineAudio:
        sound = self.scratch / f"{line.digest}.wav"
        if not sound.exists():
            self._download_line(line, sound, attempt)
        try:
            # A line of two minutes takes the CPU three seconds.
            return attempt.awaited(
                lambda: normalise_line(sound, self.scratch / f"{line.digest}.48k.wav", check=attempt.check)
            )
        except (FfmpegError, UnusableLineError) as error:
            log.error("line_audio_unusable", job_id=self.job.job_id, error=type(error).__name__)
            unusable = HopelessError("VOICE_UNUSABLE", "The voice gave no usable sound for one of the lines.")
            raise _failure(error, unusable) from error

    def _download_line(self, line: _Line, sound: Path, attempt: _Attempt) -> None:
        try:
            attempt.awaited(lambda: self.media.download(line.audio_object, sound))
        except HopelessError as error:
            # Its last script was deleted or edited since it was found (media.removal): the next attempt speaks it.
            raise TransientError("a line's audio was removed", at_last=attempts_used_up()) from error

    def _concatenate_audio(self, audio: list[LineAudio], timeline: Timeline, attempt: _Attempt) -> Path:
        with self.progress.step(StepName.AUDIO_CONCATENATION) as report:
            target = self.scratch / "soundtrack.wav"
            paths = [each.path for each in audio]
            attempt.awaited(lambda: join_lines(paths, timeline, target, check=attempt.check))
            report(100, f"Joined {len(audio)} lines")
        return target

    def _generate_video(
        self, lines: list[_Line], timeline: Timeline, soundtrack: Path, attempt: _Attempt
    ) -> tuple[VideoFile, str]:
        """The video in the bucket, and the name of the encoder that made it."""
        with self.progress.step(StepName.VIDEO_GENERATION) as report:
            captions = self.scratch / "captions.ass"
            write_captions(timeline, installed_fonts(), captions)
            speakers = {line.speaker.character_id: line.speaker for line in lines}
            composition = Composition(
                timeline=timeline,
                pictures={
                    character_id: [self._fetched(picture, attempt) for picture in speaker.pictures]
                    for character_id, speaker in speakers.items()
                },
                captions=captions,
                audio=soundtrack,
                background=self._fetched(self.snapshot.background.object_name, attempt),
                start_seconds=_background_start_seconds(self.job.job_id),
            )
            composed = self._composed(composition, report, attempt)
            report(95, "Uploading the video...")
            video = VideoFile(
                object_name=video_object(self.snapshot.user_id, self.job.job_id, self.job.fence),
                duration_seconds=timeline.duration_seconds,
                size_bytes=composed.size_bytes,
            )
            self._upload(composed.path, video.object_name, "video/mp4", attempt)
            report(100, f"Video ready: {video.duration_seconds:.1f} seconds")
        return video, composed.encoder

    def _composed(self, composition: Composition, report: Report, attempt: _Attempt) -> ComposedVideo:
        attempt.check()
        try:
            return compose_video(
                composition,
                self.scratch / "video.mp4",
                encoder=attempt.awaited(choose_encoder),
                timeout_seconds=attempt.seconds_left,
                # The last part of the step is the upload.
                on_progress=lambda done: report(done.progress_percent * 0.95, "Rendering video segments..."),
                check=attempt.check,
            )
        except FfmpegError as error:
            log.error("video_not_encoded", job_id=self.job.job_id, stderr_tail=error.stderr_tail)
            failed = HopelessError("ENCODE_FAILED", "The video could not be put together.")
            raise _failure(error, failed) from error

    def _publish(self, lines: list[_Line], video: VideoFile, encoder: str) -> JobStatus:
        # Whoever loses the lease here leaves the upload to the nightly sweep, as who loses it earlier. It must not be
        # removed: where the answer of our own commit was lost, it is the video that is paid for.
        return self.jobs.complete(
            self.job,
            steps=self.progress.steps,
            video=video,
            encoder=encoder,
            audio_objects={(line.line.speaker, line.line.text): line.audio_object for line in lines},
        )

    def _upload(self, source: Path, object_name: str, content_type: str, attempt: _Attempt) -> None:
        attempt.awaited(lambda: self.media.upload(source, object_name, content_type=content_type))

    def _fetched(self, object_name: str, attempt: _Attempt) -> Path:
        """The object's file in the scratch folder, downloaded at its first use."""
        target = self.scratch / object_name.replace("/", "_")
        if not target.exists():
            attempt.awaited(lambda: self.media.download(object_name, target))
        return target


def _failure(error: Exception, hopeless: HopelessError) -> RenderError:
    """Hopeless, unless FFmpeg was killed, ran out of time or could not be started: another attempt may go better."""
    if isinstance(error, FfmpegError) and (error.exit_code is None or error.exit_code < 0):
        return TransientError(f"FFmpeg was interrupted: {type(error).__name__}", at_last=attempts_used_up())
    return hopeless


def _report_audio(report: Report, lines: list[_Line], pending: set[str]) -> None:
    completed = sum(line.digest not in pending for line in lines)
    report(100 * completed / len(lines), f"Generating audio files... ({completed}/{len(lines)} completed)")


def _background_start_seconds(job_id: str) -> float:
    """A start that differs per job and is the same for every attempt: 0 to 3,600, folded into the file's length."""
    return int(hashlib.sha256(job_id.encode()).hexdigest()[:8], 16) % 3_600_000 / 1000

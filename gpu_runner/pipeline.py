"""One render: the five steps in order, resumable at any line."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from contracts import log
from contracts.job_snapshot import JobSnapshot, Line, Speaker, line_digest, line_seed
from contracts.media_paths import line_object, video_object
from contracts.video_job import JobStatus, StepName, VideoFile, VideoJob
from gpu_runner.composition import BACKGROUND_FORMATS, Scene, place_background
from gpu_runner.encoders import choose_encoder
from gpu_runner.encoding import EncodedVideo, Encoding
from gpu_runner.errors import HopelessError, RenderError, TransientError, attempts_used_up
from gpu_runner.ffmpeg import FfmpegError, measure_video_seconds
from gpu_runner.heartbeat import Heartbeat
from gpu_runner.interruption import Result, Shutdown, interruptible
from gpu_runner.jobs import Jobs
from gpu_runner.media_store import MediaStore
from gpu_runner.progress import Progress, Report
from gpu_runner.soundtrack import LineAudio, UnusableLineError, join_lines, normalise_line
from gpu_runner.timeline import PAUSE_SAMPLES, SAMPLE_RATE_HZ, SpokenLine, Timeline, build_timeline
from gpu_runner.voice import Voice

# A render must end within Cloud Tasks' 1,800 s; the difference is for upload and the last transaction.
RENDER_SECONDS = 1650.0
# F5-TTS gives a text the pace of the recording. A slow reader's: 150 words a minute, of 6 bytes, are 15 bytes a second.
_SLOW_BYTES_PER_SECOND = 10.0


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
            lines, missing, scene = self._validate_audio(attempt)
            folder = self.scratch / "encoding"
            folder.mkdir()
            encoder = attempt.awaited(choose_encoder)
            with Encoding(scene, folder, encoder=encoder, check=attempt.check, ends_at=ends_at) as encoding:
                audio = self._generate_audio(lines, missing, encoding, attempt)
                timeline = self._create_timeline(lines, audio)
                soundtrack = self._concatenate_audio(audio, timeline, attempt)
                video, used_encoder = self._generate_video(timeline, soundtrack, encoding, attempt)
            return self._publish(lines, video, used_encoder)

    def _validate_audio(self, attempt: _Attempt) -> tuple[list[_Line], set[str], Scene]:
        """All lines, the digests of those that are still to be spoken, and what all are shown with.

        A recording without its text is transcribed first.
        """
        with self.progress.step(StepName.AUDIO_VALIDATION) as report:
            snapshot = self._transcribed(attempt)
            speakers = {speaker.character_id: speaker for speaker in snapshot.speakers}
            lines = [self._planned(line, speakers[line.speaker]) for line in snapshot.lines]
            # The same line said twice by the same speaker is spoken once.
            distinct = {line.digest: line for line in lines}
            missing = {digest for digest, line in distinct.items() if not self._exists(line, attempt)}
            found = sum(line.digest not in missing for line in lines)
            report(90, f"Found {found}/{len(lines)} audio files")
            scene = self._fetched_scene(snapshot, attempt)
            report(100, f"Found {found}/{len(lines)} audio files")
        return lines, missing, scene

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

    def _fetched_scene(self, snapshot: JobSnapshot, attempt: _Attempt) -> Scene:
        """Fetched before anything is spoken, so that a job whose media is gone costs nothing."""
        heard = {line.speaker for line in snapshot.lines}
        pictures = {
            speaker.character_id: [self._fetched(picture, attempt) for picture in speaker.pictures]
            for speaker in snapshot.speakers
            if speaker.character_id in heard
        }
        background = self._fetched(snapshot.background.object_name, attempt)
        try:
            background_seconds = measure_video_seconds(background, formats=BACKGROUND_FORMATS, check=attempt.check)
        except FfmpegError as error:
            raise self._encode_failure(error) from error
        start_frame = place_background(
            _background_start_seconds(self.job.job_id),
            background_seconds=background_seconds,
            video_seconds=_expected_seconds(snapshot),
        )
        return Scene(pictures, background, background_seconds, start_frame)

    def _generate_audio(
        self, lines: list[_Line], missing: set[str], encoding: Encoding, attempt: _Attempt
    ) -> list[LineAudio]:
        """Every line's sound, as loud as it should be. While one is spoken, those before it are being encoded."""
        with self.progress.step(StepName.AUDIO_GENERATION) as report:
            pending = set(missing)
            _report_audio(report, lines, pending)
            sounds: dict[str, LineAudio] = {}
            for index, line in enumerate(lines):
                attempt.check()
                if line.digest in pending:
                    if index:
                        self._hand_on(_timeline(lines[:index], sounds), encoding)
                    self._speak(line, attempt)
                    pending.remove(line.digest)
                    _report_audio(report, lines, pending)
                if line.digest not in sounds:
                    sounds[line.digest] = self._normalised(line, attempt)
        return [sounds[line.digest] for line in lines]

    def _hand_on(self, timeline: Timeline, encoding: Encoding) -> None:
        try:
            encoding.add(timeline)
        except FfmpegError as error:
            raise self._encode_failure(error) from error

    def _speak(self, line: _Line, attempt: _Attempt) -> None:
        """The line's sound is in the scratch folder and in the bucket."""
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

    def _create_timeline(self, lines: list[_Line], audio: list[LineAudio]) -> Timeline:
        with self.progress.step(StepName.TIMELINE_CREATION) as report:
            timeline = _timeline(lines, {line.digest: sound for line, sound in zip(lines, audio, strict=True)})
            report(100, f"Laid out {len(lines)} lines in {timeline.duration_seconds:.1f} seconds")
        return timeline

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
        self, timeline: Timeline, soundtrack: Path, encoding: Encoding, attempt: _Attempt
    ) -> tuple[VideoFile, str]:
        """The video in the bucket, and the name of the encoder that made it."""
        with self.progress.step(StepName.VIDEO_GENERATION) as report:
            encoded = self._encoded(timeline, soundtrack, encoding, report)
            report(95, "Uploading the video...")
            video = VideoFile(
                object_name=video_object(self.snapshot.user_id, self.job.job_id, self.job.fence),
                duration_seconds=timeline.duration_seconds,
                size_bytes=encoded.size_bytes,
            )
            self._upload(encoded.path, video.object_name, "video/mp4", attempt)
            report(100, f"Video ready: {video.duration_seconds:.1f} seconds")
        return video, encoded.encoder

    def _encoded(self, timeline: Timeline, soundtrack: Path, encoding: Encoding, report: Report) -> EncodedVideo:
        try:
            return encoding.finish(
                timeline,
                soundtrack,
                # The last part of the step is the upload.
                on_progress=lambda done: report(done.progress_percent * 0.95, "Rendering video segments..."),
            )
        except FfmpegError as error:
            raise self._encode_failure(error) from error

    def _encode_failure(self, error: FfmpegError) -> RenderError:
        log.error("video_not_encoded", job_id=self.job.job_id, stderr_tail=error.stderr_tail)
        return _failure(error, HopelessError("ENCODE_FAILED", "The video could not be put together."))

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


def _timeline(lines: list[_Line], sounds: Mapping[str, LineAudio]) -> Timeline:
    return build_timeline(
        [
            SpokenLine(
                speaker=line.line.speaker,
                text=line.line.text,
                sample_count=sounds[line.digest].sample_count,
                voiced=sounds[line.digest].voiced,
            )
            for line in lines
        ],
        picture_counts={line.speaker.character_id: len(line.speaker.pictures) for line in lines},
    )


def _expected_seconds(snapshot: JobSnapshot) -> float:
    """About how long the video will be at most; its first picture is encoded before all of its lines are spoken."""
    speeds = {speaker.character_id: speaker.speed for speaker in snapshot.speakers}
    return sum(
        len(line.text.encode()) / (_SLOW_BYTES_PER_SECOND * speeds[line.speaker]) + PAUSE_SAMPLES / SAMPLE_RATE_HZ
        for line in snapshot.lines
    )


def _background_start_seconds(job_id: str) -> float:
    """A start that differs per job and is the same for every attempt: 0 to 3,600, folded into the file's length."""
    return int(hashlib.sha256(job_id.encode()).hexdigest()[:8], 16) % 3_600_000 / 1000

from collections.abc import Sequence

import pytest

from contracts.video_job import Step, StepName, StepStatus, completed_steps, overall_progress_percent
from gpu_runner.errors import LeaseLostError, TransientError
from gpu_runner.progress import WRITE_INTERVAL_SECONDS, Progress


class Recorder:
    """Keeps what was written, as the job document would."""

    def __init__(self) -> None:
        self.now = 100.0
        self.written: list[list[Step]] = []

    def write(self, steps: Sequence[Step], current: StepName) -> None:
        assert current in StepName
        self.written.append(list(steps))

    def progress(self) -> Progress:
        return Progress(self.write, clock=lambda: self.now)


def test_reports_within_two_seconds_are_written_once() -> None:
    recorder = Recorder()

    with recorder.progress().step(StepName.AUDIO_GENERATION) as report:
        written_at_start = len(recorder.written)
        for percent in range(1, 50):
            recorder.now += WRITE_INTERVAL_SECONDS / 100
            report(percent, "going on")

    assert len(recorder.written) == written_at_start + 1


def test_a_report_two_seconds_later_is_written() -> None:
    recorder = Recorder()

    with recorder.progress().step(StepName.AUDIO_GENERATION) as report:
        recorder.now += WRITE_INTERVAL_SECONDS
        report(40.0, "going on")

    assert [steps[1].progress for steps in recorder.written] == [0.0, 40.0, 100.0]


def test_the_end_of_a_step_is_always_written() -> None:
    recorder = Recorder()

    with recorder.progress().step(StepName.AUDIO_VALIDATION) as report:
        report(100.0, "Found 2/2 audio files")

    last = recorder.written[-1][0]
    assert (last.status, last.progress, last.message) == (StepStatus.COMPLETED, 100.0, "Found 2/2 audio files")


def test_a_step_that_fails_is_not_written_as_completed() -> None:
    recorder = Recorder()
    progress = recorder.progress()

    with pytest.raises(ZeroDivisionError), progress.step(StepName.AUDIO_VALIDATION):
        raise ZeroDivisionError

    assert completed_steps(progress.steps) == 0


def test_five_completed_steps_are_a_hundred_percent() -> None:
    progress = Recorder().progress()

    for name in StepName:
        with progress.step(name):
            pass

    assert overall_progress_percent(progress.steps) == 100.0


def test_a_write_that_fails_for_the_moment_does_not_stop_the_step() -> None:
    def fail(_steps: Sequence[Step], _current: StepName) -> None:
        raise TransientError("Firestore failed: ServiceUnavailable")

    progress = Progress(fail)

    with progress.step(StepName.AUDIO_VALIDATION):
        pass

    assert completed_steps(progress.steps) == 1


def test_a_write_that_finds_the_lease_lost_stops_the_step() -> None:
    def fail(_steps: Sequence[Step], _current: StepName) -> None:
        raise LeaseLostError

    with pytest.raises(LeaseLostError), Progress(fail).step(StepName.AUDIO_VALIDATION):
        pass

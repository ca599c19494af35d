"""Video jobs and the backgrounds to choose from."""

from typing import Any

from local.examples.example import MOMENT, VIDEO_PATH, Example, picture_path

_STEPS = ("audio_validation", "audio_generation", "timeline_creation", "audio_concatenation", "video_generation")


def _step(name: str, **differing: Any) -> dict[str, Any]:
    return {
        "stepName": name,
        "status": "pending",
        "progress": 0.0,
        "message": "",
        "startedAt": None,
        "completedAt": None,
        "errorMessage": None,
    } | differing


def _done(name: str, message: str, started_at: str, completed_at: str) -> dict[str, Any]:
    done = {"status": "completed", "progress": 100.0, "message": message}
    return _step(name, **done, startedAt=started_at, completedAt=completed_at)


def _job(**differing: Any) -> dict[str, Any]:
    """The specification's job as it was started, with these fields instead of its own."""
    return {
        "jobId": "job_456",
        "scriptId": "script_123",
        "userId": "user_123",
        "status": "queued",
        "overallProgress": 0.0,
        "currentStep": "",
        "steps": [_step(name) for name in _STEPS],
        "totalSteps": 5,
        "completedSteps": 0,
        "createdAt": MOMENT,
        "startedAt": None,
        "completedAt": None,
        "finalVideoPath": None,
        "videoDuration": None,
        "videoSize": None,
        "errorMessage": None,
        "note": None,
    } | differing


_UNDER_WAY = _job(
    status="in_progress",
    overallProgress=70.8,
    currentStep="video_generation",
    steps=[
        _done("audio_validation", "Found 8/8 audio files", MOMENT, "2024-01-01T00:00:30Z"),
        _done(
            "audio_generation",
            "Generating audio files... (8/8 completed)",
            "2024-01-01T00:00:30Z",
            "2024-01-01T00:01:50Z",
        ),
        _done("timeline_creation", "", "2024-01-01T00:01:50Z", "2024-01-01T00:01:52Z"),
        _done("audio_concatenation", "", "2024-01-01T00:01:52Z", "2024-01-01T00:02:00Z"),
        _step(
            "video_generation",
            status="in_progress",
            progress=35.0,
            message="Rendering video segments...",
            startedAt="2024-01-01T00:02:00Z",
        ),
    ],
    completedSteps=4,
    startedAt=MOMENT,
)
COMPLETED_JOB = _UNDER_WAY | {
    "status": "completed",
    "overallProgress": 100.0,
    "currentStep": "completed",
    "steps": [
        *_UNDER_WAY["steps"][:4],
        _done("video_generation", "", "2024-01-01T00:02:00Z", "2024-01-01T00:03:00Z"),
    ],
    "completedSteps": 5,
    "completedAt": "2024-01-01T00:03:00Z",
    "finalVideoPath": VIDEO_PATH,
    "videoDuration": 45.2,
    "videoSize": 8543210,
}

EXAMPLES = {
    "generate_video": Example(
        request={"backgroundVideo": "background_005.mp4"},
        answer={"job": _job(), "message": "Video generation started successfully! Job ID: job_456"},
    ),
    "get_video_status": Example(
        answer={
            "scriptId": "script_123",
            "status": "in_progress",
            "stage": "audio_generation",
            "progress": 45.0,
            "message": "Generating audio files... (3/8 completed)",
            "startedAt": MOMENT,
            "completedAt": None,
            "errorMessage": None,
            "finalVideoPath": None,
        }
    ),
    "get_video_job": Example(answer=_UNDER_WAY),
    "cancel_video_job": Example(
        answer=_UNDER_WAY | {"status": "failed", "completedAt": "2024-01-01T00:02:30Z", "errorMessage": "Cancelled"}
    ),
    "get_script_video_job": Example(answer=COMPLETED_JOB),
    "list_my_video_jobs": Example(answer=[COMPLETED_JOB]),
    "list_backgrounds": Example(
        answer=[
            {
                "name": "background_005.mp4",
                "durationSeconds": 60.0,
                "width": 1080,
                "height": 1920,
                "thumbnail": picture_path("6c1d2e3f4a5b60718293a4b5c6d7e8f9", owner="backgrounds"),
            }
        ]
    ),
}

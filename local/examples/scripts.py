"""Scripts."""

from typing import Any

from local.examples.example import MOMENT, SIGNATURE, VIDEO_PATH, Example

_PROMPT = (
    "Create a conversation about climate change between two political leaders discussing renewable energy solutions."
)
_LINE_DIGEST = "4f1e2d3c5b6a79880f1e2d3c4b5a69788f7e6d5c4b3a29180f1e2d3c4b5a6978"
_SPOKEN = f"/api/static/audio_files/user123/{_LINE_DIGEST}.wav{SIGNATURE}"
_TEXTS = {
    "character_123": "Climate change is one of the most pressing issues of our time.",
    "character_456": "Absolutely, we need to invest heavily in renewable energy.",
}


def _script(**differing: Any) -> dict[str, Any]:
    """The specification's script as it was generated, with these fields instead of its own."""
    return {
        "id": "script_789",
        "selectedCharacters": list(_TEXTS),
        "originalPrompt": _PROMPT,
        "dialogue": [{"speaker": speaker, "text": text, "audioFile": ""} for speaker, text in _TEXTS.items()],
        "createdAt": MOMENT,
        "updatedAt": MOMENT,
        "hasAudio": False,
        "audioCount": 0,
        "finalVideoPath": None,
        "videoDuration": None,
        "videoSize": None,
        "videoJobId": None,
        "videoJobStatus": None,
        "videoJobProgress": 0.0,
        "videoJobCurrentStep": None,
        "videoJobStartedAt": None,
        "videoJobCompletedAt": None,
        "videoJobErrorMessage": None,
    } | differing


FILMED = _script(
    dialogue=[{"speaker": speaker, "text": text, "audioFile": _SPOKEN} for speaker, text in _TEXTS.items()],
    hasAudio=True,
    audioCount=2,
    finalVideoPath=VIDEO_PATH,
    videoDuration=45.2,
    videoSize=8543210,
    videoJobId="job_123",
    videoJobStatus="completed",
    videoJobProgress=100.0,
    videoJobCurrentStep="completed",
    videoJobStartedAt="2024-01-01T00:05:00Z",
    videoJobCompletedAt="2024-01-01T00:08:00Z",
)
_EDIT = {"speaker": "character_123", "text": "Updated dialogue text here.", "audioFile": ""}

EXAMPLES = {
    "generate_script": Example(
        request={"selectedCharacters": list(_TEXTS), "prompt": _PROMPT},
        answer=_script(),
    ),
    "list_my_scripts": Example(answer={"scripts": [FILMED], "userTokens": 15}),
    "get_script": Example(answer=FILMED),
    "update_script": Example(
        request={"dialogue": [_EDIT]}, answer=_script(dialogue=[_EDIT], updatedAt="2024-01-01T00:10:00Z")
    ),
    "delete_script": Example(
        answer={
            "message": "Script 'script_123' deleted successfully",
            "deletedMediaFiles": [
                f"lines/user123/{_LINE_DIGEST}.wav",
                "videos/user123/9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d_1.mp4",
            ],
            "deletedCount": 2,
        }
    ),
    "get_audio_status": Example(
        answer={
            "scriptId": "script_123",
            "status": "processing",
            "totalLines": 8,
            "processedLines": 3,
            "completedLines": 3,
            "failedLines": 0,
        }
    ),
}
